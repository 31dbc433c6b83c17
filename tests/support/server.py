"""A real server process with its own data folder, driven over HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from hansa.blobs.bundle import pack

START_S, STOP_S = 30.0, 30.0
SETTLE_S = 20.0
EVERY_ADDRESS = "0.0.0.0"


class Server:
    """`Server(folder)` starts it; `kill()` is SIGKILL, `stop()` SIGTERM; `start()` again on the same folder.

    `launcher` stands before its command. With an `address` it listens at every one, and is asked at this."""

    def __init__(
        self,
        data: Path,
        *,
        environment: dict[str, str] | None = None,
        launcher: Sequence[str] = (),
        address: str | None = None,
    ) -> None:
        self.data = data
        self._launcher, self._address = launcher, address
        self._environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[bytes]
        self.url = self.token = ""
        self.http: httpx.Client
        self.start()

    def start(self, **environment: str) -> None:
        """Starts it and waits until it answers; `environment` is for this start alone."""
        self.launch(**environment)
        if not self.answers():
            raise AssertionError(f"the server did not start:\n{self.output.read_text()[-3000:]}")

    def launch(self, **environment: str) -> None:
        """Starts its process and waits for nothing."""
        self._before = self._written()
        self.output = self.data.with_suffix(".out")
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [*self._launcher, sys.executable, "-m", "hansa.bootstrap", str(self.data), "0", *self._everywhere()],
                stdout=out, stderr=out, env={**self._environment, **environment}, start_new_session=True,
            )  # fmt: skip

    def _everywhere(self) -> list[str]:
        return [] if self._address is None else [EVERY_ADDRESS]

    def answers(self, timeout_s: float = START_S) -> bool:
        """Waits until the process that was launched answers; False where it ended, or took too long."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and self.process.poll() is None:
            told = self._told()
            if told is not None and self._written() != self._before and self._is_well(told):
                return True
            time.sleep(0.02)
        return False

    def _written(self) -> int:
        """When the process last said where it answers; 0 before it ever did."""
        file = self.data / "client.json"
        return file.stat().st_mtime_ns if file.exists() else 0

    def _told(self) -> dict[str, str] | None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return json.loads((self.data / "client.json").read_text())
        return None

    def _is_well(self, told: dict[str, str]) -> bool:
        self.url, self.token = told["url"].replace(EVERY_ADDRESS, self._address or EVERY_ADDRESS), told["token"]
        self.http = httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {self.token}"}, timeout=60)
        with contextlib.suppress(httpx.TransportError):
            return self.http.get("/health").status_code == 200
        self.http.close()
        return False

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self.http.close()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired as failure:
            self.kill()
            raise AssertionError(f"the server did not end within {STOP_S:.0f} s of SIGTERM") from failure
        finally:
            self.http.close()

    # What tests do

    def deploy(self, folder: Path, product: str, **query: str) -> dict[str, Any]:
        """Deploys a folder and returns the result; raises `Refused` with the problem."""
        self.http.post("/domains", json={"name": product.partition(".")[0]}).raise_for_status()
        answer = self.http.post(f"/products/{product}/deploy", params=query, content=pack(folder).data)
        if answer.is_error:
            raise Refused(answer.json())
        last = json.loads(answer.text.strip().splitlines()[-1])
        if "error" in last:
            raise Refused(last["error"])
        return last["result"]

    def call(self, method: str, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return self.http.request(method, path, json=json, **options)

    def run(self, answer: httpx.Response) -> dict[str, Any]:
        """The history of the run that an answer came from."""
        return self.http.get(f"/runs/{answer.headers['hansa-run']}").json()

    def runs(self, **query: Any) -> list[dict[str, Any]]:
        return self.http.get("/runs", params={"limit": 1000, **query}).json()["items"]

    def records(self, port: str) -> list[dict[str, Any]]:
        found = self.http.get(f"/ports/{port}/records", params={"limit": 10_000})
        found.raise_for_status()
        return [item["record"] for item in found.json()["items"]]

    def events(self, query: str) -> list[dict[str, Any]]:
        return self.http.get("/events", params={"q": query, "limit": 1000}).json()["items"]

    def until(self, done: Callable[[], Any], timeout_s: float = SETTLE_S) -> Any:
        """Asks again until the answer is true; the last answer."""
        end = time.monotonic() + timeout_s
        while not (found := done()) and time.monotonic() < end:
            time.sleep(0.02)
        return found


class Refused(Exception):
    """A deployment that was refused."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem)
        self.problem = problem


@contextlib.contextmanager
def running(data: Path, **options: Any) -> Iterator[Server]:
    """A server for the length of a block."""
    server = Server(data, **options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
