"""PostgreSQL on loopback and on a socket in its folder; as root it runs as the user that Debian made for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from engines import install
from engines.process import LOOPBACK, Process, free_ports

TRIES: Final = 50


class PostgreSQL(Process):
    """`address` is a connection URI of a superuser."""

    ending = signal.SIGINT  # waits for no client

    def __init__(self, folder: Path, host: str = LOOPBACK) -> None:
        super().__init__(folder, person="postgres" if os.geteuid() == 0 else None)
        self._programs = install.postgresql()
        self._host, (self._port,) = host, free_ports(1, host)
        self.address = f"postgresql://postgres@{host}:{self._port}/postgres"
        self._data = folder / "data"
        self._data.mkdir()
        if self.person:
            shutil.chown(self._data, self.person)
        initdb = [str(self._programs / "initdb"), "-D", str(self._data), "-U", "postgres", "-A", "trust", "-N"]
        subprocess.run([*self.launcher(), *initdb, "-E", "UTF8"], capture_output=True, check=True, cwd=folder)
        with (self._data / "pg_hba.conf").open("a") as file:
            file.write("host all all samenet trust\n")

    def command(self) -> list[str]:
        listen = ["-h", self._host, "-p", str(self._port), "-k", str(self._data)]
        return [str(self._programs / "postgres"), "-D", str(self._data), *listen]

    def start(self) -> None:
        """As any server; one that was killed leaves processes that are about to end, and is waited for."""
        for _ in range(TRIES):
            try:
                return super().start()
            except RuntimeError:
                if "is still in use" not in self.output()[-1000:]:
                    raise
                time.sleep(0.1)
        return super().start()

    def pause(self) -> None:
        """Stops all its processes: each that serves a client is in a session of its own."""
        for pid in self._all():
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in self._all():
            os.kill(pid, signal.SIGCONT)

    def _all(self) -> list[int]:
        return [self.pid, *map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())]

    def is_ready(self) -> bool:
        asked = [str(self._programs / "pg_isready"), "-q", "-h", self._host, "-p", str(self._port)]
        return subprocess.run(asked, check=False).returncode == 0
