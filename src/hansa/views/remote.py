"""Projectors in a process of their own, so that keeping views takes nothing from the interpreter that answers calls.

    server                                     the projectors' process
      Follow(view)                      ──►    follow one more
      Wake(projector)                   ──►    something was committed
      Hurry(projector)                  ──►    someone waits
      Renew()                           ──►    the file of views is damaged: set it aside, and end
      Stop()                            ──►    apply what is committed, and end
                                        ◄──    Standing(projector, views, failures)    behind each round

Lines of JSON over a socket. Without a server the process ends at once, in the middle of anything. It reads the log's
file by itself. When it dies it is started again, and goes on from the cursors that stand beside the rows; who waits
goes on waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final, cast

import msgspec

from hansa.errors import OperatorError, Unavailable
from hansa.views.interface import ViewStatus, shows
from hansa.views.projector import Projector
from hansa.views.waiting import Awaited

START_S: Final = 60.0
STOP_S: Final = 30.0
AGAIN_S: Final = 0.2
"""How long a process that died is left dead; it doubles each time, up to `AGAIN_MAX_S`."""
AGAIN_MAX_S: Final = 10.0

_report = logging.getLogger("hansa.views")


class Follow(msgspec.Struct, frozen=True, tag="follow"):
    view: str


class Wake(msgspec.Struct, frozen=True, tag="wake"):
    projector: str


class Hurry(msgspec.Struct, frozen=True, tag="hurry"):
    projector: str


class Renew(msgspec.Struct, frozen=True, tag="renew"):
    pass


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    pass


class Standing(msgspec.Struct, frozen=True):
    """Where the views of a projector stand behind a round, and why some do not advance."""

    projector: str
    views: list[ViewStatus]
    failures: list[str]


_encode: Final = msgspec.json.Encoder().encode
_order: Final = msgspec.json.Decoder(Follow | Wake | Hurry | Renew | Stop).decode
_standing: Final = msgspec.json.Decoder(Standing).decode


# In the server


class RemoteProjector(Awaited):
    """One projector of the process, as the server sees it. Its methods belong to the event loop."""

    def __init__(self, name: str, covers: Callable[[str, str], bool], send: Callable[[Wake | Hurry], None]) -> None:
        super().__init__()
        self.name = name
        self._covers = covers
        self._send = send
        self._views: dict[str, ViewStatus] = {}
        self._failures: list[str] = []
        self._busy = self._news = False

    def wake(self) -> None:
        """Something was committed. One order is under way at a time: it is given again when the answer comes."""
        if self._busy:
            self._news = True
        else:
            self._busy = True
            self._send(Wake(self.name))

    def hurry(self) -> None:
        self._send(Hurry(self.name))

    def expect(self, view: str) -> None:
        """Knows of a view that has not been heard of yet: nothing is shown of it."""
        self._views.setdefault(view, ViewStatus(view, 0, ""))

    def heard(self, standing: Standing) -> None:
        """The process says where it stands."""
        self._views.update({status.name: status for status in standing.views})
        self._failures = standing.failures
        self._busy = False
        if self._news:
            self._news = False
            self.wake()
        self._tell()

    def restarted(self) -> None:
        """There is a new process, which knows of no order."""
        self._busy = self._news = False
        self.hurry()

    def statuses(self) -> list[ViewStatus]:
        """Where the views stand, by name."""
        return [status for _, status in sorted(self._views.items())]

    def shows(self, token: str, view: str | None = None) -> bool:
        return shows(self._views.values(), self._covers, token, view)

    def failures(self) -> list[Exception]:
        return [
            Unavailable("view.waits", reason, hint="It is tried again by itself; the log has it all.")
            for reason in self._failures
        ]


Spawn = Callable[[socket.socket], Awaitable[asyncio.subprocess.Process]]
"""Starts the process with its end of the socket."""


class ProjectorsProcess(asyncio.Protocol):
    """Keeps the process running: `await start()`, then `projector(name)`; `await stop()` lets it finish."""

    def __init__(self, spawn: Spawn, names: Sequence[str], covers: Callable[[str, str], bool]) -> None:
        self._spawn = spawn
        self._projectors = {name: RemoteProjector(name, covers, self._send) for name in names}
        self._followed: list[str] = []
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._silent = set(names)
        self._again_s = AGAIN_S
        self._stopping = False
        self._ready = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._restarting: asyncio.Task[None] | None = None

    def projector(self, name: str) -> RemoteProjector:
        return self._projectors[name]

    async def start(self) -> None:
        """Returns when every projector has said where it stands. Raises `OperatorError("views.failed")`."""
        process = await self._open()
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait((ended, ready), timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
        is_ready = ready.done()
        for task in (ended, ready):
            task.cancel()
        if not is_ready:
            await self.stop()
            raise OperatorError(
                "views.failed",
                "The process that keeps the views did not start",
                hint="The server's output has the reason. `views.db` may be deleted: it is made again from the log.",
            )

    async def stop(self) -> None:
        """Lets the process apply what is committed, and end."""
        self._stopping = True
        if self._restarting is not None:
            self._restarting.cancel()
        self._send(Stop())
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), STOP_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._transport is not None:
            self._transport.close()

    def follow(self, projector: str, view: str) -> None:
        """Has a projector follow one more view, from now on and after every restart."""
        self._projectors[projector].expect(view)
        self._followed.append(view)
        self._send(Follow(view))

    def renew(self) -> None:
        """Has the file of views, which is damaged, made anew."""
        self._send(Renew())

    def _send(self, order: Follow | Wake | Hurry | Renew | Stop) -> None:
        if self._transport is not None:
            self._transport.write(_encode(order) + b"\n")

    async def _open(self) -> asyncio.subprocess.Process:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await self._spawn(theirs)
        self._rest = b""
        await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)
        return self._process

    # The protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        for view in self._followed:
            self._send(Follow(view))
        for projector in self._projectors.values():
            projector.restarted()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            standing = _standing(line)
            self._projectors[standing.projector].heard(standing)
            self._silent.discard(standing.projector)
        if not self._silent:
            self._ready.set()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # why does not matter: the process ends either way
        self._transport = None
        if not self._stopping and self._ready.is_set():
            self._restarting = asyncio.get_running_loop().create_task(self._restart())

    async def _restart(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        status = await self._process.wait()
        _report.error("the process that keeps the views ended (%s); it is started again", status)
        await asyncio.sleep(self._again_s)
        self._again_s = min(2 * self._again_s, AGAIN_MAX_S)
        await self._open()


# In the process


class Server:
    """The process's end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._telling = threading.Lock()

    def tell(self, standing: Standing) -> None:
        """Says where a projector stands; any thread. It does not matter where nobody listens any more."""
        with self._telling, contextlib.suppress(OSError):
            self._sock.sendall(_encode(standing) + b"\n")

    def serve(
        self, projectors: Mapping[str, Projector], follow: Callable[[str], None], renew: Callable[[], None]
    ) -> bool:
        """Carries out orders until the process is to end: True where it was told to, False where the server is gone."""
        for order in self._orders():
            if isinstance(order, Follow):
                follow(order.view)
            elif isinstance(order, Wake):
                projectors[order.projector].wake()
            elif isinstance(order, Hurry):
                projectors[order.projector].hurry()
            elif isinstance(order, Renew):
                renew()
            else:
                return True
        return False

    def _orders(self) -> Iterator[Follow | Wake | Hurry | Renew | Stop]:
        rest = b""
        while data := self._received():
            *lines, rest = (rest + data).split(b"\n")
            yield from map(_order, lines)

    def _received(self) -> bytes:
        with contextlib.suppress(ConnectionError):
            return self._sock.recv(1 << 16)
        return b""


def standing(name: str, projector: Projector) -> Standing:
    """Where a projector stands."""
    return Standing(name, projector.statuses(), [str(failure) for failure in projector.failures()])
