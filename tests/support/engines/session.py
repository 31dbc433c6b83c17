"""The engines of one session: begun in the background, waited for when they are asked for, ended together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from engines.install import Missing
from engines.kafka import Kafka
from engines.postgresql import PostgreSQL
from engines.process import Process, removed, scratch
from engines.s3 import SeaweedFS

ENGINES: Final[dict[str, Callable[[Path], Process]]] = {
    "kafka": Kafka,
    "postgresql": PostgreSQL,
    "s3": SeaweedFS,
}


class Engines:
    """Each engine is started once. Threads that start servers live as long as this, and the servers with them."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(len(ENGINES), thread_name_prefix="engines")
        self._addresses: dict[str, Future[str]] = {}
        self._running: list[Process] = []

    def begin(self, names: Iterable[str]) -> None:
        """Starts those of the engines that are not under way yet; waits for nothing."""
        for name in set(names) & ENGINES.keys() - self._addresses.keys():
            self._addresses[name] = self._threads.submit(self._started, name)

    def address(self, name: str) -> str:
        """Where an engine answers. Raises `Missing` where it cannot run here."""
        self.begin([name])
        return self._addresses[name].result()

    def left_out(self) -> dict[str, Missing]:
        """The engines that were asked for and cannot run here, with the reason."""
        errors = {name: made.exception() for name, made in self._addresses.items() if made.done()}
        return {name: error for name, error in errors.items() if isinstance(error, Missing)}

    def close(self) -> None:
        """Ends all that were started and removes their data."""
        for made in self._addresses.values():
            made.cancel() or made.exception()
        list(self._threads.map(_ended, self._running))
        self._threads.shutdown()

    def _started(self, name: str) -> str:
        given = os.environ.get(variable(name))
        if given:
            return given
        folder = scratch(name)
        try:
            server = ENGINES[name](folder)
        except BaseException:
            removed(folder)
            raise
        self._running.append(server)
        server.start()
        return server.address


def _ended(server: Process) -> None:
    server.stop()
    removed(server.folder)


def variable(name: str) -> str:
    """What in the environment names a server to be used instead."""
    return f"HANSA_TEST_{name.upper()}"
