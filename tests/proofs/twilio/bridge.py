"""A bridge of a few lines: answers the simulator's webhooks with Twilio's builder and judges its signatures."""

import queue
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect, VoiceResponse

PUBLIC = "desk.example.com"


def document():
    """A stream that this bridge refuses, then a minute in which the REST interface can be tried."""
    response = VoiceResponse()
    connect = Connect()
    connect.stream(url=f"wss://{PUBLIC}/twilio/media/1").parameter(name="token", value="1")
    response.append(connect)
    response.pause(length=60)
    return str(response)


class Bridge:
    """Serves on loopback until closed; what arrives is in `arrived`: (path, params, signature holds)."""

    def __init__(self, token):
        self.arrived = queue.Queue()
        bridge, validator = self, RequestValidator(token)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                size = int(self.headers["Content-Length"])
                form = self.rfile.read(size).decode()
                params = dict(urllib.parse.parse_qsl(form, keep_blank_values=True))
                self.judge("https", params)
                body = document().encode() if self.path == "/twilio/voice" else b""
                self.send_response(200)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.judge("wss", {})
                self.send_error(403)

            def judge(self, scheme, params):
                url = f"{scheme}://{PUBLIC}{self.path}"
                signature = self.headers.get("X-Twilio-Signature", "")
                holds = validator.validate(url, params, signature)
                bridge.arrived.put((self.path, params, holds))

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, path):
        """The next request to `path`; ten seconds are more than any takes."""
        while True:
            arrived = self.arrived.get(timeout=10)
            if arrived[0] == path:
                return arrived

    def close(self):
        self.server.shutdown()
