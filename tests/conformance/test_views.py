"""What every view must do, for each of Hansa's views, over each log: be a function of the log, and of nothing else."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from view_stores import Stores

from hansa.discovery.events import Event, EventsView
from hansa.discovery.lineage import LineageView
from hansa.discovery.runs import RunsView
from hansa.eventlog.interface import Append, CommitSet, Log, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.eventlog.sqlite import SqliteLog
from hansa.model.run import KEEPING_TOPIC, RunEntry, RunError, without_content
from hansa.testing.log_bench import Bench, entries
from hansa.views.database import Connection
from hansa.views.group import ViewGroup
from hansa.views.interface import View
from hansa.views.keeping import Forget, Prune, Rebuild, order_append
from hansa.views.projector import Projector
from hansa.views.table import Table

VIEWS: list[type[View]] = [RunsView, EventsView, LineageView]


def entries_of_a_run(rng: random.Random, n: int) -> list[RunEntry]:
    """The entries of one run in order: some are accepted first, some fail, some are children of earlier ones."""
    accepted = 1_700_000_000_000_000 + n * 400_000_000
    process = f"p{rng.randrange(3)}"
    parent = f"run-{rng.randrange(max(n, 1)):04d}" if rng.random() < 0.3 else None
    common = RunEntry(
        f"run-{n:04d}", "accepted", "ops.flights", "abc", process, trigger="call" if parent else "http", parent=parent,
        accepted_us=accepted, payload=b"\x01",
    )  # fmt: skip
    failed = rng.random() < 0.2
    final = RunEntry(
        common.id, "failed" if failed else "succeeded", common.product, "abc", process, trigger=common.trigger,
        parent=parent, accepted_us=accepted, started_us=accepted + 5, finished_us=accepted + 50,
        payload=b"" if n % 2 else b"\x01", error=RunError("a.b", "broke") if failed else None,
        reads=[("ops.flights/raw@1", 0, n, n + 2)], writes=[("ops.flights/clean@1", 2)], output="printed",
    )  # fmt: skip
    return [common, final] if n % 2 else [final]


def events_of_a_run(rng: random.Random, n: int) -> list[Event]:
    at = 1_700_000_000_000_000 + n * 400_000_000
    return [
        Event(f"event-{n}-{seq}", rng.choice("AB"), f"s{rng.randrange(5)}", f"t{n % 7}", {"n": seq}, at, f"run-{n:04d}",
              "ops.flights", "p0", "emit", "abc", "ann", seq)
        for seq in range(rng.randrange(3))
    ]  # fmt: skip


def history(seed: int, runs: int) -> Iterator[CommitSet]:
    """What a log might hold; the final entry of a run may come long after its first one."""
    rng = random.Random(seed)
    waiting: list[RunEntry] = []
    for n in range(runs):
        first, *later = entries_of_a_run(rng, n)
        waiting += later
        all_of = [first, *(waiting.pop(rng.randrange(len(waiting))) for _ in range(rng.randrange(2)) if waiting)]
        events = events_of_a_run(rng, n)
        yield CommitSet(
            (
                Append("_runs", 0, len(all_of), b"".join(encode_entry(e.id, e) for e in all_of), {}),
                Append("_events", 0, len(events), b"".join(encode_entry(e.source, e) for e in events), {}),
            )
        )


def rows_of(db: Connection, table: Table, columns: Iterable[str]) -> list[Any]:
    by = ", ".join([*table.key, *table.unique])
    rows = db.execute(f"SELECT {', '.join(columns)} FROM {table.name} ORDER BY {by}")
    return [tuple(row) for row in rows]


def dump(db: Connection, view: View) -> list[str]:
    """Every row of a view's tables, as it stands."""
    return [repr(row) for table in view.tables for row in rows_of(db, table, table.columns)]


def dump_of(group: ViewGroup, view: View) -> list[str]:
    with group.store.reading() as db:
        return dump(db, view)


def content_of(group: ViewGroup, view: View) -> list[str]:
    """All rows without the number that only their table gave them and without the place of payloads that are gone."""
    with group.store.reading() as db:
        rows: list[str] = []
        for table in view.tables:
            kept = [name for name in table.columns if name != "seq" and not name.startswith("payload_")]
            rows += sorted(repr(row) for row in rows_of(db, table, kept))
        return rows


def settle(group: ViewGroup) -> None:
    while group.advance():
        pass


LOGS: dict[str, Callable[[Path], Callable[[Callable[[], int]], Log]]] = {
    "memory": lambda folder: lambda clock_us: MemoryLog(clock_us=clock_us),
    "sqlite": lambda folder: lambda clock_us: SqliteLog(folder / "log", clock_us=clock_us),
}


