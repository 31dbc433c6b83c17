"""Restate: durable execution with a server of its own, written in Rust, that calls the code over HTTP/2."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benchmarks.environment import BENCH, Say, Unavailable, npm_folder, package_versions, python_environment
from benchmarks.peers.peer import Peer, Request
from benchmarks.server import HOST, NotReady, Server, ask, free_port, is_listening

DATA = BENCH / "data" / "restate"
PARTITIONS = 4
"""Restate's default of 24 spreads its group commits thin over two cores; with 4 it answered up to 1.8 times as much."""


class Restate(Peer):
    """Two journalled steps in a Python service on granian; called through Restate's ingress."""

    name = "restate"
    durability = (
        f"every step, journalled; one node, replicated loglet, WAL fsync (its defaults), {PARTITIONS} partitions"
    )

    def install(self, say: Say) -> None:
        self._python = python_environment(self.name, ["restate-sdk[serde]", "granian[uvloop]"], say)
        self._packages = npm_folder(self.name, ["@restatedev/restate-server"], say) / "node_modules" / "@restatedev"

    def version(self) -> str:
        manifest = json.loads((self._packages / "restate-server" / "package.json").read_text())
        return f"restate-server {manifest['version']}, {package_versions(self._python, 'restate-sdk', 'granian')}"

    def launch(self, port: int) -> Server:
        service_port, admin_port = free_port(), free_port()
        service = self.keep(Server("restate-service", self._service_command(service_port)))
        service.wait_until(lambda: is_listening(service_port))
        shutil.rmtree(DATA, ignore_errors=True)
        server = self.keep(Server(self.name, [self._binary()], environment=_settings(port, admin_port)))
        server.wait_until(lambda: ask(f"http://{HOST}:{admin_port}/health")[0] == 200)
        _register(f"http://{HOST}:{admin_port}", f"http://{HOST}:{service_port}")
        return server

    def request(self) -> Request:
        return Request("/orders/price")

    def _binary(self) -> Path:
        found = next(self._packages.glob("restate-server-*/bin/restate-server"), None)
        if found is None:
            raise Unavailable(f"{self._packages} has no restate-server for this machine; it comes for Linux and macOS")
        return found

    def _service_command(self, port: int) -> list[str]:
        options = ["--interface", "asgi", "--http", "2", "--loop", "uvloop", "--log-level", "warning"]
        granian = str(self._python.with_name("granian"))
        return [granian, *options, "--host", HOST, "--port", str(port), "benchmarks.served.order_restate:application"]


def _settings(port: int, admin_port: int) -> dict[str, str]:
    """Where Restate listens and keeps its data, and its partitions; everything else stays as it comes."""
    return {
        "RESTATE_INGRESS__BIND_ADDRESS": f"{HOST}:{port}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"{HOST}:{admin_port}",
        "RESTATE_BIND_ADDRESS": f"{HOST}:{free_port()}",
        "RESTATE_ADVERTISED_HOST": HOST,
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_DEFAULT_NUM_PARTITIONS": str(PARTITIONS),
        "RESTATE_BASE_DIR": str(DATA),
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RUST_LOG": "warn",
    }


def _register(admin: str, service: str) -> None:
    status, answer = ask(f"{admin}/deployments", {"uri": service}, timeout_s=30)
    if status != 201:
        raise NotReady(f"Restate refused the service at {service} with status {status}: {answer}")
