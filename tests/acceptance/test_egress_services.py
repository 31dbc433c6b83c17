"""HTTP and mail connections against real servers on this machine."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hansa.egress import http as http_module
from hansa.egress.http import HttpExit
from hansa.egress.interface import Call, Exit
from hansa.egress.mail import MailExit
from hansa.egress.settings import ConnectionSetting
from hansa.errors import HansaError

_SLOW_S: Final = 5.0


class _Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked, as JSON; a few paths misbehave."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/api/slow":
            self.server.released.wait(_SLOW_S)  # type: ignore[attr-defined]
        if self.path == "/api/gone":
            self.close_connection = True
            return
        asked = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode(),
        }
        self._send(302 if self.path == "/api/moved" else 404 if self.path == "/api/absent" else 200, json.dumps(asked))

    def _send(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Location", "http://169.254.169.254/")
        self.send_header("Set-Cookie", "session=1; Path=/")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.path == "/api/dripping":
            for piece in (text[:1], text[1:2], text[2:3]):
                self.wfile.write(piece.encode())
                time.sleep(0.1)
            self.close_connection = True
            return
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the standard library
        """Says nothing."""


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    server.released = threading.Event()  # type: ignore[attr-defined]
    with serving(server) as number:
        yield number
        server.released.set()  # type: ignore[attr-defined]


@contextmanager
def shop(port: int, host: str = "127.0.0.1", **changes: Any) -> Iterator[Exit]:
    opened = HttpExit(
        ConnectionSetting("shop", "http", f"http://{host}:{port}/api", **changes), resolve=lambda _: ["127.0.0.1"]
    )
    try:
        yield opened
    finally:
        opened.close()


def ask(
    exit: Exit,  # noqa: A002 - the room's own word
    method: str,
    path: str,
    body: Any = None,
    query: Any = None,
    headers: Any = None,
    timeout_s: float = 10.0,
    key: str | None = None,
) -> tuple[int, dict[str, Any]]:
    call = Call("request", [method, path, body, query or {}, headers or {}, timeout_s], key)
    status, _, content = exit.call(call)
    return status, json.loads(content)


def test_a_request_carries_what_the_author_and_the_connection_give(port: int) -> None:
    with shop(port, secret="s3cret", headers={"X-Tenant": "hansa"}) as opened:
        headers = {"X-Mine": "1", "Authorization": "Bearer forged"}
        status, asked = ask(opened, "POST", "/orders?a=1", {"n": [1]}, {"b": "x y"}, headers, key="run:add:1")
    assert (status, asked["method"], asked["path"], json.loads(asked["body"])) == (
        200, "POST", "/api/orders?a=1&b=x+y", {"n": [1]},
    )  # fmt: skip
    told = {name: asked["headers"].get(name) for name in ("x-mine", "x-tenant", "authorization", "idempotency-key")}
    assert told == {
        "x-mine": "1", "x-tenant": "hansa", "authorization": "Bearer s3cret", "idempotency-key": "run:add:1",
    }  # fmt: skip
    assert asked["headers"]["host"] == f"127.0.0.1:{port}"
    assert asked["headers"]["content-type"] == "application/json"


def test_a_name_is_sent_as_the_host_while_its_checked_address_is_called(port: int) -> None:
    with shop(port, "shop.example", allow=("127.0.0.0/8",)) as opened:
        assert ask(opened, "GET", "/")[1]["headers"]["host"] == f"shop.example:{port}"


def test_credentials_take_the_form_that_the_setting_asks_for(port: int) -> None:
    def sent(**changes: Any) -> dict[str, str]:
        with shop(port, **changes) as opened:
            headers: dict[str, str] = ask(opened, "GET", "/")[1]["headers"]
        return headers

    assert sent(user="u", secret="pw")["authorization"] == "Basic dTpwdw=="
    assert sent(header="X-Api-Key", secret="s3cret")["x-api-key"] == "s3cret"
    assert "authorization" not in sent(header="X-Api-Key", secret="s3cret")
    assert "authorization" not in sent()


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"\x01raw", None), ("text", "text/plain; charset=utf-8"), ([], "application/json")]
)
def test_bytes_and_text_are_sent_as_they_are(port: int, body: Any, content_type: str | None) -> None:
    with shop(port) as opened:
        asked = ask(opened, "PATCH", "/", body)[1]
    assert asked["headers"].get("content-type") == content_type
    assert asked["body"] == (body.decode() if isinstance(body, bytes) else body or "[]")


def test_any_status_is_an_answer_and_redirects_are_not_followed(port: int) -> None:
    with shop(port) as opened:
        assert ask(opened, "GET", "/absent")[0] == 404
        assert ask(opened, "GET", "/moved")[0] == 302


def test_a_cookie_of_one_call_is_not_sent_with_the_next(port: int) -> None:
    with shop(port) as opened:
        ask(opened, "GET", "/")
        assert "cookie" not in ask(opened, "GET", "/")[1]["headers"]


@pytest.mark.parametrize("path", ["/slow", "/dripping"])
def test_an_answer_that_is_not_complete_in_time_is_none(port: int, path: str) -> None:
    with shop(port) as opened, pytest.raises(HansaError) as caught:
        ask(opened, "GET", path, timeout_s=0.15)
    assert caught.value.code == "connection.timeout"


def test_an_answer_that_is_too_large_is_refused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "ANSWER_MAX_BYTES", 10)
    with shop(port) as opened, pytest.raises(HansaError) as caught:
        ask(opened, "GET", "/")
    assert caught.value.code == "connection.too_large"


def test_a_service_that_hangs_up_or_is_not_there_gives_no_answer(port: int) -> None:
    with shop(port) as opened, pytest.raises(HansaError) as caught:
        ask(opened, "GET", "/gone")
    assert caught.value.code == "connection.failed"
    with shop(1) as opened, pytest.raises(HansaError) as caught:
        ask(opened, "GET", "/")
    assert caught.value.code == "connection.failed"


def _certificate(folder: Path, host: str) -> ssl.SSLContext:
    """A server's TLS with a certificate for `host` that nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    valid = builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=36500))
    certificate = valid.sign(key, hashes.SHA256())
    (folder / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "key.pem")
    return context


