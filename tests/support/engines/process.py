"""A server program with its data in a folder: started, paused, killed, started again on the same address."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Final

START_S: Final = 90.0
STOP_S: Final = 20.0
LOOPBACK: Final = "127.0.0.1"


class Process(ABC):
    """`address` stays the same over restarts. Everything it writes is in `folder`, its output in `folder/output`.

    It ends with the thread that started it, so that nothing is left running when a test session is killed.
    """

    address: str
    ending: signal.Signals = signal.SIGTERM
    """What asks it to end."""

    def __init__(self, folder: Path, *, person: str | None = None) -> None:
        self.folder = folder
        self.person = person
        self._process: Any = None

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def is_ready(self) -> bool:
        """True once it does its work."""

    def launcher(self) -> list[str]:
        """What stands before its programs: they run as `person` and end with this thread."""
        person = [f"--reuid={self.person}", f"--regid={self.person}", "--clear-groups"] if self.person else []
        return ["setpriv", *person, "--pdeathsig=KILL"]

    @property
    def pid(self) -> int:
        """The process that was started last."""
        return int(self._process.pid)

    def start(self) -> None:
        """Starts it and waits until it is ready. Raises `RuntimeError` with its output where it is not in time."""
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [*self.launcher(), *self.command()],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + START_S
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"{type(self).__name__} did not start:\n{self.output()[-3000:]}")
            time.sleep(0.05)

    def output(self) -> str:
        """What it has printed."""
        return (self.folder / "output").read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL to it and all that it started."""
        if self.is_running:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(STOP_S)

    def stop(self) -> None:
        """Asks it to end, and kills it where it does not."""
        if self.is_running:
            self._process.send_signal(self.ending)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
            self.kill()

    def pause(self) -> None:
        """SIGSTOP: it answers nothing until `resume`."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.killpg(self.pid, signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        """True until it has ended, whoever ended it."""
        return self._process is not None and self._process.poll() is None


def scratch(name: str) -> Path:
    """A folder for a server's data that other users may enter."""
    folder = Path(tempfile.mkdtemp(prefix=f"hansa-{name}-"))
    folder.chmod(0o755)
    return folder


def removed(folder: Path) -> None:
    """Removes what `scratch` made."""
    shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int, host: str = LOOPBACK) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for bound in sockets:
            bound.bind((host, 0))
        return [bound.getsockname()[1] for bound in sockets]


def answers(port: int, host: str = LOOPBACK) -> bool:
    """True where somebody listens on the port."""
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex((host, port)) == 0
