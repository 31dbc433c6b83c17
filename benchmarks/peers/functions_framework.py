"""Google's functions-framework: what Cloud Run functions run on, and the peer for cold starts."""

from __future__ import annotations

from pathlib import Path

from benchmarks.environment import SERVED, Say, package_versions, python_environment
from benchmarks.peers.peer import Peer, Request
from benchmarks.server import HOST, Server


class FunctionsFramework(Peer):
    """One function that does both steps and the aggregate, on gunicorn as it comes: one process, threads."""

    name = "functions-framework"
    durability = "none"

    def install(self, say: Say) -> None:
        self._python = python_environment(self.name, ["functions-framework", "pandas"], say)

    def version(self) -> str:
        return package_versions(self._python, "functions-framework", "gunicorn", "pandas")

    def launch(self, port: int) -> Server:
        return self.keep(self.serve(SERVED / "order_function.py", "price", port))

    def request(self) -> Request:
        return Request("/")

    def serve(self, source: Path, function: str, port: int) -> Server:
        """Start a process that serves one function of a file; the caller stops it."""
        program = self._python.with_name("functions-framework")
        options = ["--source", str(source), "--target", function, "--host", HOST, "--port", str(port)]
        return Server(f"{self.name}-{function}", [program, *options])
