"""A mail server and a receiver of webhooks, on loopback: what notices are sent to in tests.

Belongs here: real servers that keep what they took and can be told to refuse. Does not belong here: what notices say.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class MailServer:
    """Takes mail; `answer` other than 250 refuses it. `port` is chosen by the system."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.logins: list[str] = []
        self.answer = "250 taken"
        self.port = 0

    async def handle_DATA(
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:  # the name is aiosmtpd's
        if self.answer.startswith("250"):
            content = envelope.content if isinstance(envelope.content, bytes) else b""
            parsed = message_from_bytes(content, policy=default)
            assert isinstance(parsed, EmailMessage)
            self.mails.append(parsed)
            self.recipients.append(list(envelope.rcpt_tos))
        return self.answer

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, how: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password == b"right", handled=data.password == b"right")

    def bodies(self) -> list[str]:
        return [str(mail.get_content()) for mail in self.mails]


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[MailServer]:
    """A server until the block ends; with `tls` it offers STARTTLS and wants a login."""
    handler = MailServer()
    options: dict[str, Any] = {}
    if tls is not None:
        options = {"tls_context": tls, "require_starttls": True, "authenticator": handler.authenticate}
    controller = Controller(handler, hostname="127.0.0.1", port=port or _free_port(), **options)
    controller.start()
    handler.port = controller.port
    try:
        yield handler
    finally:
        controller.stop()


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class WebhookServer:
    """Takes posts; `status` other than 200 refuses them."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.status = 200
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/secret"

    def texts(self) -> list[str]:
        return [post["text"] for post in self.posts]


@contextmanager
def webhook_server() -> Iterator[WebhookServer]:
    """A receiver until the block ends."""
    state = WebhookServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["content-length"]))
            if state.status == 200:
                state.posts.append(json.loads(text))
            self.send_response(state.status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
