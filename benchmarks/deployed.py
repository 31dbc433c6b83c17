"""A Hansa that products are deployed to while it is measured, and called over the connection of its deployment."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.environment import BENCH
from benchmarks.server import HOST, NotReady, Server, free_port, is_listening
from hansa.blobs.bundle import pack

START_S = 30.0
ANSWER_S = 600.0
"""The first deployment installs what the product requires."""


class Deployed:
    """One running Hansa. Every method raises `OSError` when it does not answer, `ValueError` when it refuses."""

    def __init__(self, server: Server, data: Path, port: int, token: str) -> None:
        self.server = server
        self.data = data
        self._connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_S)
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        """POST: the status and the body that came back."""
        self._connection.request("POST", path, body, self._headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def deploy(self, product: str, bundle: bytes) -> None:
        """Returns when the bundle is live. Sent over a new connection, which the next calls use: an old one may have
        been closed while it was idle."""
        self._connection.close()
        status, said = self.ask(f"/products/{product}/deploy", bundle)
        last = json.loads(said.strip().splitlines()[-1])
        if status != 200 or "result" not in last:
            raise ValueError(f"{product} was not deployed: {said.decode(errors='replace')[-2000:]}")

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def deployed(name: str, **environment: str) -> Iterator[Deployed]:
    """A Hansa on empty data, with the domain `bench`. What products require is installed once and kept for the next."""
    data = Path(tempfile.mkdtemp(prefix="hansa-bench-", dir=Path.cwd())) / "data"
    data.mkdir()
    kept = BENCH / "environments"
    kept.mkdir(parents=True, exist_ok=True)
    (data / "environments").symlink_to(kept)
    port = free_port()
    server = Server(name, [sys.executable, "-m", "hansa.bootstrap", str(data), str(port)], environment=environment)
    try:
        hansa = Deployed(server, data, port, _token(data, port, server))
        hansa.ask("/domains", json.dumps({"name": "bench"}).encode())
        yield hansa
        hansa.close()
    finally:
        server.stop()
        shutil.rmtree(data.parent, ignore_errors=True)


def version(folder: Path, number: int, product: str | None = None) -> bytes:
    """The bundle of a product folder, made unlike every other by a comment; under another id where one is given."""
    with tempfile.TemporaryDirectory() as made:
        copy = Path(made) / folder.name
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
        source = copy / "product.py"
        source.write_text(f"{source.read_text()}\n# version {number} of {time.time_ns()}\n")
        if product is not None:
            text = (copy / "product.yaml").read_text()
            (copy / "product.yaml").write_text(text.replace(f"id: bench.{folder.name}\n", f"id: {product}\n"))
        return pack(copy).data


def _token(data: Path, port: int, server: Server) -> str:
    def told() -> bool:
        return (data / "client.json").is_file() and bool(_read(data))

    server.wait_until(told, timeout_s=START_S)
    server.wait_until(lambda: is_listening(port), timeout_s=START_S)
    found: dict[str, Any] = _read(data)
    if "token" not in found:
        raise NotReady(f"{server.name} told no token")
    return str(found["token"])


def _read(data: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((data / "client.json").read_text())
    except ValueError:
        return {}
    return found
