"""The server's end of one worker: frames out (gathered, one write per turn of the loop) and frames in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from hansa.runtime import wire
from hansa.runtime.zygote import WorkerProcess


class Link(asyncio.Protocol):
    """`on_message(message)` is called for every frame of the worker, `on_lost()` once when it has gone."""

    def __init__(self, process: WorkerProcess, on_message: Callable[[Any], None], on_lost: Callable[[], None]) -> None:
        self.process = process
        self._on_message = on_message
        self._on_lost = on_lost
        self._out, into_server = wire.halves(process.ring, process.cells)
        self._unpacker = wire.Unpacker(into_server)
        self._gathered: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self.is_lost = False
        self.fault = ""
        """What the worker said that is no frame; it was ended for it."""
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Connects to the worker's socket."""
        await self._loop.create_connection(lambda: self, sock=self.process.sock)

    def send(self, message: wire.ToWorker) -> None:
        """Queues a message; what one turn of the loop queues is one write."""
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered.append(wire.pack(message, self._out))

    def _flush(self) -> None:
        gathered, self._gathered = self._gathered, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(gathered))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._unpacker.feed(data):
                self._on_message(wire.decode_to_server(frame))
        except wire.Malformed as fault:
            self.fault = f"it sent what is no frame: {fault}"
            self.process.kill()
            assert self._transport is not None
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # why does not matter: the process ends either way
        self._transport = None
        self.is_lost = True
        self._on_lost()
        self.process.kill()
        self._loop.create_task(self._bury())

    async def _bury(self) -> None:
        await self.process.wait()
        self.process.close()

    def close(self) -> None:
        """Ends the connection; an idle worker takes that as its end."""
        if self._transport is not None:
            self._transport.close()
