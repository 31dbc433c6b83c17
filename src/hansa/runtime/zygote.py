"""The server's side of a zygote: start one per library set, fork workers from it, notice its death and theirs."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import os
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import msgspec

import hansa
from hansa.errors import OperatorError, Unavailable
from hansa.runtime import linux
from hansa.runtime.warden import Warden
from hansa.runtime.worker_process import RING_BYTES, OutputTail, WorkerLines, WorkerProcess
from hansa.runtime.zygote_process import (
    DESCRIPTORS_MAX,
    FRAME_BYTES_MAX,
    Configure,
    Enclosed,
    Enclosure,
    Exited,
    Fork,
    Forked,
    Ready,
    Refused,
)

__all__ = ["LibrarySet", "WorkerProcess", "Zygote", "zygote_environment"]

FORKS_IN_FLIGHT_MAX: Final = 16
"""Forks asked of one zygote at once; it forks one after the other. Bounds the descriptors in flight as well."""
STOP_S: Final = 2.0

_KEPT_VARIABLES: Final = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONHOME")
_SET_VARIABLES: Final = {
    "PATH": os.defpath,
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "ARROW_IO_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "_RJEM_MALLOC_CONF": "background_thread:false",
}
"""One thread per library: a fork copies only the thread that calls it."""


@dataclasses.dataclass(frozen=True)
class LibrarySet:
    """What a zygote has imported before it forks. `path` are folders for `sys.path`, ahead of site-packages and behind
    the standard library; a module of `preload` that cannot be imported is reported in `Zygote.failed`, not fatal.

    `own` are Hansa's modules, imported first. With a `room` the zygote is then enclosed, before it imports `preload`,
    and its workers with it: they read the room and `read`, and write in the room's `scratch`.
    """

    name: str
    path: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    room: str | None = None
    read: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Asked:
    reply: asyncio.Future[WorkerProcess]
    lines: WorkerLines


def zygote_environment(server: Mapping[str, str], package_root: str, installed_in: str) -> dict[str, str]:
    """The whole environment of a zygote and its workers: no secret of the server's passes. A Hansa that runs from a
    source folder is put on the path; an installed one is found without."""
    kept = {name: server[name] for name in _KEPT_VARIABLES if name in server}
    source = {} if package_root == installed_in else {"PYTHONPATH": package_root}
    return kept | _SET_VARIABLES | source


class Zygote:
    """A running zygote. `loaded` are the modules it imported, `failed` says why each other was not, `threads` is 1.

    `died` resolves to its exit status (minus the signal); the workers are gone by then. It never fails; the caller
    may start another. Belongs to the event loop it was started in, whose thread must outlive it."""

    def __init__(self, libraries: LibrarySet, control: socket.socket, ring_bytes: int) -> None:
        self.libraries = libraries
        self.loaded: tuple[str, ...] = ()
        self.failed: dict[str, str] = {}
        self.threads = 0
        self.enclosed: dict[str, str] = {}
        """What is in force by name, where it is enclosed."""
        self._warden: Warden | None = None
        self._loop = asyncio.get_running_loop()
        self.died: asyncio.Future[int] = self._loop.create_future()
        self._ready: asyncio.Future[Ready] = self._loop.create_future()
        self._control = control
        self._ring_bytes = ring_bytes
        self._slots = asyncio.Semaphore(FORKS_IN_FLIGHT_MAX)
        self._tickets = itertools.count(1)
        self._asked: dict[int, _Asked] = {}
        self._workers: dict[int, WorkerProcess] = {}
        self._decode = msgspec.msgpack.Decoder(Enclosed | Ready | Forked | Refused | Exited).decode
        self._output = OutputTail(self._loop)

    @classmethod
    async def start(
        cls,
        libraries: LibrarySet,
        *,
        worker_main: str = "hansa.runtime.worker:main",
        ring_bytes: int = RING_BYTES,
        ready_timeout_s: float = 120.0,
        isolation: str = "strict",
        rehearsal: str = "",
    ) -> Self:
        """A zygote that is ready to fork. `worker_main` is called in every worker with the descriptors of its socket,
        ring and cells. Modules that start a thread when imported are left to the workers, and named in `failed`.
        `isolation` says what becomes of a library set with a room: `strict` encloses or does not start, `best` encloses
        as far as the system can, `none` does not. `rehearsal` is called when everything is imported; where it leaves
        threads behind, the zygote does without it.

        Raises `OperatorError` `zygote.failed` with what the process printed, `zygote.unsupported` off Linux."""
        if sys.platform != "linux":
            raise OperatorError(
                "zygote.unsupported", f"Workers need Linux, this is {sys.platform}", hint="Run Hansa on Linux."
            )
        configure = msgspec.structs.replace(_configuration(libraries, worker_main, isolation), rehearsal=rehearsal)
        zygote, ready = await cls._start(libraries, configure, ring_bytes, ready_timeout_s)
        refused = dict.fromkeys(ready.threaded, "starts a thread when imported; a fork would lose it")
        if refused or (ready.threads != 1 and rehearsal):
            await zygote.stop()
            kept = tuple(name for name in libraries.preload if name not in refused)
            configure = msgspec.structs.replace(
                configure, preload=kept, rehearsal=rehearsal if ready.threads == 1 else ""
            )
            zygote, ready = await cls._start(libraries, configure, ring_bytes, ready_timeout_s)
        zygote.failed |= refused
        if ready.threads != 1:
            await zygote.stop()
            raise _failed(libraries, f"{ready.threads} threads run before the first fork")
        return zygote

    @classmethod
    async def _start(
        cls, libraries: LibrarySet, configure: Configure, ring_bytes: int, ready_timeout_s: float
    ) -> tuple[Self, Ready]:
        control, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.setblocking(False)
        zygote = cls(libraries, control, ring_bytes)
        with far_end:
            zygote._spawn(far_end.fileno())
        control.send(msgspec.msgpack.encode(configure))
        try:
            async with asyncio.timeout(ready_timeout_s):
                ready = await zygote._ready
        except TimeoutError:
            raise _failed(libraries, f"not ready after {ready_timeout_s:g} s") from None
        else:
            zygote.loaded, zygote.failed, zygote.threads = ready.loaded, dict(ready.failed), ready.threads
            return zygote, ready
        finally:
            if not zygote.threads:
                await zygote.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def fork(self) -> WorkerProcess:
        """A new worker, in milliseconds; the caller closes it. Raises `Unavailable`: `zygote.died`, `zygote.busy`, or
        `worker.refused` where the system has no room for a process. Cancelled, it leaves no worker behind."""
        async with self._slots:
            if self.died.done():
                raise _died(self.libraries)
            try:
                lines = WorkerLines(self._loop, self._ring_bytes)
            except OSError as failure:  # no more descriptors, say
                raise _refused(str(failure)) from failure
            reply: asyncio.Future[WorkerProcess] = self._loop.create_future()
            ticket = next(self._tickets)
            self._asked[ticket] = _Asked(reply, lines)
            try:
                if self._warden is not None:
                    self._warden.forks_allowed += 1
                self._send(Fork(ticket), lines.descriptors())
            except OSError as failure:
                del self._asked[ticket]
                lines.close()
                raise _unreachable(self.libraries, failure) from failure
            lines.hand_over()
            try:
                return await reply
            except asyncio.CancelledError:
                if reply.done() and not reply.cancelled() and not reply.exception():
                    reply.result().close()
                raise

    async def stop(self) -> None:
        """Ends the zygote and every worker of it; returns when they are gone."""
        if self.died.done():
            return
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        done, _ = await asyncio.wait([self.died], timeout=STOP_S)
        if not done:
            self._end_group()
            await asyncio.shield(self.died)

    def _end_group(self) -> None:
        """Kills the zygote and whatever it made. Its number stays its own until it was waited for."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _spawn(self, far_end: int) -> None:
        root = str(Path(hansa.__file__).parents[1])
        command = [sys.executable, "-P", "-m", "hansa.runtime.zygote_process", str(far_end), self.libraries.name]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._output.writer,
            stderr=self._output.writer,
            pass_fds=(far_end,),
            env=zygote_environment(os.environ, root, sysconfig.get_path("purelib")),
            cwd="/",
            start_new_session=True,
        )
        self._output.close_writer()
        self._pidfd = os.pidfd_open(self._process.pid)
        self._loop.add_reader(self._pidfd, self._on_death)
        self._loop.add_reader(self._control, self._on_frames)

    def _send(self, frame: Fork, descriptors: tuple[int, ...]) -> None:
        socket.send_fds(self._control, [msgspec.msgpack.encode(frame)], descriptors)

    def _on_frames(self) -> None:
        """Handles every frame that waits. The end of the stream is followed by the death of the process."""
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(
                    self._control, FRAME_BYTES_MAX, DESCRIPTORS_MAX, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            if not data:
                self._loop.remove_reader(self._control)
                return
            try:
                self._on_frame(self._decode(data), descriptors)
            except (msgspec.MsgspecError, LookupError, OSError):  # no zygote of ours speaks so: its libraries do
                self._loop.remove_reader(self._control)
                self._end_group()
                return

    def _on_frame(self, frame: Enclosed | Ready | Forked | Refused | Exited, descriptors: list[int]) -> None:
        match frame:
            case Enclosed(steps):
                self.enclosed = steps
                if descriptors and self._warden is None:
                    self._warden = Warden(descriptors[0], self._loop)
            case Ready():
                if not self._ready.done():
                    self._ready.set_result(frame)
            case Forked(ticket, pid):
                self._on_forked(self._asked.pop(ticket), pid, descriptors[0])
            case Refused(ticket, reason):
                self._on_refused(self._asked.pop(ticket), reason)
            case Exited(pid, status):
                self._workers.pop(pid).note_exit(status)

    def _on_forked(self, asked: _Asked, pid: int, pidfd: int) -> None:
        if self._warden is not None and linux.parent_of(pidfd) not in (self.pid, None):
            asked.lines.close()
            asked.reply.set_exception(_died(self.libraries))
            raise ProcessLookupError(pid)  # what it would have the server kill is no worker
        worker = self._workers[pid] = WorkerProcess(pid, pidfd, asked.lines, self._loop)
        if asked.reply.cancelled():
            worker.close()
        else:
            asked.reply.set_result(worker)

    def _on_refused(self, asked: _Asked, reason: str) -> None:
        asked.lines.close()
        if not asked.reply.done():
            asked.reply.set_exception(_refused(reason))

    def _on_death(self) -> None:
        self._on_frames()
        self._loop.remove_reader(self._pidfd)
        self._loop.remove_reader(self._control)
        self._end_group()
        if self._warden is not None:
            self._warden.close()
        os.close(self._pidfd)
        self._control.close()
        self._output.close()
        status = self._process.wait()
        for asked in self._asked.values():
            asked.lines.close()
            if not asked.reply.done():
                asked.reply.set_exception(_died(self.libraries))
        for worker in self._workers.values():
            worker.note_orphaned()
        self._asked.clear()
        self._workers.clear()
        if not self._ready.done():
            self._ready.set_exception(_failed(self.libraries, _ending(status), self._output.text()))
        self.died.set_result(status)


def _configuration(libraries: LibrarySet, worker_main: str, isolation: str) -> Configure:
    enclosure = None
    if libraries.room is not None and isolation != "none":
        enclosure = Enclosure(libraries.room, libraries.read, required=isolation == "strict")
    return Configure(os.getpid(), libraries.path, libraries.own, libraries.preload, worker_main, enclosure)


def _ending(status: int) -> str:
    return f"it ended with {signal.Signals(-status).name if status < 0 else f'status {status}'}"


def _failed(libraries: LibrarySet, reason: str, printed: str = "") -> OperatorError:
    return OperatorError(
        "zygote.failed",
        f"The zygote {libraries.name!r} did not start: {reason}",
        hint="Its last words are in the details; `hansa doctor` checks what it needs.",
        details={"printed": printed, "path": list(libraries.path), "preload": list(libraries.preload)},
    )


def _died(libraries: LibrarySet) -> Unavailable:
    return Unavailable(
        "zygote.died", f"The zygote {libraries.name!r} has died", hint="Try again: Hansa starts another one."
    )


def _unreachable(libraries: LibrarySet, failure: OSError) -> Unavailable:
    if isinstance(failure, BlockingIOError):
        return Unavailable(
            "zygote.busy", f"The zygote {libraries.name!r} takes no more requests now", hint="Try again in a moment."
        )
    return _died(libraries)


def _refused(reason: str) -> Unavailable:
    return Unavailable(
        "worker.refused",
        f"The system started no further worker: {reason}",
        hint="Stop idle products, or raise the limits of processes and memory of whoever runs Hansa.",
    )
