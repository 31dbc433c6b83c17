"""Hansa itself, at each durability: a fresh server, full isolation, the product deployed through the API."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.environment import Say, package_versions
from benchmarks.peers.peer import Peer, Request
from benchmarks.server import HOST, Server

PRODUCT = Path(__file__).parents[1] / "products" / "orders"
START_S = 30.0


class Hansa(Peer):
    """The run's commit is on disk (SQLite, WAL, synchronous=FULL) before the answer; its history is kept and
    indexed."""

    name = "hansa"
    durability = "the run is flushed before the answer; token checked, history, trace and result kept"
    route = "run"

    def __init__(self) -> None:
        super().__init__()
        self._data: Path | None = None
        self._token = ""

    def install(self, say: Say) -> None:
        """Nothing to do: it is this project."""

    def version(self) -> str:
        return f"{package_versions(Path(sys.executable), 'hansa')}, Python {platform.python_version()}"

    def launch(self, port: int) -> Server:
        self._data = Path(tempfile.mkdtemp(prefix="hansa-bench-", dir=Path.cwd())) / "data"
        server = self.keep(Server(self.name, [sys.executable, "-m", "hansa.bootstrap", str(self._data), str(port)]))
        self._token = self._started(port)
        self._post(port, "/domains", json.dumps({"name": "bench"}).encode())
        from hansa.blobs.bundle import pack

        self._post(port, "/products/bench.orders/deploy", pack(PRODUCT).data)
        return server

    def _started(self, port: int) -> str:
        assert self._data is not None
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=1) as answer:
                    answer.read()
                return str(json.loads((self._data / "client.json").read_text())["token"])
            except (OSError, ValueError):
                time.sleep(0.02)
        raise TimeoutError("hansa did not start")

    def _post(self, port: int, path: str, body: bytes) -> Any:
        request = urllib.request.Request(
            f"http://{HOST}:{port}{path}", body, {"authorization": f"Bearer {self._token}"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def request(self) -> Request:
        return Request(f"/bench/orders/{self.route}", {"authorization": f"Bearer {self._token}"})

    def stop(self) -> None:
        super().stop()
        if self._data is not None:
            shutil.rmtree(self._data.parent, ignore_errors=True)
            self._data = None


class HansaStep(Hansa):
    """Each logic's result is journalled too: what Restate and DBOS do."""

    name = "hansa-step"
    durability = "each logic's result and the run are flushed before the answer"
    route = "step"


class HansaNone(Hansa):
    """The answer does not wait for the disk."""

    name = "hansa-none"
    durability = "none: the history is written behind the answer"
    route = "none"
