"""Proves with Twilio's own library that the simulator signs, answers and speaks TwiML as Twilio does.

Prints one line for each fact and 'N passed, M failed' at the end; exits non-zero unless all passed.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys

from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

import bridge
import twiml_check

HERE = pathlib.Path(__file__).parent
SIM = os.environ["TWILIO_SIM"]
ACCOUNT = "AC00000000000000000000000000000001"
TOKEN = "0123456789abcdef0123456789abcdef"

passed = failed = 0


def fact(text, holds, detail=""):
    global passed, failed
    if holds:
        passed += 1
        print(f"ok    {text}")
    else:
        failed += 1
        print(f"FAIL  {text} {detail}")


class Values(list):
    """Parameters as the library wants them when a name may repeat."""

    def __iter__(self):
        return iter({name for name, _ in super().__iter__()})

    def getall(self, wanted):
        return [value for name, value in super().__iter__() if name == wanted]


def prove_signatures():
    output = subprocess.run(
        [SIM, "sign", "--vectors", HERE / "vectors.json"], capture_output=True, text=True, check=True
    )
    lines = output.stdout.splitlines()
    fact("there are 17 vectors", len(lines) == 17, f"but {len(lines)}")
    for vector in map(json.loads, lines):
        validator = RequestValidator(vector["token"])
        params = vector.get("body") or Values(map(tuple, vector["params"]))
        algorithm = vector.get("alg")
        accepted = validator.validate(vector["url"], params, vector["signature"], algorithm)
        fact(f"the library accepts our signature {vector['id']}", accepted)
        params = (vector["body"] + " ") if vector.get("body") else Values([("Foreign", "1")])
        refused = not validator.validate(vector["url"], params, vector["signature"], algorithm)
        fact(f"and not that of other parameters ({vector['id']})", refused)


class Redirected(TwilioHttpClient):
    """The library's own client, pointed at the simulator."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def request(self, method, url, *args, **kwargs):
        return super().request(method, url.replace("https://api.twilio.com", self.base), *args, **kwargs)


def error_of(work):
    try:
        work()
    except TwilioRestException as e:
        return (e.status, e.code)
    return None


class Simulator:
    """A running `twilio-sim --serve` with one call in progress."""

    def __init__(self, connect_to):
        command = [SIM, "--serve", "--connect-to", connect_to, "--account-sid", ACCOUNT, "--auth-token", TOKEN]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.base = self.word_after("rest")
        self.call = self.word_after("call")

    def word_after(self, key):
        for line in self.process.stdout:
            words = line.split()
            if words[:1] == [key]:
                return words[1]
        raise RuntimeError(f"the simulator ended without saying {key!r}")

    def close(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=10)


def prove_rest(client, sim, peer):
    call = client.calls(sim.call)
    shown = call.fetch()
    fact("a running call is fetched", (shown.sid, shown.status) == (sim.call, "in-progress"), shown.status)
    fact("its numbers are E.164", shown.to.startswith("+") and shown._from.startswith("+"))
    fact("its creation time is understood by the library", shown.date_created is not None)
    listed = [c.sid for c in client.calls.list(status="in-progress", limit=10)]
    fact("it is listed by its status", listed == [sim.call], listed)
    fact("other states list nothing", client.calls.list(status="busy", limit=10) == [])
    both = error_of(lambda: call.update(status="completed", twiml="<Response/>"))
    fact("Status and Twiml exclude each other", both is not None and both[0] == 400, both)
    long = error_of(lambda: call.update(twiml="<Response>" + "x" * 4000 + "</Response>"))
    fact("more than 4000 characters of TwiML are refused", long is not None and long[0] == 400, long)
    fact("update completed is answered with completed", call.update(status="completed").status == "completed")
    _, params, holds = peer.next("/twilio/status")
    fact("the status callback is signed", holds)
    fact("and tells the end", (params["CallStatus"], params["CallSid"]) == ("completed", sim.call), params)
    done = call.fetch()
    fact("an ended call has a duration", done.status == "completed" and done.duration is not None)
    fact("and an end", done.end_time is not None)
    again = error_of(lambda: call.update(status="completed"))
    fact("an ended call cannot be updated (400, 21220)", again == (400, 21220), again)
    unknown = error_of(client.calls("CA" + "f" * 32).fetch)
    fact("an unknown call is not found (404, 20404)", unknown == (404, 20404), unknown)
    nowhere = error_of(lambda: client.calls.create(to="hello", from_="+15550100100", twiml="<Response/>"))
    fact("a call to nowhere is refused (400, 21211)", nowhere == (400, 21211), nowhere)
    sms = client.messages.create(to="+15550100200", from_="+15550100100", body="See you on Monday.")
    fact("a message is accepted", sms.status == "queued" and sms.sid.startswith("SM"), sms.status)
    again = client.messages.create(to="+15550100200", from_="+15550100100", body="ł" * 71)
    fact("another message is another", again.sid != sms.sid, again.sid)
    fact("and is paid for in parts", (sms.num_segments, again.num_segments) == ("1", "2"), again.num_segments)
    foreign = error_of(lambda: client.messages.create(to="+15550100200", from_="+15550100999", body="Hi"))
    fact("a message from another's number is refused (400, 21606)", foreign == (400, 21606), foreign)
    empty = error_of(lambda: client.messages.create(to="+15550100200", from_="+15550100100"))
    fact("a message without a text is refused (400, 21602)", empty == (400, 21602), empty)
    numbers = client.incoming_phone_numbers.list(limit=5)
    fact("the account's number is listed", [n.phone_number for n in numbers] == ["+15550100100"])
    stranger = Client(ACCOUNT, "wrong", http_client=client.http_client)
    refused = error_of(stranger.calls(sim.call).fetch)
    fact("a wrong token is refused (401, 20003)", refused == (401, 20003), refused)


def prove_a_live_call():
    peer = bridge.Bridge(TOKEN)
    sim = Simulator(peer.address)
    try:
        _, params, holds = peer.next("/twilio/voice")
        fact("the voice webhook is signed", holds)
        fact("it says who calls", (params["CallSid"], params["CallStatus"]) == (sim.call, "ringing"))
        _, _, holds = peer.next("/twilio/media/1")
        fact("the stream's handshake is signed for its wss URL", holds)
        client = Client(ACCOUNT, TOKEN, http_client=Redirected(sim.base))
        prove_rest(client, sim, peer)
    finally:
        sim.close()
        peer.close()


def prove_twiml(files):
    fact("the library's own document survives the comparison", twiml_check.check(bridge.document()) is None)
    wrong = "<Response><Dial time-out='3'>+15550100900</Dial></Response>"
    fact("a misspelt attribute does not", twiml_check.check(wrong) is not None)
    for name in files:
        difference = twiml_check.check(pathlib.Path(name).read_text(encoding="utf-8"))
        fact(f"Twilio's builder makes the same document as {name}", difference is None, difference)


def main():
    prove_signatures()
    prove_twiml(sys.argv[1:])
    prove_a_live_call()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