class _TlsServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client hangs up over the certificate, which is meant."""


def test_tls_asks_for_the_name_and_trusts_no_unsigned_certificate(tmp_path: Path) -> None:
    asked: list[str | None] = []
    context = _certificate(tmp_path, "shop.example")
    context.sni_callback = lambda connection, name, _: asked.append(name)
    server = _TlsServer(("127.0.0.1", 0), _Echo)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server) as port:
        setting = ConnectionSetting("shop", "http", f"https://shop.example:{port}", allow=("127.0.0.1",))
        opened = HttpExit(setting, resolve=lambda _: ["127.0.0.1"])
        with pytest.raises(HansaError) as caught:
            ask(opened, "GET", "/")
        opened.close()
    assert asked == ["shop.example"]
    assert caught.value.code == "connection.failed"
    assert "certificate" in caught.value.message.lower()


class _MailServer(socketserver.ThreadingTCPServer):
    """As much of RFC 5321 as one message needs; it refuses receivers at `refused.org`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _MailSession)
        self.taken: list[tuple[list[str], bytes]] = []


class _MailSession(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        receivers: list[str] = []
        self._say("220 mail.example")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "RCPT":
                refused = "refused.org" in line
                receivers += [] if refused else [line[line.index("<") + 1 : line.index(">")]]
                self._say("550 no" if refused else "250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                self.server.taken.append((receivers, self._data()))  # type: ignore[attr-defined]
                self._say("250 ok")
            elif verb == "AUTH":
                self._say("535 no")
            elif verb == "QUIT":
                return self._say("221 bye")
            else:
                self._say("250-mail.example\r\n250 AUTH PLAIN" if verb == "EHLO" else "250 ok")
        return None

    def _data(self) -> bytes:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line)
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


def send(port: int, to: list[str], bcc: tuple[str, ...] = (), **changes: Any) -> None:
    setting = ConnectionSetting("post", "mail", f"smtp://127.0.0.1:{port}", sender="Reports <r@example.org>", **changes)
    MailExit(setting).call(
        Call("send", [to, "Verspätet", "All late.\n", "<b>late</b>", [], [*bcc], None], "run:mail:1")
    )


def test_a_message_reaches_every_receiver_and_names_no_hidden_one() -> None:
    server = _MailServer()
    with serving(server) as port:
        send(port, ["A <a@x.org>", "b@x.org"], ("c@x.org",))
    [(receivers, data)] = server.taken
    message = message_from_bytes(data, policy=default)
    assert receivers == ["a@x.org", "b@x.org", "c@x.org"]
    assert message["Subject"] == "Verspätet"
    assert message["Message-ID"] == "<run.mail.1@example.org>"
    assert message.get_body(("plain",)).get_content().strip() == "All late."  # type: ignore[union-attr]
    assert b"c@x.org" not in data


@pytest.mark.parametrize(
    ("to", "changes", "code"),
    [
        ("a@refused.org", {}, "connection.receiver"),
        ("a@x.org", {"user": "u", "secret": "wrong"}, "connection.credentials"),
    ],
)
def test_what_the_server_refuses_is_said(to: str, changes: dict[str, str], code: str) -> None:
    server = _MailServer()
    with serving(server) as port, pytest.raises(HansaError) as caught:
        send(port, [to], **changes)
    assert caught.value.code == code
    assert server.taken == []


def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(HansaError) as caught:
        send(1, ["a@x.org"])
    assert caught.value.code == "connection.failed"
