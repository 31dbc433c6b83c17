"""The lookups of a data folder: each is made, and kept up with its port, from when it is first looked into.

After a start that is so again: a lookup that was made before goes on where it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from hansa.outputs.lookup import lookup_path
from hansa.views.lookup import LookupReader
from hansa.views.waiting import Awaited

REACH_S: Final = 30.0


class Lookups:
    """Belongs to the server's event loop. `begin` has a port followed from now on, and `following` tells how far that
    is; `now` gives the token of all that is committed."""

    def __init__(self, folder: Path, following: Awaited, begin: Callable[[str], None], now: Callable[[], str]) -> None:
        self._folder = folder
        self._following = following
        self._begin = begin
        self._now = now
        self._paths: dict[str, Path] = {}
        """Of lookups whose folders are there."""
        self._followed: dict[str, Path] = {}
        self._filled: set[str] = set()

    def path(self, port: str) -> Path:
        """Where the lookup is or will be. Its folder is there, so that a worker can be let into it."""
        path = self._paths.get(port)
        if path is None:
            path = lookup_path(self._folder, port)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._paths[port] = path
        return path

    def follow(self, port: str) -> Path:
        """Makes the lookup where there is none; from now on it is kept up with the port."""
        path = self._followed.get(port)
        if path is None:
            path = self._followed[port] = self.path(port)
            self._begin(port)
        return path

    def made(self, ports: Iterable[str]) -> dict[str, Path]:
        """The lookups of these ports that were ever made; all of them are followed from now on, so that they miss
        nothing that is kept or forgotten."""
        return {port: self.follow(port) for port in ports if lookup_path(self._folder, port).exists()}

    async def fill(self, port: str) -> None:
        """Follows the lookup and waits until it shows what was committed before; a second time, nothing is waited for.
        Raises `Unavailable("view.behind")`."""
        self.follow(port)
        if port not in self._filled:
            await self.reach(port)
            self._filled.add(port)

    async def reach(self, port: str, token: str | None = None) -> None:
        """Waits until the lookup shows what was committed with `token` (all that is, without one), where it is
        followed: what nobody looks into is not waited for. Raises `Unavailable("view.behind")`."""
        if port in self._followed:
            await self._following.reach(token or self._now(), REACH_S, port)

    async def absent(self, port: str, keys: Sequence[str]) -> list[str]:
        """Which of the keys no record has, as of all that was committed before: what is not found is looked for again
        once the lookup shows all of it. Raises `Unavailable("view.behind")`."""
        await self.fill(port)
        file = self._followed[port]
        if absent := await asyncio.to_thread(_absent, file, keys):
            await self.reach(port)
            absent = await asyncio.to_thread(_absent, file, absent)
        return absent


def _absent(file: Path, keys: Sequence[str]) -> list[str]:
    reader = LookupReader(file)
    try:
        reader.begin()
        return [key for key in keys if reader.get(key) is None]
    finally:
        reader.end()
        reader.close()
