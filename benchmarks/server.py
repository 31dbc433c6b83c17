"""Server processes of the contenders: started on the loopback interface, waited for, and ended again, by process id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from benchmarks.environment import BENCH, ROOT

HOST = "127.0.0.1"
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.02
TAIL_BYTES = 3000


class NotReady(Exception):
    """A server ended or stayed silent while it was waited for; the message holds the end of what it printed."""


class Server:
    """One process with its children; what it prints goes to `.bench/output/NAME.txt`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
        user: str | None = None,
    ) -> None:
        """Start `command` in a session of its own, in `folder`; as `user` when given, which takes root.

        The environment is this one with `environment` on top, and with the project's root as `PYTHONPATH`.
        """
        self.name = name
        self.output = BENCH / "output" / f"{name}.txt"
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
                cwd=folder,
                user=user,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until(
        self, ready: Callable[[], bool], *, timeout_s: float = READY_TIMEOUT_S, poll_s: float = POLL_S
    ) -> None:
        """Return as soon as `ready` says so; an `OSError` from it means not yet.

        Raises `NotReady` when the process ends first or `timeout_s` is over.
        """
        give_up_at = time.monotonic() + timeout_s
        while not _holds(ready):
            if self._process.poll() is not None:
                raise NotReady(f"{self.name} ended with code {self._process.returncode}: {self._tail()}")
            if time.monotonic() > give_up_at:
                raise NotReady(f"{self.name} is not ready after {timeout_s:.0f} s: {self._tail()}")
            time.sleep(poll_s)

    def stop(self) -> None:
        """End the process and its children: asked first, made to after ten seconds. Stopping twice does nothing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_TIMEOUT_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _tail(self) -> str:
        return self.output.read_bytes()[-TAIL_BYTES:].decode(errors="replace")


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on this loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def ask(
    url: str, value: Any = None, *, headers: Mapping[str, str] | None = None, timeout_s: float = 10.0
) -> tuple[int, Any]:
    """POST `value` as JSON, or GET without one; status and the JSON that came back (None when there was none).

    Raises `OSError` when nobody answers.
    """
    data = None if value is None else json.dumps(value).encode()
    request = Request(url, data=data, headers={"content-type": "application/json", **(headers or {})})
    try:
        with urlopen(request, timeout=timeout_s) as answer:
            return int(answer.status), _json(answer.read())
    except HTTPError as error:
        with error:
            return error.code, _json(error.read())


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _holds(ready: Callable[[], bool]) -> bool:
    try:
        return ready()
    except OSError:
        return False