@pytest.fixture(params=LOGS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(LOGS[request.param](tmp_path))
    for topic in ("_runs", "_events", KEEPING_TOPIC):
        bench.log.declare(topic, TopicConfig())
    yield bench
    bench.log.stop()


@pytest.mark.parametrize("view", VIEWS)
def test_the_size_of_the_batches_makes_no_difference(bench: Bench, view: type[View], stores: Stores) -> None:
    step_by_step = ViewGroup(bench.log, stores.open("a"), [view()])
    for commit in history(1, 60):
        bench.write(commit)
        settle(step_by_step)
    at_once = ViewGroup(bench.log, stores.open("fresh"), [view()])
    settle(at_once)
    assert len(dump_of(at_once, view())) > 20
    assert dump_of(step_by_step, view()) == dump_of(at_once, view())
    step_by_step.close()
    at_once.close()


@pytest.mark.parametrize("view", VIEWS)
def test_rebuilding_gives_the_same_rows(bench: Bench, view: type[View], stores: Stores) -> None:
    group = ViewGroup(bench.log, stores.open("views"), [v() for v in VIEWS])
    bench.write(*history(2, 60))
    settle(group)
    before = dump_of(group, view())
    bench.write(CommitSet((order_append(Rebuild(view.name)),)))
    settle(group)
    assert dump_of(group, view()) == before != []
    group.close()


@pytest.mark.parametrize("view", [RunsView, EventsView])
def test_rebuilding_gives_the_same_after_what_was_kept_and_forgotten(
    bench: Bench, view: type[View], stores: Stores
) -> None:
    """Retention and forgetting change log and view by different ways: they must meet."""
    group = ViewGroup(bench.log, stores.open("views"), [view()])
    bench.write(*history(6, 80))
    settle(group)
    runs = [f"run-{n:04d}" for n in range(30, 60, 3)]
    forget = Forget(1, runs, [f"event-{n}-{seq}" for n in range(30, 60, 3) for seq in range(3)])
    for topic, kind, ids in (("_runs", RunEntry, forget.runs), ("_events", Event, forget.events)):
        bodies = {}
        for entry in entries(bench.log, topic):
            found = msgspec.msgpack.decode(entry.body, type=kind)
            if found.id in ids:
                blank = without_content(found) if isinstance(found, RunEntry) else replace(found, payload=None)
                bodies[entry.position] = msgspec.msgpack.encode(blank)
        assert len(bodies) > 5
        bench.log.erase(topic, 0, bodies)
        first = bench.log.trim(topic, 0, 20)
        bench.write(CommitSet((order_append(Prune(topic, 0, first)),)))
    bench.write(CommitSet((order_append(forget),)))
    settle(group)
    fresh = ViewGroup(bench.log, stores.open("fresh"), [view()])
    settle(fresh)
    before, after = content_of(group, view()), content_of(fresh, view())
    assert len(after) > 20
    assert before == after
    group.close()
    fresh.close()


def test_a_row_written_is_read_by_its_token(bench: Bench, stores: Stores) -> None:
    group = ViewGroup(bench.log, stores.open("views"), [view() for view in VIEWS])
    projector = Projector(bench.log.covers, [group])
    projector.start()
    for commit in history(3, 20):
        (done,) = bench.write(commit)
        projector.wait(done.token, 10, "runs")
        with group.store.reading() as db:
            last = bench.log.bounds("_runs", 0)[1] - 1
            assert db.execute("SELECT MAX(position) FROM run").fetchone() == (last,)
    projector.stop()


@pytest.mark.parametrize("view", VIEWS)
def test_forgotten_entries_are_passed_over(bench: Bench, view: type[View], stores: Stores) -> None:
    bench.write(
        CommitSet(
            (
                Append("_runs", 0, 1, encode_entry("r", entries_of_a_run(random.Random(0), 0)[0]), {"subject": "bo"}),
                Append("_events", 0, 1, encode_entry("s", Event("e", "A", "s", "t")), {"subject": "bo"}),
            )
        )
    )
    bench.write(CommitSet(forgets=("bo",)))
    group = ViewGroup(bench.log, stores.open(), [view()])
    settle(group)
    assert group.statuses()[0].error is None
    assert dump_of(group, view()) == []
    group.close()


FOLLOWER = """
import sys, time
from pathlib import Path
from hansa.discovery.events import EventsView
from hansa.discovery.lineage import LineageView
from hansa.discovery.runs import RunsView
from hansa.eventlog.sqlite import SqliteLog
from hansa.views import group
from hansa.views.group import ViewGroup
from hansa.views.postgres import PostgresDatabase
from hansa.views.sqlite import SqliteDatabase

group._BATCH_BYTES = 1
store = eval(sys.argv[2])
while store.hold() is None:
    time.sleep(0.005)
found = ViewGroup(SqliteLog(Path(sys.argv[1]) / "log"), store, [RunsView(), EventsView(), LineageView()])
print("begun", flush=True)
while found.advance():
    pass
"""


def test_a_process_killed_between_log_and_view_leaves_nothing_out(tmp_path: Path, lasting: Stores) -> None:
    bench = Bench(lambda clock_us: SqliteLog(tmp_path / "log", clock_us=clock_us))
    for topic in ("_runs", "_events"):
        bench.log.declare(topic, TopicConfig())
    for n, commit in enumerate(history(4, 400)):
        bench.now_us += 1 + n % 3
        bench.write(commit)
    bench.log.stop()
    rng, killed = random.Random(5), 0
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", FOLLOWER, str(tmp_path), lasting.source()], stdout=subprocess.PIPE
        )
        with contextlib.closing(child.stdout) as begun:  # type: ignore[type-var]
            assert begun is not None
            assert begun.readline() == b"begun\n"
            time.sleep(rng.random() * 0.02)
            child.send_signal(signal.SIGKILL)
            killed += child.wait() == -signal.SIGKILL
    assert killed > 0
    bench.reopen()
    survivor, fresh = (ViewGroup(bench.log, lasting.open(name), [v() for v in VIEWS]) for name in ("views", "fresh"))
    settle(survivor)
    settle(fresh)
    for view in VIEWS:
        assert dump_of(survivor, view()) == dump_of(fresh, view())
    survivor.close()
    fresh.close()
    bench.log.stop()
