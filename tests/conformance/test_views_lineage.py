"""Lineage: what runs and events say, and walking what they said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from view_stores import Stores

from hansa.discovery.events import Event
from hansa.discovery.lineage import HOUR_US, LineageView, node_kind
from hansa.discovery.lineage_graph import Edge, LineageGraph
from hansa.errors import CallerError
from hansa.eventlog.interface import Append, CommitSet, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.model.product import EventTrigger, PortTrigger, ProcessSpec, ProductSpec
from hansa.model.run import CARRIED, RunEntry
from hansa.testing.log_bench import Bench
from hansa.views.group import ViewGroup

RAW, CLEAN, JOINED = "ops.flights/raw@1", "ops.flights/clean@1", "ana.delays/joined@1"
LOAD, JOIN = "ops.flights:load", "ana.delays:join"


class Desk:
    def __init__(self, stores: Stores) -> None:
        self.bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
        for topic in ("_runs", "_events"):
            self.bench.log.declare(topic, TopicConfig())
        self.group = ViewGroup(self.bench.log, stores.open(), [LineageView()])
        self.lineage = LineageGraph(self.group.store)

    def run(self, run: str, process: str, at_us: int = 10, state: str = "succeeded", **more: Any) -> None:
        product, _, name = process.partition(":")
        entry = RunEntry(run, state, product, "abc", name, finished_us=at_us, **more)
        self._append("_runs", run, entry)

    def event(
        self, name: str, source: str | None, target: str | None, at_us: int = 10, process: str | None = None
    ) -> None:
        self._append("_events", source, Event("e", name, source, target, None, at_us, "r", "ops.flights", process))

    def _append(self, topic: str, key: str | None, body: Any) -> None:
        self.bench.write(CommitSet((Append(topic, 0, 1, encode_entry(key, body), {}),)))
        while self.group.advance():
            pass

    def edges(self, node: str, *how: Any, **more: Any) -> set[tuple[str, str, str]]:
        return {(e.source, e.kind, e.target) for e in self.lineage.graph(node, *how, **more).edges}


@pytest.fixture
def desk(stores: Stores) -> Iterator[Desk]:
    desk = Desk(stores)
    yield desk
    desk.group.close()
    desk.bench.log.stop()


@pytest.fixture
def mesh(desk: Desk) -> Desk:
    """raw → load → clean → join → joined, twice; the second an hour and a bit later."""
    for n, at_us in enumerate((10, HOUR_US + 10)):
        desk.run(f"l{n}", LOAD, at_us, reads=[(RAW, 0, 5 * n, 5 * n + 5)], writes=[(CLEAN, 4)])
        desk.run(f"j{n}", JOIN, at_us + 1, reads=[(CLEAN, 0, 4 * n, 4 * n + 4), (RAW, 0, -1, 9)], writes=[(JOINED, 4)])
    return desk


def test_the_kind_of_a_node_is_in_its_id() -> None:
    nodes = {
        "a.b": "product",
        "a.b:c": "process",
        "a.b/c@1": "port",
        "event:Order placed": "event",
        "A1982": "identity",
    }
    assert {node: node_kind(node) for node in nodes} == nodes


def test_reads_and_writes_are_edges_with_their_counts(mesh: Desk) -> None:
    edges = {(e.source, e.target): e for e in mesh.lineage.graph(JOIN, depth=1).edges}
    assert edges[CLEAN, JOIN] == Edge(CLEAN, JOIN, "read", "", 11, HOUR_US + 11, 2, 8)
    assert edges[RAW, JOIN] == Edge(RAW, JOIN, "read", "", 11, HOUR_US + 11, 2, 0)
    assert edges[JOIN, JOINED] == Edge(JOIN, JOINED, "write", "", 11, HOUR_US + 11, 2, 8)


@pytest.mark.parametrize(
    ("direction", "depth", "edges"),
    [
        ("down", 1, {(CLEAN, "read", JOIN)}),
        ("down", 9, {(CLEAN, "read", JOIN), (JOIN, "write", JOINED)}),
        ("up", 1, {(LOAD, "write", CLEAN)}),
        ("up", 2, {(LOAD, "write", CLEAN), (RAW, "read", LOAD)}),
        ("both", 1, {(LOAD, "write", CLEAN), (CLEAN, "read", JOIN)}),
    ],
)
def test_walking_ends_at_the_depth(mesh: Desk, direction: str, depth: int, edges: set[tuple[str, str, str]]) -> None:
    assert mesh.edges(CLEAN, direction, depth) == edges


def test_the_graph_is_as_it_was_known_at_a_time(mesh: Desk) -> None:
    assert mesh.edges(LOAD, at_us=10) == {(RAW, "read", LOAD), (LOAD, "write", CLEAN)}
    (edge,) = mesh.lineage.graph(LOAD, "up", at_us=HOUR_US).edges
    assert (edge.count, edge.records, edge.last_us) == (1, 5, 10)
    with pytest.raises(CallerError):
        mesh.edges(LOAD, at_us=9)


def test_the_last_use_is_never_later_than_the_time_asked_for(desk: Desk) -> None:
    desk.run("a", LOAD, 10, writes=[(CLEAN, 1)])
    desk.run("b", LOAD, 30, writes=[(CLEAN, 1)])
    (edge,) = desk.lineage.graph(LOAD, at_us=20).edges
    assert (edge.first_us, edge.last_us) == (10, 20)


def test_a_product_stands_for_its_ports_and_processes(mesh: Desk) -> None:
    assert mesh.edges("ana.delays", "up", 1) == {
        *(("ana.delays", "owns", node) for node in (JOIN, JOINED)),
        *((port, "read", JOIN) for port in (CLEAN, RAW)),
        (JOIN, "write", JOINED),
    }


def test_a_product_is_not_one_whose_name_begins_alike(desk: Desk) -> None:
    desk.run("a", "ops.flight:load", writes=[("ops.flight/x@1", 1)])
    desk.run("b", "ops.flights:load", writes=[("ops.flights/x@1", 1)])
    assert {node.id for node in desk.lineage.graph("ops.flight").nodes} == {
        "ops.flight", "ops.flight:load", "ops.flight/x@1"
    }  # fmt: skip


def test_cycles_end(desk: Desk) -> None:
    desk.run("a", LOAD, reads=[(RAW, 0, 0, 1)], writes=[(RAW, 1)])
    assert desk.edges(RAW, "down", 64) == {(RAW, "read", LOAD), (LOAD, "write", RAW)}


def test_events_join_free_identities_and_ids(desk: Desk) -> None:
    desk.event("Request", "A1982", "R0042", process="emit")
    desk.event("Assign", "R0042", "Trillian", process="ops.flights:emit")
    desk.event("Said", "A1982", None)
    assert desk.edges("A1982", "down") == {("A1982", "event", "R0042"), ("R0042", "event", "Trillian")}
    assert desk.edges("A1982", "down", event="Request") == {("A1982", "event", "R0042")}
    emitted = {("ops.flights:emit", "emit", "event:Request"), ("ops.flights:emit", "emit", "event:Assign")}
    assert desk.edges("ops.flights:emit") == emitted


def test_the_ways_out_that_a_run_used_are_known(desk: Desk) -> None:
    desk.run("a", LOAD, uses=[("clean", "billing", "POST", "/x"), ("clean", "billing", "POST", "/y")])
    (edge,) = desk.lineage.graph(LOAD, "down").edges
    assert (edge.target, edge.kind, edge.count) == ("connection:ops.flights/billing", "use", 1)
    assert node_kind(edge.target) == "connection"


def test_a_run_that_an_event_started_is_joined_to_it(desk: Desk) -> None:
    desk.run("a", JOIN, trigger="event", trigger_detail={"event": "Request"}, reads=[("_events", 0, 1, 2)])
    assert desk.edges(JOIN) == {("event:Request", "trigger", JOIN)}


@pytest.mark.parametrize("entries", ["child first", "parent first", "accepted before"])
def test_a_call_joins_the_processes(desk: Desk, entries: str) -> None:
    if entries == "accepted before":
        desk.run("p", LOAD, 0, "accepted")
    if entries == "parent first":
        desk.run("c", JOIN, parent="p", trigger="call", trigger_detail={"process": LOAD})
    else:
        desk.run("c", JOIN, parent="p", trigger="call")
    desk.run("p", LOAD)
    assert desk.edges(LOAD, "down") == {(LOAD, "call", JOIN)}


def test_parts_of_a_run_are_no_calls(desk: Desk) -> None:
    desk.run("c", LOAD, parent="p", trigger="chunk", writes=[(CLEAN, 3)])
    desk.run("r", LOAD, parent="p", trigger="record", state="failed")
    with desk.group.store.reading() as db:
        assert db.execute("SELECT COUNT(*) FROM lineage_call").fetchone() == (0,)
    desk.run("p", LOAD)
    assert desk.edges(LOAD) == {(LOAD, "write", CLEAN)}


def test_only_finished_runs_count_and_dry_ones_never(desk: Desk) -> None:
    desk.run("a", LOAD, writes=[(CLEAN, 1)])
    desk.run("b", LOAD, state="running", writes=[(JOINED, 1)])
    desk.run("c", LOAD, dry=True, writes=[(JOINED, 1)])
    assert desk.edges(LOAD) == {(LOAD, "write", CLEAN)}


def test_declared_edges_are_merged_and_seen_ones_stand(mesh: Desk) -> None:
    spec = ProductSpec(
        "ops.flights", "flights",
        processes=(
            ProcessSpec("load", (), reads=(RAW,), publishes=(CLEAN,)),
            ProcessSpec("watch", (), triggers=(PortTrigger(CLEAN), EventTrigger("Request"))),
        ),
    )  # fmt: skip
    graph = mesh.lineage.graph(CLEAN, "both", 1, declared=[spec])
    assert Edge(CLEAN, "ops.flights:watch", "read") in graph.edges
    assert [e.count for e in graph.edges if (e.source, e.target) == (LOAD, CLEAN)] == [2]
    assert ("event:Request", "trigger", "ops.flights:watch") in mesh.edges("ops.flights", "up", 1, declared=[spec])
    later = replace(spec, processes=spec.processes[:1])
    assert ("event:Request", "trigger", "ops.flights:watch") not in mesh.edges("ops.flights", "up", 1, declared=[later])
    assert ("event:Request", "trigger", "ops.flights:watch") not in mesh.edges("ops.flights", "up", 1)


def test_a_port_that_only_others_name_belongs_to_its_product(desk: Desk) -> None:
    reader = ProductSpec("web.board", "board", processes=(ProcessSpec("show", (), triggers=(PortTrigger(CLEAN),)),))
    assert (CLEAN, "read", "web.board:show") in desk.edges("ops.flights", "down", 1, declared=[reader])


def test_a_wide_graph_is_cut_and_says_so(desk: Desk) -> None:
    desk.run("a", LOAD, writes=[(f"ops.flights/p{n}@1", 1) for n in range(20)])
    assert desk.lineage.graph(LOAD, "down", 3, nodes_max=10).complete is False
    assert desk.lineage.graph(LOAD, "down", 3, nodes_max=30).complete is True


def test_what_is_not_known_is_refused(desk: Desk) -> None:
    with pytest.raises(CallerError) as unknown:
        desk.edges("nobody")
    assert unknown.value.code == "lineage.unknown"
    with pytest.raises(CallerError, match="depth is 0"):
        desk.edges(LOAD, "up", 0)


def test_a_dead_letter_that_retention_wrote_anew_counts_once(desk: Desk) -> None:
    entry = RunEntry(
        "r", "failed", "ops.flights", "abc", "load", finished_us=5, writes=[("ops.flights/clean@1", 3)], dead=True
    )
    for header in ({}, {CARRIED: 0}):
        desk.bench.write(CommitSet((Append("_runs", 0, 1, encode_entry("r", entry), header),)))
    while desk.group.advance():
        pass
    (edge,) = desk.lineage.graph("ops.flights:load", "down").edges
    assert (edge.count, edge.records) == (1, 3)
