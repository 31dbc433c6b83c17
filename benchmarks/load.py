"""Drive one HTTP/1.1 server on this machine with N callers, each with one request in flight, and check every answer.

`python -m benchmarks.load URL -c 64 -d 4` prints a `Result` as JSON and exits 1 when the run is void.

The requests are bytes made beforehand and the answers are read by a bare `asyncio.Protocol` on uvloop, so that little
of the machine goes to asking. Guarantees: an answer counts only after its status and body passed the call's own test;
a run with a single error is void (`Result.valid`); nothing but the loopback interface is ever called; every run ends.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import itertools
import json
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from http import HTTPStatus
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple, Self, cast
from urllib.parse import urlsplit

import uvloop

Accepts = Callable[[int, bytes], bool]
"""The test of one answer: status and body in, whether it is the right one out."""

ERROR_SAMPLES_MAX = 5
EXCERPT_BYTES = 200
HEAD_BYTES_MAX = 65_536
HEAD_END = b"\r\n\r\n"
BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


def exactly(body: bytes, status: int = 200) -> Accepts:
    """Accept only an answer of this status whose body has exactly these bytes."""
    return lambda got_status, got_body: got_body == body and got_status == status


def equal_json(value: object, status: int = 200) -> Accepts:
    """Accept an answer of this status whose body is this JSON value in any spelling; decodes each spelling once."""

    @lru_cache(maxsize=64)
    def same(body: bytes) -> bool:
        try:
            return bool(json.loads(body) == value)
        except ValueError:
            return False

    return lambda got_status, got_body: got_status == status and same(got_body)


def with_status(status: int = 200) -> Accepts:
    """Accept any body that comes with this status."""
    return lambda got_status, _: got_status == status


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready for the wire, and the test its answer must pass."""

    wire: bytes
    accepts: Accepts

    @classmethod
    def build(
        cls,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        accepts: Accepts | None = None,
    ) -> Self:
        """A call of `path` (with its query), Host and Content-Length filled in; accepts status 200 unless told."""
        fields = {"host": "127.0.0.1", **{name.lower(): value for name, value in (headers or {}).items()}}
        fields["content-length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return cls("\r\n".join(lines).encode("latin-1") + HEAD_END + body, accepts or with_status())


@dataclass(frozen=True, slots=True)
class Result:
    """What one run measured. Latencies run from the write of a request to the last byte of its answer."""

    connections: int
    calls: int
    errors: int
    seconds: float
    calls_per_s: float
    mean_ms: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    generator_cpu_share: float
    """Processor time that the generator itself took, as a share of one core."""
    error_samples: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether the numbers may be used: something was answered, and all of it rightly."""
        return self.errors == 0 and self.calls > 0


def run(
    origin: str,
    calls: Call | Iterable[Call],
    *,
    connections: int = 64,
    seconds: float = 4.0,
    warmup_s: float = 0.5,
    timeout_s: float = 15.0,
) -> Result:
    """Send `calls` to `origin` for `warmup_s + seconds` and return what was measured in the last `seconds`.

    One `Call` is repeated; an iterable is drawn from by all connections until the time or the iterable ends. Answers of
    the warm-up and those still outstanding at the end are checked too, but not timed. A call without an answer
    `timeout_s` after the end is an error, and so is a connection that fails; neither is tried again.

    Raises `ValueError` for an origin that is not `http://` on the loopback interface.
    """
    address = loopback_address(origin)
    supply = itertools.repeat(calls) if isinstance(calls, Call) else iter(calls)
    tally = _Tally(supply)
    uvloop.run(_drive(address, tally, connections, seconds, warmup_s, timeout_s))
    return tally.result(connections)


def loopback_address(origin: str) -> tuple[str, int]:
    """Host and port of `origin`; raises `ValueError` unless it is plain HTTP on this machine's loopback interface."""
    parts = urlsplit(origin)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{origin!r} is not an http:// URL; name one such as http://127.0.0.1:8000")
    port = parts.port or 80
    host = str(socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)[0][4][0])
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(
            f"{parts.hostname!r} is {host}, not this machine; load is only ever sent to the loopback interface"
        )
    return host, port


