"""The floor under every Python HTTP service on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.environment import Say, package_versions
from benchmarks.peers.peer import Peer, Request
from benchmarks.server import HOST, Server
from benchmarks.workload import ORDER


class Echo(Peer):
    """A raw ASGI application on uvicorn that sends the body back; it prices nothing."""

    name = "echo"
    durability = "none"

    def install(self, say: Say) -> None:
        """Nothing to do: uvicorn comes with this project."""

    def version(self) -> str:
        return package_versions(Path(sys.executable), "uvicorn", "uvloop", "httptools")

    def launch(self, port: int) -> Server:
        command = uvicorn_command(Path(sys.executable), "benchmarks.served.echo:application", port)
        return self.keep(Server(self.name, [*command, "--lifespan", "off"]))

    def request(self) -> Request:
        return Request("/", expected=ORDER)


def uvicorn_command(python: Path, application: str, port: int) -> list[str]:
    """Serve an ASGI application on uvicorn at its fastest: uvloop, httptools, no access log."""
    options = ["--host", HOST, "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    return [str(python), "-m", "uvicorn", application, *options, "--no-access-log", "--log-level", "warning"]
