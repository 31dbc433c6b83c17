"""Views in PostgreSQL that two processes could write: one does, the other tells, and takes over when it is gone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from view_stores import Stores

from hansa.discovery.events import EventsView
from hansa.discovery.lineage import LineageView
from hansa.discovery.runs import RunsView
from hansa.eventlog.interface import Append, CommitSet, TopicConfig, encode_entry
from hansa.eventlog.sqlite import SqliteLog
from hansa.model.run import RunEntry
from hansa.testing.log_bench import Bench
from hansa.views.group import ViewGroup

SCRIPT = Path(__file__).parent / "views_keeper.py"
HOLDER = """SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objid = hashtext(%s)::bigint::bit(32)::bigint"""
TAKEN_S = 20.0


class Keeper:
    """One of the processes; `cursors` is what it said last, `at_s` when."""

    def __init__(self, name: str, folder: Path, address: str, schema: str) -> None:
        self.name = name
        command = [sys.executable, str(SCRIPT), str(folder), f"{address}?application_name={name}", schema]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.cursors: list[str] = []
        self.at_s = 0.0
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.cursors, self.at_s = json.loads(line), time.monotonic()

    def hurry(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._reading.join()


class Pair:
    """A log, and two that keep its views."""

    def __init__(self, folder: Path, address: str) -> None:
        self.address, self.schema = address, f"test_{uuid.uuid4().hex[:12]}_views"
        self.bench = Bench(lambda clock_us: SqliteLog(folder, clock_us=clock_us))
        for topic in ("_runs", "_events"):
            self.bench.log.declare(topic, TopicConfig())
        self.folder = folder
        self.keepers = {name: Keeper(name, folder, address, self.schema) for name in ("first", "second")}
        self.count = 0

    def write(self, runs: int = 5) -> str:
        """Commits runs and tells who keeps the views, as the servers of two nodes do; the token behind them."""
        for _ in range(runs):
            self.count += 1
            entry = RunEntry(f"run-{self.count}", "succeeded", "ops.flights", "abc", "load", accepted_us=self.count,
                             finished_us=self.count, writes=[("ops.flights/clean@1", 2)])  # fmt: skip
            self.bench.write(CommitSet((Append("_runs", 0, 1, encode_entry(entry.id, entry), {}),)))
        for keeper in self.keepers.values():
            keeper.hurry()
        return self.bench.log.now()

    def holder(self) -> Keeper:
        end = time.monotonic() + TAKEN_S
        with closing(psycopg.connect(self.address, autocommit=True)) as db:
            while (row := db.execute(HOLDER, (self.schema,)).fetchone()) is None:
                assert time.monotonic() < end, "nobody took the views"
                time.sleep(0.02)
        return self.keepers[row[0]]

    def other(self) -> Keeper:
        (found,) = set(self.keepers.values()) - {self.holder()}
        return found

    def reached(self, keeper: Keeper, token: str) -> float:
        """Waits until a keeper says that it shows the token; when it said so."""
        end = time.monotonic() + TAKEN_S
        while keeper.cursors != [token] * 3:
            assert time.monotonic() < end, (keeper.name, keeper.cursors, token)
            time.sleep(0.005)
        return keeper.at_s

    def rows(self, stores: Stores) -> tuple[list[object], list[object]]:
        """What stands in PostgreSQL, and what a view that is built anew comes to."""
        fresh = ViewGroup(self.bench.log, stores.open(), [RunsView(), EventsView(), LineageView()])
        while fresh.advance():
            pass
        found = []
        for place in (f"{self.schema}.", ""):
            with closing(psycopg.connect(self.address)) as db, fresh.store.reading() as made:
                found.append(
                    [
                        tuple(row)
                        for table in ("run", "lineage_edge")
                        for row in (db if place else made).execute(
                            f"SELECT * FROM {place}{table} ORDER BY 1, 2, 3, 4, 5"
                        )
                    ]
                )
        return found[0], found[1]

    def close(self) -> None:
        for keeper in self.keepers.values():
            keeper.close()
        self.bench.log.stop()
        with closing(psycopg.connect(self.address, autocommit=True)) as db:
            db.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")


@pytest.fixture
def pair(postgresql_address: str, tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path / "log", postgresql_address)
    yield pair
    pair.close()


@pytest.fixture
def stores(postgresql_address: str, tmp_path: Path) -> Iterator[Stores]:
    stores = Stores("postgresql", tmp_path, postgresql_address)
    yield stores
    stores.close()


def test_who_waits_tells_what_the_other_wrote(pair: Pair) -> None:
    pair.holder()
    for _ in range(5):
        token = pair.write()
        for keeper in pair.keepers.values():
            pair.reached(keeper, token)


def test_one_that_was_killed_is_replaced(pair: Pair, stores: Stores) -> None:
    pair.reached(pair.holder(), pair.write())
    first, second = pair.holder(), pair.other()
    pair.write(200)
    first.send(signal.SIGKILL)
    begun_s = time.monotonic()
    del pair.keepers[first.name]
    token = pair.write()
    took_s = pair.reached(second, token) - begun_s
    assert took_s < 10, f"{took_s:.1f} s"
    stood, made = pair.rows(stores)
    assert stood == made
    first.close()


def test_one_that_stands_still_is_replaced_and_harms_nothing_when_it_wakes(pair: Pair, stores: Stores) -> None:
    pair.reached(pair.holder(), pair.write())
    first, second = pair.holder(), pair.other()
    pair.write(200)
    first.send(signal.SIGSTOP)
    pair.reached(second, pair.write())
    first.send(signal.SIGCONT)
    token = pair.write()
    for keeper in (first, second):
        pair.reached(keeper, token)
    assert pair.holder() is second
    stood, made = pair.rows(stores)
    assert stood == made
