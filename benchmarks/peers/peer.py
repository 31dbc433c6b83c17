"""What the benchmark asks of a contender."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.environment import Say
from benchmarks.load import Call, equal_json
from benchmarks.server import HOST, Server, ask, free_port
from benchmarks.workload import BODY, ORDER, PRICED


@dataclass(frozen=True, slots=True)
class Request:
    """The POST of `ORDER` that is measured, and the JSON value that every answer to it must be."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the contender wants beyond the content type, such as a token."""
    expected: Any = field(default_factory=lambda: PRICED)

    def as_call(self) -> Call:
        """The request as the load generator sends it."""
        headers = {"content-type": "application/json", **self.headers}
        return Call.build("POST", self.path, headers=headers, body=BODY, accepts=equal_json(self.expected))

    def is_answered_rightly(self, origin: str) -> bool:
        """Whether one call, apart from all measures, gets the right answer; raises `OSError` when nobody answers."""
        return ask(origin + self.path, ORDER, headers=self.headers) == (200, self.expected)


class Peer(ABC):
    """One contender: installed once, then started and stopped as often as the measures need.

    A contender that measures the same program under another setting is a second peer with its own name.
    """

    name: str
    """How tables and `--only` call it."""
    durability: str
    """What survives which failure once an answer is given, and by which setting."""

    def __init__(self) -> None:
        self._servers: list[Server] = []

    @abstractmethod
    def install(self, say: Say) -> None:
        """Put what is needed under `.bench/`, byte-compiled, unless it is there; raises `Unavailable`."""

    @abstractmethod
    def version(self) -> str:
        """The versions of what was installed; called after `install`."""

    @abstractmethod
    def launch(self, port: int) -> Server:
        """Start all processes, each through `keep`, on empty data; return the one that serves `port`."""

    @abstractmethod
    def request(self) -> Request:
        """The call to measure; called after `launch`, so that it may carry what only a running server gives out."""

    def start(self, port: int) -> None:
        """Serve on this loopback port; returns after a first right answer, raises `NotReady` when none comes."""
        server, request = self.launch(port), self.request()
        server.wait_until(lambda: request.is_answered_rightly(f"http://{HOST}:{port}"))

    def keep(self, server: Server) -> Server:
        """Have `stop` end this server too."""
        self._servers.append(server)
        return server

    def stop(self) -> None:
        """End every process kept, the youngest first; what had stopped before is left alone."""
        while self._servers:
            self._servers.pop().stop()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Run on a free port for the length of a `with` block, which gets the origin: an URL without a path."""
        port = free_port()
        try:
            self.start(port)
            yield f"http://{HOST}:{port}"
        finally:
            self.stop()