class Head(NamedTuple):
    """The part of an answer's head that decides how to read on."""

    status: int
    body_bytes: int
    keeps_alive: bool


@lru_cache(maxsize=256)
def parse_head(head: bytes) -> Head:
    """Read the head of an answer (without the blank line); raises `ValueError` when its body has no stated length."""
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, status, *_ = status_line.split(" ", 2)
    if version not in {"HTTP/1.1", "HTTP/1.0"}:
        raise ValueError(f"not an HTTP/1.1 answer: {status_line!r}")
    pairs = (line.partition(":") for line in lines)
    fields = {name.strip().lower(): value.strip().lower() for name, _, value in pairs}
    if "content-length" not in fields and int(status) not in BODILESS:
        raise ValueError(f"the answer states no Content-Length; its fields are {fields}")
    connection = fields.get("connection", "keep-alive" if version == "HTTP/1.1" else "close")
    return Head(int(status), int(fields.get("content-length", 0)), connection != "close")


@dataclass(slots=True)
class _Tally:
    """The calls still to be sent and what came of those that were; shared by the connections of one run."""

    supply: Iterator[Call]
    latencies_s: list[float] = field(default_factory=list)
    errors: int = 0
    error_samples: list[str] = field(default_factory=list)
    sends: bool = True
    measures: bool = False
    seconds: float = 0.0
    cpu_s: float = 0.0

    def fail(self, what: str) -> None:
        self.errors += 1
        if len(self.error_samples) < ERROR_SAMPLES_MAX:
            self.error_samples.append(what)

    async def measure(self, seconds: float, ended: asyncio.Future[Any]) -> None:
        """Time what is answered in the next `seconds`, or until every connection has ended."""
        started, cpu_started = perf_counter(), process_time()
        self.measures = True
        await asyncio.wait([ended], timeout=seconds)
        self.measures = self.sends = False
        self.seconds, self.cpu_s = perf_counter() - started, process_time() - cpu_started

    def result(self, connections: int) -> Result:
        ordered = sorted(self.latencies_s) or [0.0]
        calls = len(self.latencies_s)
        return Result(
            connections=connections,
            calls=calls,
            errors=self.errors,
            seconds=round(self.seconds, 4),
            calls_per_s=round(calls / self.seconds, 1) if self.seconds else 0.0,
            mean_ms=_ms(sum(ordered) / len(ordered)),
            p50_ms=_ms(percentile(ordered, 0.50)),
            p99_ms=_ms(percentile(ordered, 0.99)),
            max_ms=_ms(ordered[-1]),
            generator_cpu_share=round(self.cpu_s / self.seconds, 3) if self.seconds else 0.0,
            error_samples=tuple(self.error_samples),
        )


