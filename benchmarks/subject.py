"""Hansa as it is run by its users: its own server process with full isolation, driven over HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from benchmarks.environment import ROOT
from benchmarks.server import Server

PRODUCTS = ROOT / "benchmarks" / "products"
POLL_S = 0.1


class Subject:
    """A running Hansa on the folder `data`; `stop` it and make another one on the same folder to start it again."""

    def __init__(self, data: Path, name: str = "hansa", command: Sequence[str | Path] | None = None) -> None:
        """Starts `command` (Hansa without words, unless given) and returns when it answers."""
        self.data = data
        (data / "client.json").unlink(missing_ok=True) if not (data / "log.db").exists() else None
        before = self._told()
        self._server = Server(name, command or [sys.executable, "-m", "hansa.bootstrap", data, "0"])
        self._server.wait_until(lambda: self._told() not in (None, before) and bool(self.get("/health")), poll_s=0.005)

    def _told(self) -> dict[str, str] | None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            found: dict[str, str] = json.loads((self.data / "client.json").read_text())
            return found
        return None

    @property
    def pid(self) -> int:
        return self._server.pid

    @property
    def door(self) -> tuple[str, str]:
        """Where it answers, and the administrator's token."""
        told = self._told()
        assert told is not None
        return told["url"], told["token"]

    @property
    def output(self) -> bytes:
        """What it has printed."""
        return self._server.output.read_bytes()

    def get(self, path: str) -> Any:
        """The JSON that a GET answers; raises `OSError` for any status that is an error."""
        return json.loads(self._ask(path))

    def post(self, path: str, value: Any) -> Any:
        """The JSON that a POST answers."""
        return json.loads(self._ask(path, json.dumps(value).encode()))

    def post_bytes(self, path: str, body: bytes) -> Any:
        """The JSON that a POST of these bytes answers."""
        return json.loads(self._ask(path, body))

    def deploy(self, folder: Path, product: str) -> None:
        """Deploys a product's folder; raises `ValueError` where Hansa refuses it."""
        from hansa.blobs.bundle import pack

        with contextlib.suppress(urllib.request.HTTPError):  # the domain is there already
            self._ask("/domains", json.dumps({"name": product.partition(".")[0]}).encode())
        last = self._ask(f"/products/{product}/deploy", pack(folder).data).splitlines()[-1]
        if "error" in (told := json.loads(last)):
            raise ValueError(told["error"])

    def records_in(self, port: str) -> int:
        """How many records the port has."""
        bounds = self.get(f"/ports/{port}")["bounds"]
        return sum(int(bound["end"]) for bound in bounds.values())

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        url, token = self.door
        request = urllib.request.Request(
            url + path, body, {"authorization": f"Bearer {token}", "content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            found: bytes = answer.read()
            return found

    def stop(self) -> None:
        self._server.stop()

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)


def until(holds: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Waits; raises `TimeoutError` saying `what` was waited for."""
    end = monotonic() + timeout_s
    while not holds():
        if monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        sleep(POLL_S)


@contextlib.contextmanager
def data_folder() -> Iterator[Path]:
    """An empty data folder on the disk of the project, gone afterwards."""
    os.makedirs(ROOT / ".bench", exist_ok=True)
    parent = Path(tempfile.mkdtemp(prefix="data-", dir=ROOT / ".bench"))
    try:
        yield parent / "data"
    finally:
        shutil.rmtree(parent, ignore_errors=True)
