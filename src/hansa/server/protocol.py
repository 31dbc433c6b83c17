"""HTTP/1.1 as uvicorn speaks it, with a short way for deployed routes: no ASGI, no task, one write per answer.

Whatever is not a plain call of a deployed route (the API, upgrades, `Expect`, a request that was pipelined behind one
that is not answered yet) goes the ordinary way, to the ASGI application, which answers calls all the same.
"""

from __future__ import annotations

import urllib.parse
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from hansa.errors import CallerError
from hansa.server.answers import Response, problem_answer, traceparent
from hansa.server.calls import Calls, is_deployed, too_large
from hansa.server.request import Request
from hansa.triggers.routes import Route

UNKNOWN_BODY_MAX_BYTES: Final = 1 << 20
"""How much is read of the body of a call that has no route."""
LINGER_S: Final = 2.0
_STATUS: Final = {s.value: b"HTTP/1.1 %d %s\r\n" % (s.value, s.phrase.encode()) for s in HTTPStatus}


class _Deaf:
    """Stands for the event with which uvicorn wakes an ASGI application: here there is none."""

    def set(self) -> None:
        """Nobody waits."""


class Exchange:
    """One call on its way through a connection; to uvicorn, one of its request-response cycles."""

    __slots__ = (
        "body_max_bytes", "disconnected", "is_read", "keep_alive", "method", "parameters", "parts", "path", "query",
        "refused", "response_complete", "route", "size_bytes",
    )  # fmt: skip
    message_event: Final = _Deaf()

    def __init__(self, method: str, path: str, query: bytes, *, keep_alive: bool) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.keep_alive = keep_alive
        self.parts: list[bytes] = []
        self.size_bytes = 0
        self.body_max_bytes = UNKNOWN_BODY_MAX_BYTES
        self.route: Route | None = None
        self.parameters: dict[str, str] = {}
        self.refused: Response | None = None
        self.is_read = False
        self.response_complete = False
        self.disconnected = False


class Connection(HttpToolsProtocol):
    """One connection. Calls are found when their headers are there and started when their body is."""

    def __init__(
        self, calls: Calls, config: Config, server_state: ServerState, app_state: dict[str, Any], **named: Any
    ) -> None:
        super().__init__(config, server_state, app_state, **named)
        self._calls = calls
        self._idle_since_s: float | None = None

    # A request, as the parser finds its parts

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        before = self.cycle
        if (
            (before is None or before.response_complete)
            and is_deployed(self.url)
            and not self.expect_100_continue
            and not self.parser.should_upgrade()
        ):
            self.cycle = self._exchange()  # type: ignore[assignment]  # it is one, as far as uvicorn looks
        else:
            url, headers, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers.extend(headers)
            super().on_headers_complete()

    def _exchange(self) -> Exchange:
        raw_path, _, query = self.url.partition(b"?")
        path = raw_path.decode("latin-1")
        parser = self.parser
        found = Exchange(
            parser.get_method().decode("ascii"),
            urllib.parse.unquote(path) if "%" in path else path,
            query,
            keep_alive=parser.get_http_version() != "1.0" and parser.should_keep_alive(),
        )
        try:
            found.route, found.parameters = self._calls.find(found.method, found.path)
            found.body_max_bytes = found.route.trigger.body_max_bytes
        except CallerError as refusal:
            found.refused = problem_answer(refusal, trace=traceparent(self.headers))
        return found

    def on_body(self, body: bytes) -> None:
        exchange: Any = self.cycle
        if type(exchange) is not Exchange:
            super().on_body(body)
        elif not exchange.response_complete:
            exchange.parts.append(body)
            exchange.size_bytes += len(body)
            if exchange.size_bytes > exchange.body_max_bytes:
                exchange.keep_alive = False
                self._answer(exchange, exchange.refused or problem_answer(too_large(exchange.body_max_bytes)))

    def on_message_complete(self) -> None:
        exchange: Any = self.cycle
        if type(exchange) is not Exchange:
            super().on_message_complete()
            return
        exchange.is_read = True
        if exchange.response_complete:
            self.transport.close()
        elif exchange.refused is not None:
            self._answer(exchange, exchange.refused)
        elif exchange.route is not None:
            request = Request(exchange.method, exchange.path, exchange.query, self.headers, b"".join(exchange.parts))
            self._calls.start(exchange.route, exchange.parameters, request, partial(self._answer, exchange))

    # Its answer

    def _answer(self, exchange: Exchange, response: Response) -> None:
        if exchange.response_complete:
            return
        exchange.response_complete = True
        if exchange.disconnected or self.transport.is_closing():
            return
        self.transport.write(b"".join(_lines(exchange, response, self.server_state.default_headers)))
        if not exchange.keep_alive:
            self._leave(exchange)
        self.on_response_complete()

    def _leave(self, exchange: Exchange) -> None:
        """Closes the connection. Who is still sending gets a moment: unread bytes would take the answer from them."""
        if exchange.is_read:
            self.transport.close()
        else:
            self.loop.call_later(LINGER_S, self.transport.close)

    # Connections without a request: one timer that looks again, instead of one for each answer

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since_s = None

    def _look_again(self, after_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(after_s, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.is_closing():
            return
        since_s = self._idle_since_s
        left_s = self.timeout_keep_alive - (0 if since_s is None else self.loop.time() - since_s)
        if left_s > 0:
            self._look_again(left_s)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()


def _lines(exchange: Exchange, response: Response, common: list[tuple[bytes, bytes]]) -> list[bytes]:
    """An answer as it goes over the wire."""
    status, headers, body = response
    found = [_STATUS.get(status) or b"HTTP/1.1 %d \r\n" % status]
    for name, value in common:
        found += (name, b": ", value, b"\r\n")
    for name, value in headers:
        found += (name, b": ", value, b"\r\n")
    found.append(b"\r\n" if exchange.keep_alive else b"connection: close\r\n\r\n")
    if exchange.method != "HEAD":
        found.append(body)
    return found
