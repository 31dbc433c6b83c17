"""The history of runs: what is found, in which order, and what the log adds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from view_stores import Stores

from hansa.discovery.runs import IndexedEntry, RunHistory, RunQuery, RunsView
from hansa.errors import CallerError
from hansa.eventlog.interface import Append, CommitSet, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.model.run import CARRIED, FORGOTTEN, KEEPING_TOPIC, LogicRun, RunEntry, RunError
from hansa.testing.log_bench import Bench
from hansa.views.group import ViewGroup
from hansa.views.keeping import Forget, Order, Prune, order_append


class Desk:
    """A log, its runs and the questions."""

    def __init__(self, stores: Stores) -> None:
        self.bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
        self.bench.log.declare("_runs", TopicConfig())
        self.group = ViewGroup(self.bench.log, stores.open(), [RunsView()])
        self.history = RunHistory(self.group.store, self.bench.log)

    def add(self, run: str, state: str = "succeeded", at: int = 100, **more: Any) -> RunEntry:
        given = {"product": "ops.flights", "revision": "abc", "process": "load", "finished_us": at + 7} | more
        entry = RunEntry(run, state, accepted_us=at, started_us=at + 2, **given)
        self.bench.write(CommitSet((Append("_runs", 0, 1, encode_entry(run, entry), {"run": run}),)))
        while self.group.advance():
            pass
        return entry

    def order(self, *orders: Order) -> None:
        self.bench.log.declare(KEEPING_TOPIC, TopicConfig())
        self.bench.write(CommitSet((order_append(*orders),)))
        while self.group.advance():
            pass

    def dead(self, run: str) -> RunEntry:
        return msgspec.structs.replace(self.history.detail(run), state="failed", dead=True)

    def find(self, **query: Any) -> list[str]:
        return [run.id for run in self.history.find(RunQuery(**query)).runs]


@pytest.fixture
def desk(stores: Stores) -> Iterator[Desk]:
    desk = Desk(stores)
    yield desk
    desk.group.close()
    desk.bench.log.stop()


def test_the_index_decodes_the_fields_of_an_entry_in_their_order() -> None:
    indexed_fields = IndexedEntry.__struct_fields__
    assert indexed_fields == RunEntry.__struct_fields__[: len(indexed_fields)]
    entry = RunEntry("r", "failed", "a.b", "c", "p", error=RunError("x.y", "no"), writes=[("a.b/c@1", 3)], dead=True)
    indexed = msgspec.msgpack.decode(msgspec.msgpack.encode(entry), type=IndexedEntry)
    assert (indexed.id, indexed.dead, indexed.dry, indexed.replay_of) == ("r", True, False, None)


def test_an_entry_of_an_older_hansa_with_fewer_fields_is_taken() -> None:
    assert (
        msgspec.msgpack.decode(msgspec.msgpack.encode(["r", "failed", "a.b", "c", "p"]), type=IndexedEntry).dead
        is False
    )


def test_runs_come_newest_first_by_acceptance(desk: Desk) -> None:
    for run, at in (("b", 200), ("a", 100), ("d", 300), ("c", 300)):
        desk.add(run, at=at)
    assert desk.find() == ["c", "d", "b", "a"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"product": "ops.flights"}, ["late", "child", "ok"]),
        ({"product": "ops.weather", "process": "load"}, ["other"]),
        ({"process": "ops.weather:load"}, ["other"]),
        ({"process": "clean"}, ["child"]),
        ({"state": "failed"}, ["other", "child"]),
        ({"state": "succeeded"}, ["late", "ok"]),
        ({"trigger": "call"}, ["child"]),
        ({"principal": "people/ann"}, ["ok"]),
        ({"parent": "ok"}, ["child"]),
        ({"dead": True}, ["other"]),
        ({"dead": False, "state": "failed"}, ["child"]),
        ({"since_us": 200, "until_us": 400}, ["other", "child"]),
        ({"text": "NO SEAT"}, ["child"]),
        ({"text": "seat.taken"}, ["child"]),
        ({"text": "100%"}, ["ok"]),
        ({"text": "1_0"}, []),
    ],
)
def test_a_filter_keeps_what_fits(desk: Desk, query: dict[str, Any], found: list[str]) -> None:
    desk.add("ok", at=100, principal="people/ann", output="done 100%")
    desk.add(
        "child", "failed", 200, process="clean", parent="ok", trigger="call", error=RunError("seat.taken", "no seat")
    )
    desk.add("other", "failed", 300, product="ops.weather", dead=True)
    desk.add("late", at=400)
    assert desk.find(**query) == found


def test_pages_follow_one_another_without_gap_or_repetition(desk: Desk) -> None:
    for n in range(25):
        desk.add(f"r{n:02d}", at=100 + n // 4)
    seen: list[str] = []
    after = None
    for size in (10, 10, 5):
        page = desk.history.find(RunQuery(size=size, after=after))
        assert len(page.runs) == size
        seen += [run.id for run in page.runs]
        after = page.next
    assert after is None
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 25


@pytest.mark.parametrize("query", [{"size": 0}, {"size": 1001}, {"state": "done"}, {"after": "x"}, {"after": "kQE"}])
def test_a_query_that_cannot_be_is_refused(desk: Desk, query: dict[str, Any]) -> None:
    with pytest.raises(CallerError) as refused:
        desk.find(**query)
    assert refused.value.code == "query.malformed"


def test_a_later_entry_replaces_all_but_the_payload(desk: Desk) -> None:
    desk.add("r", "accepted", payload=b"given", finished_us=0)
    assert desk.history.summary("r").duration_us is None
    desk.add("r", "failed", error=RunError("a.b", "broke"), logic=[LogicRun("clean", "failed", 5)], attempt=2)
    last = desk.add("r", "succeeded", attempt=3, result=b"made", writes=[("ops.flights/x@1", 4)])
    assert desk.history.detail("r") == msgspec.structs.replace(last, payload=b"given")
    summary = desk.history.summary("r")
    assert (summary.state, summary.attempt, summary.error_code, summary.duration_us) == ("succeeded", 3, None, 5)
    assert desk.find() == ["r"]


def test_an_entry_amid_a_chunk_is_found_in_the_log(desk: Desk) -> None:
    entries = [RunEntry(f"r{n}", "succeeded", "a.b", "c", "p", payload=bytes([n])) for n in range(5)]
    body = b"".join(encode_entry(e.id, e) for e in entries)
    desk.bench.write(CommitSet((Append("_runs", 0, 5, body, {}),)))
    desk.group.advance()
    assert [desk.history.detail(entry.id) for entry in entries] == entries


def test_the_index_stands_in_for_what_retention_took(desk: Desk) -> None:
    desk.add("old", "failed", payload=b"given", error=RunError("a.b", "broke"), dead=True)
    desk.add("new")
    desk.bench.log.trim("_runs", 0, 1)
    detail = desk.history.detail("old")
    assert (detail.state, detail.dead, detail.payload, detail.error) == ("failed", True, b"", RunError("a.b", "broke"))


def test_an_unknown_run_is_refused(desk: Desk) -> None:
    for ask in (desk.history.summary, desk.history.detail):
        with pytest.raises(CallerError, match="no run 'nope'") as refused:
            ask("nope")
        assert refused.value.code == "run.unknown"


def test_rows_go_with_their_entries_but_for_the_unfinished_and_the_dead(desk: Desk) -> None:
    desk.add("old", at=100, output="text")
    desk.add("dead", "failed", at=100, dead=True, error=RunError("a.b", "text"))
    desk.add("running", "running", at=100, finished_us=0)
    desk.add("long", "running", at=100, finished_us=0)
    desk.add("long", at=100)
    desk.add("new", at=500)
    desk.order(Prune("_runs", 0, 4), Prune("_events", 0, 99), Prune("_runs", 1, 99))
    assert desk.find() == ["new", "long", "running", "dead"]
    assert desk.find(text="text") == ["dead"]
    assert desk.history.dead_before(0, 4, 10) == [("dead", 1)]


def test_a_dead_letter_is_read_where_it_was_carried_to(desk: Desk) -> None:
    dead = desk.add("dead", "failed", dead=True, payload=b"given", error=RunError("a.b", "text"))
    desk.add("mended", "failed", dead=True, payload=b"given")
    desk.add("mended", "succeeded")
    for run, position in (("dead", 0), ("mended", 1)):
        append = Append("_runs", 0, 1, encode_entry(run, desk.dead(run)), {CARRIED: position})
        desk.bench.write(CommitSet((append,)))
    desk.bench.log.trim("_runs", 0, 2)
    desk.order(Prune("_runs", 0, 2))
    assert desk.history.detail("dead") == dead
    assert desk.history.dead_before(0, 99, 10) == [("dead", 3)]
    assert desk.history.detail("mended").state == "succeeded"


def test_what_is_forgotten_of_a_run_is_what_went_in_and_came_out(desk: Desk) -> None:
    desk.add("r", "failed", error=RunError("a.b", "bo was there"), output="bo", idempotency_key="bo", payload=b"bo")
    desk.add("other", output="bo", error=RunError("a.b", "told"))
    desk.order(Forget(None, ["r"], []))
    assert desk.find(text="bo") == ["other"]
    assert desk.find(text="a.b") == ["other", "r"]
    summary = desk.history.summary("r")
    assert (summary.error_code, summary.error_message, summary.idempotency_key) == ("a.b", FORGOTTEN, None)
    assert desk.history.summary("other").error_message == "told"