def percentile(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile of values already in order: the least one that `share` of them do not exceed."""
    rank = -int(-share * len(ordered) // 1)
    return ordered[max(rank, 1) - 1]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 4)


class _Connection(asyncio.Protocol):
    """One caller: sends a call, reads its answer, checks it, sends the next."""

    __slots__ = ("_call", "_closed", "_received", "_sent_at", "_tally", "_transport")

    def __init__(self, tally: _Tally, closed: asyncio.Future[bool]) -> None:
        self._tally = tally
        self._closed = closed
        self._received = b""
        self._call: Call | None = None
        self._sent_at = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head_end = received.find(HEAD_END)
        if head_end < 0:
            self._wait_for_more(received)
            return
        try:
            head = parse_head(received[:head_end])
        except ValueError as error:
            self._break(str(error))
            return
        body = received[head_end + 4 :]
        if len(body) < head.body_bytes:
            self._received = received
            return
        self._received = b""
        self._answered(head, body)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed.done() and (exc is not None or self._call is not None):
            self._tally.fail(f"the server closed the connection before its answer was whole: {exc or 'end of stream'}")
        self._finish(reopens=False)

    def abandon(self) -> None:
        """Give the outstanding call up as unanswered."""
        self._break("no answer came in time")

    def _send(self) -> None:
        call = next(self._tally.supply, None) if self._tally.sends else None
        assert self._transport is not None
        if call is None:
            self._finish(reopens=False)
            return
        self._call = call
        self._sent_at = perf_counter()
        self._transport.write(call.wire)

    def _answered(self, head: Head, body: bytes) -> None:
        took_s = perf_counter() - self._sent_at
        if self._call is None or len(body) > head.body_bytes:
            self._break(f"bytes that nobody asked for: {body[:EXCERPT_BYTES]!r}")
            return
        if not self._call.accepts(head.status, body):
            self._tally.fail(f"wrong answer: status {head.status}, body {body[:EXCERPT_BYTES]!r}")
        elif self._tally.measures:
            self._tally.latencies_s.append(took_s)
        self._call = None
        if head.keeps_alive:
            self._send()
        else:
            self._finish(reopens=self._tally.sends)

    def _wait_for_more(self, received: bytes) -> None:
        self._received = received
        if len(received) > HEAD_BYTES_MAX:
            self._break(f"the answer's head is longer than {HEAD_BYTES_MAX} bytes")

    def _break(self, what: str) -> None:
        self._tally.fail(what)
        self._call = None
        self._finish(reopens=False)

    def _finish(self, *, reopens: bool) -> None:
        if not self._closed.done():
            self._closed.set_result(reopens)
        if self._transport is not None:
            # Not `close`, which waits for a server that has stopped reading, as the loop's own end then would.
            self._transport.abort()


async def _call_in_turn(address: tuple[str, int], tally: _Tally) -> None:
    """Keep one caller busy; a server that answers `Connection: close` is connected to again."""
    loop = asyncio.get_running_loop()
    reopens = True
    while reopens:
        closed: asyncio.Future[bool] = loop.create_future()
        try:
            _, connection = await loop.create_connection(partial(_Connection, tally, closed), *address)
        except OSError as error:
            tally.fail(f"cannot connect to {address[0]}:{address[1]}: {error}")
            return
        try:
            reopens = await closed
        except asyncio.CancelledError:
            connection.abandon()
            raise


async def _drive(
    address: tuple[str, int], tally: _Tally, connections: int, seconds: float, warmup_s: float, timeout_s: float
) -> None:
    callers = [asyncio.ensure_future(_call_in_turn(address, tally)) for _ in range(connections)]
    ended = asyncio.ensure_future(asyncio.wait(callers))
    await asyncio.wait([ended], timeout=warmup_s)
    await tally.measure(seconds, ended)
    await asyncio.wait([ended], timeout=timeout_s)
    for caller in callers:
        caller.cancel()
    for outcome in await asyncio.gather(*callers, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description="Load one local HTTP server.")
    parser.add_argument("url")
    parser.add_argument("-c", "--connections", type=int, default=64, help="callers, each with one request in flight")
    parser.add_argument("-d", "--seconds", type=float, default=4.0, help="how long to measure")
    parser.add_argument("--warmup", type=float, default=0.5, metavar="SECONDS", help="checked but not measured")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--header", action="append", default=[], metavar="'Name: value'")
    parser.add_argument("--body", default="", help="text, or @FILE")
    parser.add_argument("--status", type=int, default=200, help="the status every answer must have")
    parser.add_argument("--expect", help="the exact body every answer must have: text, or @FILE")
    parser.add_argument("--expect-json", help="the JSON value every body must be: text, or @FILE")
    return parser.parse_args(argv)


def _text_or_file(value: str) -> bytes:
    return Path(value[1:]).read_bytes() if value.startswith("@") else value.encode()


def _accepts(options: argparse.Namespace) -> Accepts:
    if options.expect is not None:
        return exactly(_text_or_file(options.expect), options.status)
    if options.expect_json is not None:
        return equal_json(json.loads(_text_or_file(options.expect_json)), options.status)
    return with_status(options.status)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns 0 for a valid run and 1 for a void one."""
    options = _arguments(argv)
    parts = urlsplit(options.url)
    call = Call.build(
        options.method,
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        headers={name.strip(): value.strip() for name, _, value in (line.partition(":") for line in options.header)},
        body=_text_or_file(options.body),
        accepts=_accepts(options),
    )
    result = run(options.url, call, connections=options.connections, seconds=options.seconds, warmup_s=options.warmup)
    print(json.dumps({"valid": result.valid, **asdict(result)}, indent=2))
    return 0 if result.valid else 1


if __name__ == "__main__":
    sys.exit(main())
