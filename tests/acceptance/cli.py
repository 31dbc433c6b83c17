"""The command `hansa` as a process of its own, against a running server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from server import Server

COMMAND = [sys.executable, "-c", "from hansa.cli import main; main()"]
PATIENCE_S = 20.0


class Cli:
    """Commands given in `folder`; by variables they talk to `server`, unless other `variables` are given."""

    def __init__(self, server: Server, folder: Path, **variables: str) -> None:
        self.folder = folder
        told = variables or {"HANSA_URL": server.url, "HANSA_TOKEN": server.token}
        home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "PYTHONUNBUFFERED": "1"}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HANSA_")}
        self._environment = {**clean, **home, **told}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What a command prints, told and beside; it must end with `code`."""
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=self.folder, env=self._environment, text=True, capture_output=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def json(self, *arguments: str) -> Any:
        """What a command answers to a program."""
        done = subprocess.run(
            [*COMMAND, *arguments, "--json"], cwd=self.folder, env=self._environment, text=True, capture_output=True,
            timeout=60, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def following(self, *arguments: str) -> Iterator[Follower]:
        """A command that runs on, until the end of the block."""
        process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=self.folder, env=self._environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        follower = Follower(process)
        try:
            yield follower
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)
            follower.close()


class Follower:
    """What a running command has printed so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.process = process
        self._out = process.stdout
        os.set_blocking(self._out.fileno(), False)
        self.text = ""

    def until(
        self, wanted: str, timeout_s: float = PATIENCE_S, *, meanwhile: Callable[[], object] = lambda: None
    ) -> str:
        """All that was printed, once `wanted` is in it; `meanwhile` is done again and again until then."""
        end = time.monotonic() + timeout_s
        while wanted not in self.text:
            assert time.monotonic() < end, f"no {wanted!r} in:\n{self.text}"
            with contextlib.suppress(BlockingIOError):
                self.text += os.read(self._out.fileno(), 1 << 20).decode()
            meanwhile()
            time.sleep(0.02)
        return self.text

    def close(self) -> None:
        self._out.close()
