"""Retention takes what is old enough, and never what somebody has yet to read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hansa.discovery.events import Event, EventsView
from hansa.discovery.runs import RunHistory, RunQuery, RunsView
from hansa.eventlog.awaitable import AwaitableLog
from hansa.eventlog.interface import Advance, Append, CommitSet, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.lifecycle import retention as module
from hansa.lifecycle.retention import Keep, Readers, Retention, Rule, rule_of, slowest
from hansa.model.run import EVENTS_TOPIC, KEEPING_TOPIC, RUNS_TOPIC, RunEntry, RunError
from hansa.views.group import ViewGroup
from hansa.views.sqlite import SqliteDatabase
from hansa.views.store import ViewStore

SECOND_US = 1_000_000
KEEP = Keep(runs_s=10, events_s=10, records_s=None)


class Desk:
    """A log of a second per commit, its views, and a retention that can be told who reads."""

    def __init__(self, keep: Keep) -> None:
        self.now_us = SECOND_US
        self.log = MemoryLog(clock_us=lambda: self.now_us)
        self.commits = AwaitableLog(self.log, asyncio.get_running_loop())
        for topic in (RUNS_TOPIC, EVENTS_TOPIC, KEEPING_TOPIC):
            self.log.declare(topic, TopicConfig())
        self.views = ViewGroup(self.log, SqliteDatabase(), [RunsView(), EventsView()])
        self.history = RunHistory(self.views.store, self.log)
        self.groups: list[str] = []
        self.lookups: Mapping[str, Path] = {}
        readers = Readers(
            lambda: {status.name: status.cursor for status in self.views.statuses()},
            lambda _: self.groups,
            lambda: self.lookups,
        )
        self.retention = Retention(self.commits, keep, readers, self.history)

    async def write(self, topic: str, *bodies: Any) -> None:
        for body in bodies:
            self.now_us += SECOND_US
            append = Append(topic, 0, 1, encode_entry("k", body), {})
            await self.commits.commit(CommitSet(appends=(append,)))

    async def run(self, name: str, **more: Any) -> None:
        given = {"finished_us": self.now_us, "accepted_us": self.now_us} | more
        await self.write(RUNS_TOPIC, RunEntry(name, given.pop("state", "succeeded"), "a.b", "c", "p", **given))

    def settle(self) -> None:
        while self.views.advance():
            pass

    async def turn(self) -> None:
        self.settle()
        await self.retention.turn(self.now_us)
        self.settle()

    def first(self, topic: str) -> int:
        return self.log.bounds(topic, 0)[0]

    def runs(self) -> list[str]:
        return [run.id for run in self.history.find(RunQuery()).runs]


@pytest.mark.parametrize(
    ("topic", "retention_s", "rule"),
    [
        (RUNS_TOPIC, None, Rule(10, waits=True)),
        (EVENTS_TOPIC, None, Rule(20, waits=True)),
        ("_audit", None, Rule(None, waits=True)),
        (KEEPING_TOPIC, None, Rule(None, waits=True)),
        ("a.b/c@1", None, Rule(30, waits=True)),
        ("a.b/c@1", 5.0, Rule(5.0, waits=False)),
    ],
)
def test_a_contract_goes_before_a_setting(topic: str, retention_s: float | None, rule: Rule) -> None:
    assert rule_of(topic, TopicConfig(retention_s=retention_s), Keep(10, 20, 30)) == rule


def test_a_port_keeps_what_its_contract_says_and_others_for_good() -> None:
    async def work() -> None:
        desk = Desk(KEEP)
        desk.log.declare("a.b/kept@1", TopicConfig())
        desk.log.declare("a.b/short@1", TopicConfig(retention_s=10))
        await desk.write("a.b/short@1", *range(30))
        await desk.write("a.b/kept@1", *range(30))
        desk.now_us -= 30 * SECOND_US
        await desk.turn()
        assert (desk.first("a.b/kept@1"), desk.first("a.b/short@1")) == (0, 19)

    asyncio.run(work())


def test_rows_of_views_go_with_their_entries() -> None:
    async def work() -> None:
        desk = Desk(KEEP)
        for n in range(30):
            await desk.run(f"r{n:02}")
        await desk.turn()
        assert desk.first(RUNS_TOPIC) == 19
        assert desk.runs() == [f"r{n}" for n in range(29, 18, -1)]
        await desk.turn()
        assert desk.log.bounds(KEEPING_TOPIC, 0) == (0, 1)

    asyncio.run(work())


def test_what_a_view_has_not_read_stays() -> None:
    async def work() -> None:
        desk = Desk(KEEP)
        for n in range(20):
            await desk.run(f"r{n}")
        desk.settle()
        for n in range(20, 40):
            await desk.run(f"r{n}")
        await desk.retention.turn(desk.now_us)
        assert desk.first(RUNS_TOPIC) == 20
        await desk.turn()
        assert desk.first(RUNS_TOPIC) == 29

    asyncio.run(work())


def test_a_setting_waits_for_subscriptions_and_a_contract_does_not() -> None:
    async def work() -> None:
        desk = Desk(Keep(None, 10, 10))
        desk.log.declare("a.b/soft@1", TopicConfig())
        desk.log.declare("a.b/hard@1", TopicConfig(retention_s=10))
        desk.groups = ["a.b:p<follower", "never opened"]
        for topic in ("a.b/soft@1", "a.b/hard@1", EVENTS_TOPIC):
            await desk.write(topic, *[Event(str(n), "e") for n in range(30)])
            await desk.commits.commit(CommitSet(advances=(Advance("a.b:p<follower", topic, 0, 7),)))
        desk.now_us += 100 * SECOND_US
        await desk.turn()
        assert [desk.first(topic) for topic in ("a.b/soft@1", "a.b/hard@1", EVENTS_TOPIC)] == [7, 29, 7]
        assert desk.retention.waiting == (
            "_events[0] waits for a.b:p<follower",
            "a.b/soft@1[0] waits for a.b:p<follower",
        )

    asyncio.run(work())


def test_what_a_lookup_has_not_read_stays_whatever_the_contract_says(tmp_path: Path) -> None:
    async def work() -> None:
        desk = Desk(KEEP)
        desk.log.declare("a.b/c@1", TopicConfig(retention_s=10))
        await desk.write("a.b/c@1", *range(30))
        late = ViewStore(tmp_path / "lookup.db")
        desk.lookups = {"a.b/c@1": tmp_path / "lookup.db"}
        for applied, first in ((None, 0), (3, 3), (30, 19)):
            with late.writing() as db:
                db.execute("CREATE TABLE IF NOT EXISTS applied (partition INTEGER PRIMARY KEY, next INTEGER)")
                db.executemany("INSERT OR REPLACE INTO applied VALUES (0, ?)", [(applied,)] if applied else [])
            await desk.turn()
            assert desk.first("a.b/c@1") == first
        late.close()

    asyncio.run(work())


def test_dead_letters_are_kept_until_they_are_dealt_with() -> None:
    async def work() -> None:
        desk = Desk(KEEP)
        error = RunError("a.b", "broke")
        await desk.run("dead", state="failed", dead=True, error=error, payload=b"given")
        await desk.run("mended", state="failed", dead=True, payload=b"given")
        await desk.run("mended", accepted_us=2 * SECOND_US)
        for n in range(40):
            await desk.run(f"r{n:02}")
            await desk.turn()
        assert desk.first(RUNS_TOPIC) > 25
        assert desk.runs()[-1] == "dead"
        assert "mended" not in desk.runs()
        kept = desk.history.detail("dead")
        assert (kept.state, kept.dead, kept.payload, kept.error) == ("failed", True, b"given", error)
        await desk.run("dead", accepted_us=kept.accepted_us)
        for n in range(40, 60):
            await desk.run(f"r{n:02}")
            await desk.turn()
        assert "dead" not in desk.runs()
        fresh = ViewGroup(desk.log, SqliteDatabase(), [RunsView()])
        while fresh.advance():
            pass
        assert [run.id for run in RunHistory(fresh.store, desk.log).find(RunQuery()).runs] == desk.runs()

    asyncio.run(work())


def test_a_turn_takes_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 4)
    monkeypatch.setattr(module, "CARRIED_AT_ONCE", 1)

    async def work() -> None:
        desk = Desk(KEEP)
        for n in range(30):
            await desk.run(f"r{n:02}", dead=n in (1, 2))
        firsts = []
        for _ in range(9):
            await desk.turn()
            firsts.append(desk.first(RUNS_TOPIC))
        assert max(after - before for before, after in zip([0, *firsts], firsts, strict=False)) <= 4
        assert firsts[-1] == 19
        assert {"r01", "r02"} <= set(desk.runs())

    asyncio.run(work())


def test_the_slowest_cursor_counts() -> None:
    async def work() -> None:
        desk = Desk(KEEP)
        await desk.write(EVENTS_TOPIC, *[Event(str(n), "e") for n in range(12)])
        assert slowest(desk.log, ["11", "2", "10"]) == "2"
        assert slowest(desk.log, ["11", ""]) == ""
        assert slowest(desk.log, []) == desk.log.now()

    asyncio.run(work())
