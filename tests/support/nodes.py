"""Several Hansas that share a log, a registry and bundles on the real engines."""

from __future__ import annotations

import contextlib
import secrets
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from server import Server


class Engines:
    """Where the engines are, and a name that nothing else there has."""

    def __init__(self, kafka: str, postgresql: str, s3: str) -> None:
        self.name = f"nodes{uuid.uuid4().hex[:8]}"
        self._kafka, self._s3 = kafka, urlsplit(s3)
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        self.database = f"{postgresql.rpartition('/')[0]}/{self.name}"
        self._pepper = secrets.token_hex(32)

    def environment(self, **more: str) -> dict[str, str]:
        """What a node is started with."""
        return {
            "HANSA_LOG": f"kafka://{self._kafka}/{self.name}",
            "HANSA_DATABASE": self.database,
            "HANSA_BLOBS": f"s3:/{self._s3.path}/{self.name}",
            "AWS_ENDPOINT_URL": f"http://{self._s3.hostname}:{self._s3.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self._s3.username or "",
            "AWS_SECRET_ACCESS_KEY": self._s3.password or "",
            "HANSA_PEPPER": self._pepper,
            "HANSA_SESSION_S": "2",
            "HANSA_SPARES": "1",
            **more,
        }


class Cluster:
    """The nodes `a`, `b`, …, each with a folder of its own."""

    def __init__(self, folder: Path, engines: Engines, count: int) -> None:
        self.engines = engines
        self.nodes = [self._node(folder / name, name) for name in "abcdefgh"[:count]]

    def _node(self, data: Path, name: str) -> Server:
        return Server(data, environment=self.engines.environment(HANSA_NODE=name))

    def owner(self) -> Server:
        """The node that owns the log."""
        with psycopg.connect(self.engines.database) as connection:
            (holder,) = connection.execute("SELECT holder FROM hansa_registry.lease WHERE name LIKE 'log:%'").fetchone() or ("",)
        return self.nodes["abcdefgh".index(holder.partition(" ")[0])]

    def close(self) -> None:
        for node in self.nodes:
            if node.process.poll() is None:
                node.stop()


@contextlib.contextmanager
def nodes(folder: Path, engines: Engines, count: int = 2) -> Iterator[Cluster]:
    """Nodes for the length of a block."""
    cluster = Cluster(folder, engines, count)
    try:
        yield cluster
    finally:
        cluster.close()
