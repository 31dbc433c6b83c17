"""Where a Hansa stands among others: which log it shares, what it is called, what it does there."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hansa.errors import OperatorError

ROLES: Final = ("api", "worker", "scheduler")
SESSION_S: Final = 5.0
_LOG: Final = re.compile(r"kafka://(?P<brokers>[^/\s]+)/(?P<name>[a-zA-Z0-9._-]{1,100})")
_PREFIX: Final = re.compile(r"[a-zA-Z0-9._-]{0,100}")


@dataclass(frozen=True, slots=True)
class Place:
    """`log` is `kafka://HOST:PORT,…/NAME`, or nothing for the file `log.db` of a Hansa that is alone. It listens
    at `listen`; other nodes reach it at `host`: at `port` as people do, and at `channel` while it owns the log (0 is
    any port). A node that has said nothing for `session_s` is lost. `roles`: *api* answers people and
    callers, *worker* works what the log brings, *scheduler* may own the log, and with it fires schedules and takes what
    is old enough."""

    log: str = ""
    node: str = ""
    roles: tuple[str, ...] = ROLES
    listen: str = "127.0.0.1"
    host: str = "127.0.0.1"
    port: int = 0
    channel: int = 0
    session_s: float = SESSION_S
    replication: int = 1
    kafka: tuple[tuple[str, str], ...] = ()
    topics: str | None = None
    """What stands before the names of the topics that ports are published to; None where they are not."""

    @property
    def is_shared(self) -> bool:
        """True where other nodes may share the log."""
        return bool(self.log)

    @property
    def url(self) -> str:
        """Where other nodes reach this one."""
        return f"http://{self.host}:{self.port}"

    def has(self, role: str) -> bool:
        """True where the node has the role."""
        return role in self.roles

    def kafka_log(self) -> tuple[dict[str, str], str]:
        """The settings of librdkafka, and the name of the log. Raises `OperatorError("log.address")`."""
        found = _LOG.fullmatch(self.log)
        if found is None:
            raise OperatorError(
                "log.address",
                f"HANSA_LOG is not an address of a log: {self.log!r}",
                hint="It reads kafka://HOST:PORT/NAME, with more brokers behind commas.",
            )
        return {"log_level": "2", **dict(self.kafka), "bootstrap.servers": found["brokers"]}, found["name"]


def place_from(environment: Mapping[str, str], host: str, port: int) -> Place:
    """The place that the environment names (`HANSA_LOG`, `HANSA_NODE`, `HANSA_ROLES`, `HANSA_ADVERTISE`,
    `HANSA_CHANNEL_PORT`, `HANSA_SESSION_S`, `HANSA_REPLICATION`, `HANSA_KAFKA_SETTINGS`, `HANSA_TOPICS`,
    `HANSA_TOPICS_PREFIX`), for a server that listens at `host` and `port`. Raises `OperatorError` (`node.roles`,
    `log.settings`, `topics.setting`)."""
    given = environment.get
    roles = tuple(role.strip() for role in given("HANSA_ROLES", ",".join(ROLES)).split(",") if role.strip())
    if not roles or set(roles) - set(ROLES):
        raise OperatorError(
            "node.roles", f"HANSA_ROLES is {given('HANSA_ROLES')!r}", hint=f"It has one or more of {', '.join(ROLES)}."
        )
    return Place(
        given("HANSA_LOG", ""),
        given("HANSA_NODE") or f"{socket.gethostname()}:{port}",
        roles,
        host,
        given("HANSA_ADVERTISE") or host,
        port,
        int(given("HANSA_CHANNEL_PORT", "0")),
        float(given("HANSA_SESSION_S", str(SESSION_S))),
        int(given("HANSA_REPLICATION", "1")),
        tuple(settings_in(given("HANSA_KAFKA_SETTINGS", ""))),
        _topics(given("HANSA_TOPICS", "on"), given("HANSA_TOPICS_PREFIX", ""), given("HANSA_LOG", "")),
    )


def _topics(whether: str, prefix: str, log: str) -> str | None:
    name = log.rpartition("/")[2]
    if whether not in ("on", "off"):
        raise OperatorError("topics.setting", f"HANSA_TOPICS is {whether!r}", hint="It is on or off.")
    if not _PREFIX.fullmatch(prefix) or (name and prefix.replace("_", ".").startswith(f"{name.replace('_', '.')}.")):
        raise OperatorError(
            "topics.setting",
            f"HANSA_TOPICS_PREFIX is {prefix!r}",
            hint="It has at most 100 letters, digits and . _ -, and does not begin with the log's name and a dot.",
        )
    return prefix if whether == "on" else None


def settings_in(file: str) -> list[tuple[str, str]]:
    """The settings of librdkafka in a file of lines `name=value`, as Kafka's own tools take them; nothing where no file
    is named. Raises `OperatorError("log.settings")`."""
    if not file:
        return []
    try:
        lines = Path(file).read_text("utf-8").splitlines()
    except OSError as failure:
        raise OperatorError(
            "log.settings", f"HANSA_KAFKA_SETTINGS, {file}: {failure.strerror}", hint="Name a file of lines name=value."
        ) from failure
    pairs = [line.partition("=") for line in map(str.strip, lines) if line and not line.startswith("#")]
    wrong = [name for name, equals, _ in pairs if not equals]
    if wrong:
        raise OperatorError("log.settings", f"{file}: {wrong[0]!r} has no value", hint="A line reads name=value.")
    return [(name.strip(), value.strip()) for name, _, value in pairs]
