"""Something that stands between a program and a server, and lets pass what they say as slowly as it is told."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from engines.process import LOOPBACK

CHUNK_BYTES = 16 << 10


class Slowed:
    """A server of loopback at another port. `delay_s` is how long each piece of what is said waits, either way."""

    def __init__(self, port: int) -> None:
        self.delay_s = 0.0
        self._to = (LOOPBACK, port)
        self._closed = threading.Event()
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._to)
                self._sockets += [near, far]
                for pair in ((near, far), (far, near)):
                    self._threads.append(threading.Thread(target=self._pass_on, args=pair))
                    self._threads[-1].start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(CHUNK_BYTES):
                self._closed.wait(self.delay_s)
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends it, and all that goes through it."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in [*self._sockets, self._listener]:
            one.close()


@contextlib.contextmanager
def slowed(port: int) -> Iterator[Slowed]:
    """It for the length of a block."""
    made = Slowed(port)
    try:
        yield made
    finally:
        made.close()
