"""A worker as the server holds it: a process forked by a zygote, its socket, its shared memory, its last words."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import mmap
import os
import select
import signal
import socket
from typing import Final, Self

RING_BYTES: Final = 8 << 20
"""Default size of each direction of the ring."""
CELLS_BYTES: Final = 64
STDERR_TAIL_BYTES: Final = 4 << 10
_READ_BYTES: Final = 64 << 10  # the capacity of a pipe
_DEATH_S: Final = 1.0


class OutputTail:
    """Reads what a process writes to its descriptors 1 and 2 and keeps the last 4 KiB, so that a process that prints
    without end costs no memory and never waits for long."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.writer, True)
        self._tail = b""
        self._open = True
        loop.add_reader(self._reader, self._read)

    def text(self) -> str:
        """The last 4 KiB, undecodable bytes replaced."""
        return self._tail.decode(errors="replace")

    def close_writer(self) -> None:
        """Gives up the server's copy of the writing end, once the process has its own."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        """Takes what is still in the pipe, then closes it. The text stays."""
        self.close_writer()
        if self._open:
            self._read()
        self._close_reader()

    def _read(self) -> None:
        try:
            chunk = os.read(self._reader, _READ_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            self._close_reader()
            return
        self._tail = (self._tail + chunk)[-STDERR_TAIL_BYTES:]

    def _close_reader(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._reader)
            os.close(self._reader)


class WorkerLines:
    """What connects a worker to the server: both ends of the socket, the shared memories, the output."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring_bytes: int) -> None:
        with contextlib.ExitStack() as undo:
            self.sock, self.far_sock = socket.socketpair()
            undo.callback(self.far_sock.close)
            undo.callback(self.sock.close)
            self.sock.setblocking(False)
            self.ring_fd, self.ring = _shared_memory("hansa-ring", 2 * ring_bytes)
            undo.callback(os.close, self.ring_fd)
            undo.callback(self.ring.close)
            self.cells_fd, self.cells = _shared_memory("hansa-cells", CELLS_BYTES)
            undo.callback(os.close, self.cells_fd)
            undo.callback(self.cells.close)
            self.output = OutputTail(loop)
            undo.pop_all()

    def descriptors(self) -> tuple[int, int, int, int]:
        """The worker's ends, in the order of a `Fork` frame."""
        return self.far_sock.fileno(), self.ring_fd, self.cells_fd, self.output.writer

    def hand_over(self) -> None:
        """Closes the worker's ends on this side; a second call does nothing."""
        if self.far_sock.fileno() < 0:
            return
        self.far_sock.close()
        os.close(self.ring_fd)
        os.close(self.cells_fd)
        self.output.close_writer()

    def close(self) -> None:
        self.hand_over()
        self.output.close()
        self.sock.close()
        for memory in (self.ring, self.cells):
            with contextlib.suppress(BufferError):  # a view of it is still held: it goes with the last view
                memory.close()


class WorkerProcess:
    """A running worker. `close()` it (or leave its `with`) when done; the exit status may come later.

    `sock` is the server's end of a stream pair, not blocking. `ring` is shared memory for payloads: the first half
    is written by the server, the second by the worker. `cells` is 64 shared bytes in which the worker says where it is.
    `exited` resolves to the exit status, or minus the signal that ended the process; it never fails.
    """

    def __init__(self, pid: int, pidfd: int, lines: WorkerLines, loop: asyncio.AbstractEventLoop) -> None:
        self.pid = pid
        self.sock = lines.sock
        self.ring = lines.ring
        self.cells = lines.cells
        self.exited: asyncio.Future[int] = loop.create_future()
        self._pidfd = pidfd
        self._lines = lines
        self._output = lines.output
        self._alive = True

    async def wait(self) -> int:
        """The exit status. Safe to cancel, unlike awaiting `exited` itself."""
        return await asyncio.shield(self.exited)

    def kill(self) -> None:
        """SIGKILL, to this process and to no other that came to its number later. Does nothing after its end."""
        if self._alive:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def stderr_tail(self) -> str:
        """The last 4 KiB of what the process wrote to descriptors 1 and 2; complete once it has exited."""
        return self._output.text()

    def close(self) -> None:
        """Kills the process if it runs and closes what connects to it."""
        self.kill()
        self._lines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def note_exit(self, status: int) -> None:
        """Told by the zygote's handle, once: the process is gone."""
        self._alive = False
        os.close(self._pidfd)
        self._output.close()
        if not self.exited.done():
            self.exited.set_result(status)

    def note_orphaned(self) -> None:
        """Told by the zygote's handle when the zygote died: its workers die with it, and nobody is left to say how."""
        self.kill()
        select.select([self._pidfd], [], [], _DEATH_S)
        self.note_exit(-signal.SIGKILL)


def _shared_memory(name: str, size_bytes: int) -> tuple[int, mmap.mmap]:
    """An anonymous file of fixed size, mapped. Sealed: a worker that shrank it would crash a reading server."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size_bytes)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        return descriptor, mmap.mmap(descriptor, size_bytes)
    except BaseException:
        os.close(descriptor)
        raise
