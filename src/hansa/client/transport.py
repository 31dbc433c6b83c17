"""HTTP with one Hansa: requests, streams, and their failures as errors of the tree."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from hansa.client.notices import DeprecatedVersion, notice
from hansa.client.problem import error_of
from hansa.client.stream import ServerEvent, server_events
from hansa.errors import CallerError, HansaError, OperatorError, Unavailable

if TYPE_CHECKING:
    import httpx

Query = Mapping[str, Any]
CONNECT_S: Final = 5.0


def warn_of(text: str) -> None:
    """A notice as a warning of Python."""
    warnings.warn(text, DeprecatedVersion, stacklevel=2)


class Answer(msgspec.Struct, frozen=True):
    """An answer below 400; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def value(self) -> Any:
        """The body: plain data where it is JSON, None where it is empty, else text."""
        if not self.body:
            return None
        if "json" not in self.headers.get("content-type", ""):
            return self.body.decode("utf-8", "replace")
        return msgspec.json.decode(self.body)

    def object(self) -> dict[str, Any]:
        """The body as an object, empty where there is none; raises `OperatorError("server.answer")` where it is
        something else, as when the URL is not that of a Hansa."""
        value = self.value()
        if value is None or isinstance(value, dict):
            return value or {}
        raise OperatorError(
            "server.answer",
            f"The answer is {type(value).__name__}, not an object: {str(value)[:80]!r}",
            hint="Is this the URL of a Hansa? 'hansa doctor' asks it.",
        )


class Transport:
    """Requests to `url` with the bearer `token`. `timeout_s` is how long an answer may be silent.

    `on_notice` is told, once each, what answers say besides: that what was read is deprecated.

    Every method raises the error that a problem document tells, `Unavailable("server.unreachable")` where no server
    answers, and `OperatorError` (`server.timeout`, `server.interrupted`) where one stopped answering: then the request
    may have been done.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = 60.0,
        on_notice: Callable[[str], None] = warn_of,
    ) -> None:
        self._on_notice = on_notice
        self._noticed: set[str] = set()
        self.url = url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s

    def get(self, path: str, query: Query | None = None, **options: Any) -> dict[str, Any]:
        """The object that the path answers."""
        return self.send("GET", path, query, **options).object()

    def items(self, path: str, query: Query | None = None) -> list[dict[str, Any]]:
        """The items of the listing that the path answers, whether it comes with a cursor or as a list."""
        answer = self.send("GET", path, query)
        value = answer.value()
        return value if isinstance(value, list) else answer.object().get("items", [])

    def post(self, path: str, body: Any = None, query: Query | None = None, **options: Any) -> dict[str, Any]:
        """Sends `body`; the object that the path answers."""
        return self.send("POST", path, query, body=body, **options).object()

    def send(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """One request; bytes are sent as they are, None as no body, the rest as JSON."""
        with self._open(method, path, query, body, headers, timeout_s or self._timeout_s) as response:
            response.read()
            return Answer(response.status_code, dict(response.headers), response.content)

    @contextmanager
    def lines(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[Iterator[str]]:
        """The lines of an answer as they come; without `timeout_s` the stream may be silent for any time."""
        with self._open(method, path, query, body, headers, timeout_s) as response:
            yield response.iter_lines()

    def events(self, path: str, query: Query | None = None) -> Iterator[ServerEvent]:
        """The server-sent events of a path, as long as there are any. Raises the error that an event `problem` tells:
        access that ended."""
        with self.lines("GET", path, query, headers={"accept": "text/event-stream"}) as lines:
            for event in server_events(lines):
                if event.event == "problem":
                    document = msgspec.json.decode(event.data)
                    raise error_of(int(document.get("status", 500)), document)
                yield event

    def close(self) -> None:
        """Closes the connections; the transport cannot be used afterwards."""
        if "_http" in self.__dict__:
            self._http.close()

    @cached_property
    def _http(self) -> httpx.Client:
        import httpx

        headers = {"accept": "application/json"} | ({"authorization": f"Bearer {self._token}"} if self._token else {})
        return httpx.Client(base_url=self.url, headers=headers)

    @contextmanager
    def _open(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: Any,
        headers: Mapping[str, str] | None,
        silence_s: float | None,
    ) -> Iterator[httpx.Response]:
        import httpx

        content = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        kind = {"content-type": "application/json"} if content is not None else {}
        connect_s = min(CONNECT_S, self._timeout_s)
        try:
            with self._http.stream(
                method,
                quote(path, safe="/@:.~"),
                params=plain_query(query or {}),
                content=content,
                headers=kind | dict(headers or {}),
                timeout=httpx.Timeout(silence_s, connect=connect_s, pool=connect_s),
            ) as response:
                if response.status_code >= 400:
                    raise error_of(response.status_code, _document(response.read()))
                self._notice(path, response.headers)
                yield response
        except (httpx.TransportError, httpx.InvalidURL) as failure:
            raise self._translated(failure) from failure

    def _notice(self, path: str, headers: Mapping[str, str]) -> None:
        """Says what an answer says besides, each thing once."""
        told = notice("/".join(path.strip("/").split("/")[1:3]), headers)
        if told is not None and told not in self._noticed:
            self._noticed.add(told)
            self._on_notice(told)

    def _translated(self, failure: Exception) -> HansaError:
        import httpx

        if isinstance(failure, httpx.InvalidURL | httpx.UnsupportedProtocol):
            return CallerError("server.url", f"{self.url!r} is not a URL", hint="It reads like http://127.0.0.1:8080.")
        if isinstance(failure, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            hint = "Start one with 'hansa up', or choose an environment with '--to'."
            return Unavailable("server.unreachable", f"No Hansa answers at {self.url}", hint=hint)
        hint = "It may have been done all the same: look before you try again."
        if isinstance(failure, httpx.TimeoutException):
            return OperatorError("server.timeout", f"{self.url} did not answer in time", hint=hint)
        return OperatorError("server.interrupted", f"{self.url} stopped answering: {failure}", hint=hint)


def plain_query(query: Query) -> dict[str, Any]:
    """Query parameters without those that are None; booleans as `true` and `false`."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in query.items()
        if value is not None
    }


def _document(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
