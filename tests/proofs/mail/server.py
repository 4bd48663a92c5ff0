"""Real mail servers (aiosmtpd) for the proof: one with STARTTLS, one with TLS from the first byte, one with neither.

The recipient's name says how the server behaves: later, nobody, refused, cut, silent, slow, spam, busy, busy-once; whoever
else is written to gets the letter, as a file of the folder. Prints the ports, then serves until standard input ends.

Usage: server.py [CERT KEY] FOLDER; without a certificate there are only those that need none.
"""

import asyncio
import logging
import pathlib
import ssl
import sys
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

ACCOUNT = LoginPassword(b"frontdesk@clinic.example", b"the password")
ON_RECIPIENT = {
    "later": "450 4.2.1 greylisted, come back in five minutes",
    "nobody": "550 5.1.1 <nobody@example.org>: no such user here",
    "full": "552 5.2.2 mailbox full",
}
ON_LETTER = {
    "busy": "451 4.3.0 try again later",
    "spam": "554 5.7.1 spam from ana@example.org refused",
}


class Letters:
    def __init__(self, folder):
        self.folder = folder
        self.met = set()

    def keep(self, envelope):
        count = len(list(self.folder.iterdir()))
        name = f"{count:03}-{envelope.rcpt_tos[0].split('@')[0]}.eml"
        (self.folder / name).write_bytes(envelope.content)
        return f"250 2.0.0 Ok: queued as {count:03} for {envelope.rcpt_tos[0]}"

    async def handle_MAIL(self, server, session, envelope, address, options):
        if address.startswith("stranger@"):
            return "553 5.7.1 <stranger@clinic.example>: not yours to send as"
        envelope.mail_from = address
        return "250 2.1.0 Ok"

    async def handle_RCPT(self, server, session, envelope, address, options):
        refusal = ON_RECIPIENT.get(address.split("@")[0])
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        who = envelope.rcpt_tos[0].split("@")[0]
        if who in ON_LETTER:
            return ON_LETTER[who]
        if who == "busy-once" and self.is_first(who):
            return ON_LETTER["busy"]
        if who == "silent":
            await asyncio.sleep(3600)
        if who == "slow":
            await asyncio.sleep(2)
        answer = self.keep(envelope)
        # The letter is taken and the answer lost, the first time.
        if who == "cut" and self.is_first(who):
            server.transport.abort()
        return answer

    def is_first(self, who):
        first = who not in self.met
        self.met.add(who)
        return first


def check(server, session, envelope, mechanism, data):
    # With handled=True the server would send no 535 and the client wait for ever.
    return AuthResult(success=data == ACCOUNT, handled=False)


class Quiet(asyncio.Protocol):
    """Takes connections and never says a word."""


async def mute():
    server = await asyncio.get_running_loop().create_server(Quiet, "127.0.0.1", 0)
    return server.sockets[0].getsockname()[1]


class AnyPort(Controller):
    """Listens on any free port; aiosmtpd knocks at the port that it was told, which would be 0."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def main():
    *pem, folder = sys.argv[1:]
    # Broken handshakes are what is asked of it.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    letters = Letters(pathlib.Path(folder))
    here = {"hostname": "127.0.0.1", "port": 0}
    servers = {"plain": AnyPort(letters, **here)}
    if pem:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*pem)
        login = {"authenticator": check, "auth_required": True}
        servers["starttls"] = AnyPort(letters, tls_context=tls, require_starttls=True, **login, **here)
        servers["tls"] = AnyPort(letters, ssl_context=tls, auth_require_tls=False, **login, **here)
    for name, controller in servers.items():
        controller.start()
        print(name, controller.port)
    quiet = asyncio.run_coroutine_threadsafe(mute(), servers["plain"].loop)
    print("mute", quiet.result(10), flush=True)
    sys.stdin.read()
    for controller in servers.values():
        controller.stop()


if __name__ == "__main__":
    main()
