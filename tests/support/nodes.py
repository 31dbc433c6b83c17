"""Several Hansas that share a log, a registry and bundles on the real engines."""

from __future__ import annotations

import contextlib
import random
import secrets
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from audit import Books
from psycopg import sql
from server import Server

from hansa.eventlog.kafka import KafkaLog

SESSION_S = 2


class Engines:
    """Where the engines are, and a name that nothing else there has."""

    def __init__(self, kafka: str, postgresql: str, s3: str) -> None:
        self.name = f"nodes{uuid.uuid4().hex[:8]}"
        self._addresses = kafka, postgresql, s3
        self.kafka, self._s3 = kafka, urlsplit(s3)
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        self.database = f"{postgresql.rpartition('/')[0]}/{self.name}"
        self._pepper = secrets.token_hex(32)

    def another(self) -> Engines:
        """The same engines for other nodes."""
        return Engines(*self._addresses)

    def environment(self, **more: str) -> dict[str, str]:
        """What a node is started with."""
        return {
            "HANSA_LOG": f"kafka://{self.kafka}/{self.name}",
            "HANSA_DATABASE": self.database,
            "HANSA_BLOBS": f"s3:/{self._s3.path}/{self.name}",
            "AWS_ENDPOINT_URL": f"http://{self._s3.hostname}:{self._s3.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self._s3.username or "",
            "AWS_SECRET_ACCESS_KEY": self._s3.password or "",
            "HANSA_PEPPER": self._pepper,
            "HANSA_SESSION_S": str(SESSION_S),
            "HANSA_SPARES": "1",
            "HANSA_TOPICS_PREFIX": f"{self.name}-",
            **more,
        }


class Cluster:
    """The nodes `a`, `b`, …, each with a folder of its own; `each` says what one of them is started with, as
    `Server` takes it, beside what all have."""

    session_s = SESSION_S

    def __init__(
        self,
        folder: Path,
        engines: Engines,
        count: int,
        each: Mapping[str, Mapping[str, Any]] | None = None,
        **environment: str,
    ) -> None:
        self.engines, self._environment, self._each = engines, environment, each or {}
        self.nodes = [self._node(folder / name, name) for name in "abcdefgh"[:count]]

    def _node(self, data: Path, name: str) -> Server:
        own = dict(self._each.get(name, {}))
        environment = {"HANSA_NODE": name, **self._environment, **own.pop("environment", {})}
        return Server(data, environment=self.engines.environment(**environment), **own)

    def owner(self) -> Server:
        """The node that owns the log."""
        with psycopg.connect(self.engines.database) as connection:
            (holder,) = connection.execute(
                "SELECT holder FROM hansa_registry.lease WHERE name LIKE 'log:%'"
            ).fetchone() or ("",)
        return self.nodes["abcdefgh".index(holder.partition(" ")[0])]

    @property
    def url(self) -> str:
        """Any node that is there: what somebody asks who does not care which."""
        return random.choice([node for node in self.nodes if node.process.poll() is None] or self.nodes).url

    @property
    def token(self) -> str:
        return self.nodes[0].token

    def books(self) -> Books:
        """What stands in the log, once all nodes have ended."""
        settings = {"bootstrap.servers": self.engines.kafka, "log_level": 2}
        return Books(KafkaLog(settings, self.engines.name))

    def close(self) -> None:
        for node in self.nodes:
            if node.process.poll() is None:
                node.stop()


@contextlib.contextmanager
def nodes(folder: Path, engines: Engines, count: int = 2, **more: Any) -> Iterator[Cluster]:
    """Nodes for the length of a block; `more` as `Cluster` takes it: variables beside those that all have."""
    cluster = Cluster(folder, engines, count, **more)
    try:
        yield cluster
    finally:
        cluster.close()
