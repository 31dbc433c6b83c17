"""DBOS: durable execution as a library on PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.environment import BENCH, Say, Unavailable, package_versions, python_environment
from benchmarks.peers.echo import uvicorn_command
from benchmarks.peers.peer import Peer, Request
from benchmarks.server import HOST, Server, free_port

DATA = BENCH / "data" / "postgres"
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")


class Dbos(Peer):
    """A workflow of two recorded steps in one process, behind a raw ASGI application on uvicorn."""

    name = "dbos"
    durability = "every step, a row each; PostgreSQL with fsync=on, synchronous_commit=on"

    def install(self, say: Say) -> None:
        self._python = python_environment(self.name, ["dbos", "uvicorn", "uvloop", "httptools"], say)
        self._postgres = _newest_postgres()

    def version(self) -> str:
        postgres = subprocess.check_output([self._program("postgres"), "--version"], text=True).strip()
        return f"{package_versions(self._python, 'dbos', 'uvicorn')}, {postgres}"

    def launch(self, port: int) -> Server:
        database_port = free_port()
        self._launch_postgres(database_port)
        command = uvicorn_command(self._python, "benchmarks.served.order_dbos:application", port)
        database = f"postgresql://postgres@{HOST}:{database_port}/orders"
        return self.keep(Server(self.name, command, environment={"DBOS_SYSTEM_DATABASE_URL": database}))

    def request(self) -> Request:
        return Request("/")

    def _launch_postgres(self, port: int) -> None:
        """Start an empty PostgreSQL; as the user `postgres` when this is root, as it refuses to serve root."""
        user = "postgres" if os.geteuid() == 0 else None
        shutil.rmtree(DATA, ignore_errors=True)
        DATA.mkdir(parents=True)
        if user is not None:
            shutil.chown(DATA, user)
        initialise = [self._program("initdb"), "--pgdata", str(DATA), "--username", "postgres", "--auth", "trust"]
        subprocess.run(initialise, user=user, cwd=DATA, stdout=subprocess.DEVNULL, timeout=60, check=True)
        settings = ["-c", "unix_socket_directories=", "-c", "fsync=on", "-c", "synchronous_commit=on"]
        command = [self._program("postgres"), "-D", str(DATA), "-h", HOST, "-p", str(port), *settings]
        server = self.keep(Server("postgres", command, folder=DATA, user=user))
        is_ready = [self._program("pg_isready"), "--quiet", "--host", HOST, "--port", str(port)]
        server.wait_until(lambda: subprocess.run(is_ready, check=False).returncode == 0)

    def _program(self, name: str) -> str:
        return str(self._postgres / name)


def _newest_postgres() -> Path:
    """The folder of PostgreSQL's programs; raises `Unavailable` without one."""
    folders = sorted(DEBIAN_POSTGRES.glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if not folders:
        raise Unavailable(f"No PostgreSQL under {DEBIAN_POSTGRES}; install it with: apt-get install postgresql")
    return folders[-1]
