"""HTTP/1.1 on the wire of deployed routes: what any client may do with a connection (RFC 9112)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from server import Server

TIMEOUT_S = 20


class Wire:
    """One connection, byte by byte."""

    def __init__(self, server: Server) -> None:
        at = urlsplit(server.url)
        self.token = server.token
        self.sock = socket.create_connection((at.hostname, at.port), timeout=TIMEOUT_S)
        self.file = self.sock.makefile("rb")

    def request(self, method: str, path: str, body: bytes | None = b"", *lines: str, version: str = "1.1") -> bytes:
        """A request as bytes; without a length where `body` is None."""
        length = [] if body is None else [f"content-length: {len(body)}"]
        head = [f"{method} {path} HTTP/{version}", "host: x", f"authorization: Bearer {self.token}", *length, *lines]
        return "\r\n".join([*head, "", ""]).encode() + (body or b"")

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, *, of_head: bool = False) -> tuple[int, dict[str, str], bytes]:
        status = int(self.file.readline().split()[1])
        headers: dict[str, str] = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name] = value.strip()
        size = 0 if of_head else int(headers.get("content-length", 0))
        return status, headers, self.file.read(size)

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def ended(self) -> bool:
        return self.file.read(1) == b""


@pytest.fixture
def wire(bench: Server) -> Iterator[Wire]:
    found = Wire(bench)
    yield found
    found.close()


def adding(left: int) -> bytes:
    return json.dumps({"left": left}).encode()


def total(answer: tuple[int, dict[str, str], bytes]) -> Any:
    assert answer[0] == 201, answer
    return json.loads(answer[2])["sum"]


def test_a_connection_is_used_again(wire: Wire) -> None:
    for n in range(3):
        wire.send(wire.request("POST", "/lab/bench/sums", adding(n)))
        assert total(wire.answer()) == n + 1


def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    api = wire.request("GET", "/health")
    wire.send(b"".join([wire.request("POST", "/lab/bench/sums", adding(n)) + api for n in range(5)]))
    for n in range(5):
        assert total(wire.answer()) == n + 1
        status, _, body = wire.answer()
        assert (status, json.loads(body)["status"]) == (200, "ok")


def test_a_body_may_come_in_pieces(wire: Wire) -> None:
    data = wire.request("POST", "/lab/bench/sums", adding(4))
    for at in range(0, len(data), 7):
        wire.send(data[at : at + 7])
    assert total(wire.answer()) == 5


def test_a_body_may_be_chunked(wire: Wire) -> None:
    body = adding(5)
    head = wire.request("POST", "/lab/bench/sums", None, "transfer-encoding: chunked")
    wire.send(head + b"4\r\n" + body[:4] + b"\r\n%x\r\n" % (len(body) - 4) + body[4:] + b"\r\n0\r\n\r\n")
    assert total(wire.answer()) == 6


def test_who_expects_it_is_told_to_go_on(wire: Wire) -> None:
    whole = wire.request("POST", "/lab/bench/sums", adding(6), "expect: 100-continue")
    head, _, body = whole.partition(b"\r\n\r\n")
    wire.send(head + b"\r\n\r\n")
    assert wire.answer()[0] == 100
    wire.send(body)
    assert total(wire.answer()) == 7


@pytest.mark.parametrize(("line", "version"), [("connection: close", "1.1"), ("x-nothing: 1", "1.0")])
def test_who_wants_no_more_is_answered_and_left(wire: Wire, line: str, version: str) -> None:
    wire.send(wire.request("POST", "/lab/bench/sums", adding(7), line, version=version))
    answer = wire.answer()
    assert total(answer) == 8
    assert answer[1]["connection"] == "close"
    assert wire.ended()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/lab/bench/sums", 413, "body.too_large"), ("/nobody/has/this", 404, "route.unknown")],
)
def test_too_large_a_body_is_not_read_to_its_end(wire: Wire, path: str, status: int, code: str) -> None:
    wire.send(wire.request("POST", path, None, f"content-length: {1 << 40}") + b"x" * (20 << 20))
    answer = wire.answer()
    assert (answer[0], answer[1]["connection"], json.loads(answer[2])["code"]) == (status, "close", code)
    assert wire.ended()


def test_a_wrong_method_names_the_right_ones(wire: Wire) -> None:
    wire.send(wire.request("DELETE", "/lab/bench/sums"))
    status, headers, body = wire.answer()
    assert (status, json.loads(body)["code"]) == (405, "route.method")
    assert headers["content-type"] == "application/problem+json"


def test_a_path_may_be_encoded_and_have_a_query(wire: Wire) -> None:
    wire.send(wire.request("POST", "/lab/bench/places/caf%C3%A9/sums?x=1", adding(8)))
    status, _, body = wire.answer()
    assert (status, json.loads(body)["data"]["sum"]) == (201, 9)


def test_a_target_may_be_absolute(wire: Wire) -> None:
    wire.send(wire.request("POST", "http://x/lab/bench/sums", adding(9)))
    assert total(wire.answer()) == 10


def test_what_is_no_http_is_refused(wire: Wire) -> None:
    wire.send(b"\x16\x03\x01nothing of the kind\r\n\r\n")
    assert wire.answer()[0] == 400
    assert wire.ended()


@pytest.mark.parametrize("part", ["line", "head", "whole"])
def test_who_goes_away_harms_nobody(bench: Server, part: str) -> None:
    gone = Wire(bench)
    whole = gone.request("POST", "/lab/bench/sums", adding(1))
    gone.send({"line": whole[:20], "head": whole[: whole.index(b"{")], "whole": whole}[part])
    gone.close()
    assert bench.call("POST", "/lab/bench/sums", {"left": 1}).status_code == 201
