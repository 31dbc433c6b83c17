"""The registry in a schema of a PostgreSQL database, which many nodes share."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from importlib.resources import files
from pathlib import Path
from typing import Final

from hansa.databases.postgres import Pool
from hansa.errors import HansaError
from hansa.registry.audit import START
from hansa.registry.interface import Registry
from hansa.registry.migration import migrations_in
from hansa.registry.postgres.access_copy import AccessCopy, account_of
from hansa.registry.postgres.database import PostgresDatabase
from hansa.registry.postgres.follower import Age, Follower
from hansa.registry.postgres.migrate import migrate
from hansa.registry.tables import RegistryTables
from hansa.registry.tables.audit import entries_after
from hansa.registry.tables.base import last_entry
from hansa.registry.tables.tokens import identities
from hansa.registry.values import AuditEntry, Identity, TriggerKey

SCHEMA: Final = "hansa_registry"
_PAGE: Final = 1000
_report = logging.getLogger("hansa.registry")


class _Replaced(Exception):
    """The audit does not go on from where it stood."""


class PostgresRegistry(RegistryTables, Registry):
    """A registry in the schema `schema` of the database that `url` names (libpq's URI or key words). Any number of
    processes may have it open; each keeps tokens, accounts and roles in memory and follows what the others change.

    Raises `OperatorError` (`database.address`, `store.newer`, `store.altered`, `store.old`), `Unavailable`
    (`store.unreachable`, `store.denied`, `store.missing`, `store.busy`, `store.full`, `store.read_only`).
    """

    def __init__(self, url: str, clock_us: Callable[[], int], *, schema: str = SCHEMA) -> None:
        self._pool = Pool(url, schema)
        super().__init__(PostgresDatabase(self._pool), clock_us)
        self._schema = schema
        self._catching_up = threading.RLock()
        self._copy, self._age = AccessCopy(()), Age()
        self._last = (0, START)
        try:
            self._open()
        except BaseException:
            self._pool.close()
            raise
        self._follower = Follower(self._pool, schema, self._catch_up)

    def _open(self) -> None:
        with self._pool.use() as raw:
            steps = migrations_in(files("hansa.registry.postgres") / "migrations")
            migrate(raw, self._pool.name, self._schema, steps)
        self._load()

    def _load(self) -> None:
        """Takes in all there is. The end of the audit is read first: what comes behind it is taken in again."""
        begun_s = time.monotonic()
        with self._database.use() as connection:
            self._last = last_entry(connection)
            self._copy = AccessCopy(identities(connection))
        self._paused = super().paused_triggers()
        self._access_epoch += 1
        self._age.known(begun_s)

    def identity(self, token: str) -> Identity | None:
        return self._copy.identity(token)

    def paused_triggers(self) -> frozenset[TriggerKey]:
        return self._paused

    def access_age_s(self) -> float:
        return self._age.seconds()

    def place(self) -> str:
        return self._pool.name

    def backup(self, target: Path) -> str | None:  # noqa: ARG002
        return f"pg_dump --schema={self._schema} --format=custom --file=registry.dump {self._pool.address}"

    def close(self) -> None:
        self._follower.close()
        self._database.close()

    def _changed(self, entry: AuditEntry) -> None:
        """The change stands, whatever happens from here on. Where it cannot be read again now, whoever it was about is
        let in no more until it can."""
        try:
            self._catch_up()
        except HansaError:
            with self._catching_up:
                self._take_in([account for account in (account_of(entry),) if account], ())
                self._tell()

    def _catch_up(self) -> None:
        """Takes in what was changed since the last time, by whoever; returns when it is in."""
        with self._catching_up:
            try:
                while self._take() == _PAGE:
                    pass
            except _Replaced:
                _report.warning("%s is another one than before: a copy, or a server that was behind", self.place())
                self._load()
                self._tell()

    def _take(self) -> int:
        """The next entries of the audit, and the last one again; how many. What they speak of is read behind them, so
        that it may be newer than they are and never older."""
        begun_s, (seq, digest) = time.monotonic(), self._last
        with self._database.use() as connection:
            entries = entries_after(connection, seq - 1, _PAGE)
            if seq and [entry.digest for entry in entries[:1]] != [digest]:
                raise _Replaced
            accounts = {account for entry in entries if entry.seq > seq and (account := account_of(entry))}
            where = f"WHERE t.account IN ({', '.join('?' * len(accounts))})"
            self._take_in(accounts, identities(connection, where, *accounts) if accounts else ())
        if any(entry.operation.startswith("trigger.") for entry in entries if entry.seq > seq):
            self._paused = super().paused_triggers()
        if len(entries) < _PAGE:
            self._age.known(begun_s)
        if entries and entries[-1].seq > seq:
            self._last = entries[-1].seq, entries[-1].digest
            self._tell()
        return len(entries)

    def _take_in(self, accounts: Collection[str], found: Iterable[Identity]) -> None:
        if accounts:
            self._copy.replace(accounts, found)
            self._access_epoch += 1
