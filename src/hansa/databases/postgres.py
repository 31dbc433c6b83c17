"""A few connections to one PostgreSQL, opened when they are needed and again when they broke."""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Iterator
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from hansa.databases.postgres_errors import error_of
from hansa.databases.postgres_silence import Patient, Pulse, Silent
from hansa.errors import OperatorError, Unavailable

SIZE: Final = 8
WAIT_S: Final = 10.0
VERSION_MIN: Final = 140000
_SETTINGS: Final = {
    "connect_timeout": "5",
    "application_name": "hansa",
    "tcp_user_timeout": "5000",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "2",
}
"""A machine that is gone without a word is noticed within seconds. What the address says itself comes first."""
_SESSION: Final = """
    SELECT set_config('search_path', %s, false), set_config('lock_timeout', '10s', false),
        set_config('statement_timeout', '60s', false), set_config('idle_in_transaction_session_timeout', '10s', false),
        set_config('jit', 'off', false),
        set_config('synchronous_commit', CASE s WHEN 'off' THEN 'on' ELSE s END, false)
    FROM current_setting('synchronous_commit') s"""
"""A node that stands still in the middle of a change is not waited for: the others go on and it has changed nothing."""

Raw = psycopg.Connection[tuple[Any, ...]]


class Pool:
    """Connections in autocommit mode whose names are those of `schema`. Whatever thread asks, at most `SIZE` are out.

    Raises `OperatorError("database.address")` for an address that is none, and what `error_of` makes.
    """

    def __init__(self, url: str, schema: str) -> None:
        self._settings = {**_SETTINGS, **_parsed(url)}
        self._schema = schema
        self._pulse = Pulse(self._settings)
        self._idle: list[Raw] = []
        self._free = threading.Semaphore(SIZE)
        self._lock = threading.Lock()
        self._is_closed = False
        told = {name: str(self._settings.get(name) or "") for name in ("user", "host", "port", "dbname")}
        place = f"{told['host']}{told['port'] and ':'}{told['port']}/{told['dbname']}"
        self.name = f"PostgreSQL {place}"
        self.address = f"postgresql://{told['user']}{told['user'] and '@'}{place}"
        """Without the password."""

    def connect(self) -> Raw:
        """A connection of its own, for whoever closes it."""
        with self.translated():
            raw = Patient.open(self._settings, self._pulse.beats)
            try:
                check_version(self.name, raw.info.server_version)
                raw.execute(_SESSION, (self._schema,))
            except BaseException:
                raw.close()
                raise
            return raw

    @contextlib.contextmanager
    def use(self) -> Iterator[Raw]:
        """A connection that no other thread has meanwhile. One that broke while nobody had it is not given."""
        if not self._free.acquire(timeout=WAIT_S):
            message = f"{self.name}: all {SIZE} connections have been in use for {WAIT_S:g} s"
            raise Unavailable("store.busy", message, hint="Try again.")
        try:
            with self.translated():
                self._pulse.check()
            raw = self._taken() or self.connect()
            try:
                with self.translated():
                    yield raw
            finally:
                self._give_back(raw)
        finally:
            self._free.release()

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turns what the machine refuses into our errors; what is said of our own SQL stays as it is."""
        try:
            yield
        except psycopg.Error as failure:
            if isinstance(failure, Silent):
                self._close_idle()
            error = error_of(self.name, failure)
            if error is None:
                raise
            raise error from failure

    def close(self) -> None:
        """Closes what is idle now, and what is out when it comes back."""
        self._is_closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for raw in idle:
            raw.close()

    def _taken(self) -> Raw | None:
        while True:
            with self._lock:
                raw = self._idle.pop() if self._idle else None
            if raw is None or not _has_ended(raw):
                return raw
            raw.close()

    def _give_back(self, raw: Raw) -> None:
        is_whole = not raw.closed and raw.info.transaction_status is TransactionStatus.IDLE
        with self._lock:
            if is_whole and not self._is_closed:
                self._idle.append(raw)
                return
        raw.close()


def check_version(store: str, version: int) -> None:
    """Raises `OperatorError("store.old")` for a server that lacks what the registry uses."""
    if version < VERSION_MIN:
        message = f"{store} is version {version // 10000}; Hansa needs {VERSION_MIN // 10000} or newer"
        raise OperatorError("store.old", message, hint="Upgrade PostgreSQL, or name another server in HANSA_DATABASE.")


def _has_ended(raw: Raw) -> bool:
    """Whether a connection that nobody uses has something to say: that can only be its end. Asks nobody."""
    if raw.closed:
        return True
    poll = select.poll()
    poll.register(raw.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _parsed(url: str) -> dict[str, Any]:
    try:
        return {name: value for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.Error as failure:
        raise OperatorError(
            "database.address",
            f"HANSA_DATABASE cannot be read: {' '.join(str(failure).split())}",
            hint="It reads postgresql://USER:PASSWORD@HOST:PORT/DATABASE.",
        ) from failure
