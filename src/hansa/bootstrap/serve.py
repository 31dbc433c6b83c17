"""`hansa up`: a Hansa behind HTTP, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn
import uvloop

from hansa.bootstrap.admin import AdminToken, own_token, shared_token, write_client_file
from hansa.bootstrap.hansa import Hansa, Settings, now_us
from hansa.errors import OperatorError
from hansa.eventlog.awaitable import AwaitableLog
from hansa.observe import output
from hansa.observe.node import NodeFacts
from hansa.runtime import isolation
from hansa.server.app import App
from hansa.server.calls import Calls
from hansa.server.protocol import Connection
from hansa.server.services import Services

DATE_S: Final = 1.0

Ready = Callable[[Services, str, str | None], Awaitable[None]]
"""Told the services, the URL and the admin's token once calls are answered; None where the token was told before."""


def serve(data: Path, host: str, port: int, *, ready: Ready) -> None:
    """Runs a Hansa on the folder `data` until SIGINT or SIGTERM. Raises `OperatorError` (`store.locked`, `port.taken`,
    `isolation.unavailable`; `log.fenced` once another one has taken the folder)."""
    output.begin(os.environ)
    uvloop.run(_serve(data.absolute(), host, port, ready))


async def _serve(data: Path, host: str, port: int, ready: Ready) -> None:
    listening = _listen(host, port)
    settings = Settings.from_environment(data, host, listening.getsockname()[1])
    if settings.isolation == "strict" and settings.place.has("worker"):
        isolation.check()
    hansa = Hansa(settings, version("hansa"), now_us)
    gc.disable()  # what is loaded now is no garbage, and is looked through again and again while it grows
    services = await hansa.open()
    gc.freeze()  # to look through it all would keep every call waiting for 50 ms
    gc.enable()
    try:
        calls = Calls(services)
        config = uvicorn.Config(
            App(services, calls), log_config=None, access_log=False, lifespan="off", loop="none", ws="none",
            http=partial(Connection, calls),  # type: ignore[arg-type]  # it is only called
            proxy_headers=False, server_header=False, date_header=True, timeout_graceful_shutdown=5,
        )  # fmt: skip
        server = _Server(config, services.node, settings.drain_s)
        url = f"http://{host}:{listening.getsockname()[1]}"
        token = await asyncio.to_thread(_admin_token, services, settings, url)
        answering = asyncio.create_task(server.serve([listening]))
        beside = [
            asyncio.create_task(_tell(server, ready, services, url, token)),
            asyncio.create_task(_leave_when_fenced(server, services.log)),
        ]
        await answering
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
    finally:
        await hansa.close()
    if services.log.fenced.done():
        taken = services.log.fenced.result()
        raise OperatorError(taken.code, taken.message, hint=taken.hint)


class _Server(uvicorn.Server):
    """Ends its serving at the first SIGINT or SIGTERM, and hurries at a second one. At SIGTERM it is ready no more, and
    serves for another `drain_s`, in which whoever sends it calls notices. uvicorn's own raises the signal
    again when it has ended, which would end the process before its stores are closed; and it looks ten times a second
    whether it is to end."""

    def __init__(self, config: uvicorn.Config, node: NodeFacts, drain_s: float) -> None:
        super().__init__(config)
        self._told = asyncio.Event()
        self._node, self._drain_s = node, drain_s

    async def main_loop(self) -> None:
        """Until it is told to end. The header `Date` is made once a second."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), DATE_S)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del frame
        drains, self._node.drains = self._node.drains, True
        if sig == signal.SIGTERM and self._drain_s > 0 and not drains:
            asyncio.get_running_loop().call_later(self._drain_s, self.end, sig)
        else:
            self.end(sig)

    def end(self, sig: int = signal.SIGTERM) -> None:
        """Takes no more calls, and ends when those under way are answered."""
        super().handle_exit(sig, None)
        self._told.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def _tell(server: uvicorn.Server, ready: Ready, services: Services, url: str, token: AdminToken) -> None:
    while not server.started:
        await asyncio.sleep(0.01)
    await ready(services, url, token.text if token.is_shown else None)


async def _leave_when_fenced(server: _Server, log: AwaitableLog) -> None:
    """Another Hansa has taken the folder: this one can keep nothing any more, and must not seem to serve."""
    await asyncio.shield(log.fenced)
    server.end()


def _listen(host: str, port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as failure:
        found.close()
        raise OperatorError(
            "port.taken",
            f"{host}:{port} cannot be listened on: {failure.strerror}",
            hint="Choose another: `hansa up --port N`.",
        ) from failure
    return found


def _admin_token(services: Services, settings: Settings, url: str) -> AdminToken:
    """The administrator's token, which `client.json` has from now on."""
    registry, issuer = services.registry, services.issuer
    shared = settings.place.is_shared
    found = shared_token(registry, issuer, now_us()) if shared else own_token(registry, issuer, settings.data)
    write_client_file(settings.data, url, found.text)
    return found
