"""What there is of a person is found, and blanked in the log, without touching others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from hansa.discovery.events import Event
from hansa.eventlog.interface import Append, CommitSet, Put, Refused, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.lifecycle import forgetting
from hansa.lifecycle.forgetting import blank, orders_for
from hansa.lifecycle.persons import Found, entries_in, find_person
from hansa.model.ids import subject_name
from hansa.model.product import ContractSpec, FieldSpec, OutputPortSpec, PortKind, ProcessSpec, ProductSpec
from hansa.model.run import EVENTS_TOPIC, FORGOTTEN, RUNS_TOPIC, RunEntry, RunError
from hansa.runtime.journal import CHUNKS, PENDING, STEPS, Pending
from hansa.testing.log_bench import Bench
from hansa.views.keeping import Forget

FIELDS = (FieldSpec("id", "string"), FieldSpec("email", "string", personal=True))
CONTRACT = ContractSpec("c", "1.0.0", FIELDS, ("id",), subject="id")


def product(name: str) -> ProductSpec:
    port = OutputPortSpec(f"{name}/people@1", "people", "1.0.0", PortKind.STREAM, CONTRACT)
    return ProductSpec(name, name, outputs=(port,), processes=(ProcessSpec("p", ()),))


SHOP, CRM = product("a.shop"), product("a.crm")


class Desk:
    def __init__(self) -> None:
        self.bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
        for topic in (RUNS_TOPIC, EVENTS_TOPIC, SHOP.outputs[0].id, CRM.outputs[0].id):
            self.bench.log.declare(topic, TopicConfig())

    def record(self, owner: ProductSpec, run: str, person: str, email: str) -> None:
        header = {"run": run, "subject": subject_name(owner.id, person)}
        body = encode_entry(person, {"id": person, "email": email})
        self.bench.write(CommitSet((Append(owner.outputs[0].id, 0, 1, body, header),)))

    def run(self, name: str, owner: ProductSpec = SHOP, **more: Any) -> None:
        entry = RunEntry(name, "succeeded", owner.id, "c", "p", **more)
        self.bench.write(CommitSet((Append(RUNS_TOPIC, 0, 1, encode_entry(name, entry), {}),)))

    def event(self, name: str, owner: str | None, payload: Any) -> None:
        body = encode_entry(None, Event(name, "told", payload=payload, product=owner))
        self.bench.write(CommitSet((Append(EVENTS_TOPIC, 0, 1, body, {}),)))

    def runs(self) -> dict[str, RunEntry]:
        return {run.id: run for run in self._all(RUNS_TOPIC, RunEntry)}

    def events(self) -> list[Event]:
        return self._all(EVENTS_TOPIC, Event)

    def _all(self, topic: str, kind: Any) -> list[Any]:
        return [msgspec.msgpack.decode(entry.body, type=kind) for entry in entries_in(self.bench.log, topic)]

    def find(self, product: str | None = None) -> Found:
        return find_person(self.bench.log, [SHOP, CRM], "bo-1", product)


def filled() -> Desk:
    desk = Desk()
    desk.record(SHOP, "wrote", "bo-1", "bo@example.org")
    desk.record(SHOP, "wrote too", "al-1", "al@example.org")
    desk.record(CRM, "wrote in crm", "bo-1", "bo@example.org")
    desk.run("wrote", result=b"1", output="kept no name")
    desk.run("wrote too", result=b"2")
    desk.run("wrote in crm", CRM)
    desk.run("read", reads=[(SHOP.outputs[0].id, 0, 0, 1)])
    desk.run("read another", reads=[(SHOP.outputs[0].id, 0, 1, 2), (SHOP.outputs[0].id, 0, -1, 1)])
    desk.run("told the mail", output="to bo@example.org", error=RunError("a.b", "bo-1"))
    desk.run("of al", output="al@example.org")
    desk.event("e1", SHOP.id, {"mail": "bo@example.org"})
    desk.event("e2", CRM.id, {"id": "bo-1"})
    desk.event("e3", None, {"id": "bo-1"})
    desk.event("e4", SHOP.id, {"id": "al-1"})
    return desk


def test_a_person_is_found_in_one_product_and_where_else_is_told() -> None:
    desk = filled()
    found = desk.find(SHOP.id)
    assert (found.persons, found.records) == ({"a.shop#bo-1": 1}, {"a.shop/people@1": 1})
    assert (found.runs, found.events) == (["read", "told the mail", "wrote"], ["e1"])
    assert found.elsewhere == ["a.crm"]
    everywhere = desk.find()
    assert everywhere.persons == {"a.crm#bo-1": 3, "a.shop#bo-1": 1}
    assert everywhere.runs == ["read", "told the mail", "wrote", "wrote in crm"]
    assert everywhere.events == ["e1", "e2", "e3"]
    assert everywhere.elsewhere == []


def test_a_value_that_somebody_else_has_too_tells_nobody() -> None:
    desk = filled()
    desk.record(SHOP, "x", "cy-1", "bo@example.org")
    assert desk.find(SHOP.id).runs == ["read", "told the mail", "wrote"]
    desk.run("of cy", output="bo@example.org")
    assert "of cy" not in desk.find(SHOP.id).runs


ENCODE = msgspec.msgpack.encode


def waiting(name: str, payload: bytes, owner: ProductSpec = SHOP) -> Put:
    return Put(PENDING, name, ENCODE(Pending(RunEntry(name, "accepted", owner.id, "c", "p", payload=payload), 0)))


def test_what_is_not_over_is_found_by_what_it_was_given_and_what_it_has_done() -> None:
    desk = filled()
    desk.run("waits", output="bo-1")
    desk.bench.write(
        CommitSet(
            puts=(
                waiting("waits", ENCODE("bo-1")),
                waiting("at step 1", b""), Put(STEPS, "at step 1/0", ENCODE(["bo-1"])),
                waiting("loads", b""), Put(CHUNKS, "loads", ENCODE([3, b"bo-1"])),
                waiting("in crm", ENCODE("bo-1"), CRM),
                waiting("of al", ENCODE("al-1")), Put(STEPS, "of al/0", ENCODE("al-1")),
            )
        )
    )  # fmt: skip
    found = desk.find(SHOP.id)
    assert (found.unfinished, found.elsewhere) == (["at step 1", "loads", "waits"], ["a.crm"])
    assert "waits" not in found.runs


def test_a_state_loses_what_speaks_of_the_person_unless_it_has_moved_since() -> None:
    desk = filled()
    told = {"last": "bo-1", "count": 3}
    states = {"bo-1": 1, "all": told, "al-1": 2}
    scope = "state:a.crm:p"
    desk.bench.write(CommitSet(puts=tuple(Put(scope, key, ENCODE(value)) for key, value in states.items())))
    found = desk.find()
    assert found.states == ["a.crm:p"]
    assert (desk.find(SHOP.id).puts, desk.find(SHOP.id).elsewhere) == ([], ["a.crm"])
    desk.bench.write(CommitSet(puts=(Put(scope, "all", ENCODE({**told, "count": 4})),)))
    (outcome,) = desk.bench.commit(CommitSet(puts=tuple(found.puts)))
    assert isinstance(outcome, Refused)
    desk.bench.write(CommitSet(puts=tuple(desk.find().puts)))
    left = {key: msgspec.msgpack.decode(value) for key, value in desk.bench.log.scan(scope)}
    assert left == {"all": {"last": None, "count": 4}, "al-1": 2}


def test_records_from_before_their_contract_had_a_subject_are_forgotten_too() -> None:
    desk = filled()
    port = SHOP.outputs[0]
    before = [("bo-1", {"id": "bo-1", "email": "bo.old@example.org"}), ("al-1", {"id": "al-1", "email": "x@y.zz"})]
    body = b"".join(encode_entry(key, value) for key, value in before)
    desk.bench.write(CommitSet((Append(port.id, 0, 2, body, {"run": "wrote long ago"}),)))
    desk.run("wrote long ago", result=b"3")
    desk.run("told the old mail", output="bo.old@example.org")
    found = desk.find(SHOP.id)
    assert found.records == {port.id: 2}
    assert {"wrote long ago", "told the old mail"} <= set(found.runs)
    blank(desk.bench.log, found)
    desk.bench.write(CommitSet(forgets=tuple(found.persons)))
    kept = [(entry.key, msgspec.msgpack.decode(entry.body)) for entry in entries_in(desk.bench.log, port.id)]
    assert kept[-2:] == [(None, None), before[1]]
    assert desk.find(SHOP.id).records == {}


def test_what_any_revision_said_of_a_port_counts_and_where_none_did_records_are_told_and_left() -> None:
    desk = filled()
    silent = replace(CONTRACT, subject=None)
    port = replace(SHOP.outputs[0], contract=silent)
    other = OutputPortSpec("a.shop/notes@1", "notes", "1.0.0", PortKind.STREAM, silent)
    desk.bench.log.declare(other.id, TopicConfig())
    plain = encode_entry("1", {"id": "bo-1"})
    for topic in (port.id, other.id):
        desk.bench.write(CommitSet((Append(topic, 0, 1, plain, {"run": "r"}),)))
    now = replace(SHOP, outputs=(port, other))
    found = find_person(desk.bench.log, [now, SHOP, CRM], "bo-1", SHOP.id)
    assert (found.records, found.plain) == ({port.id: 2}, {(port.id, 0): [2]})
    assert found.left == {other.id: 1}
    blank(desk.bench.log, found)
    assert find_person(desk.bench.log, [now, SHOP, CRM], "bo-1", SHOP.id).left == {other.id: 1}


def test_blanking_takes_content_and_leaves_the_rest() -> None:
    desk = filled()
    before = desk.runs()
    found = desk.find()
    blank(desk.bench.log, found)
    after = desk.runs()
    assert {name for name in after if after[name] != before[name]} == {"told the mail", "wrote"}
    told = after["told the mail"]
    assert (told.output, told.error) == ("", RunError("a.b", FORGOTTEN))
    assert (after["wrote"].result, after["wrote"].state) == (b"", "succeeded")
    assert [event.payload for event in desk.events()] == [None, None, None, {"id": "al-1"}]
    desk.bench.write(CommitSet(forgets=tuple(found.persons)))
    again = desk.find()
    assert (again.persons, again.records, again.runs, again.events) == ({}, {}, [], [])


def test_an_order_never_has_too_many_ids() -> None:
    found = Found({"a.b#bo": 7}, {}, [str(n) for n in range(2500)], ["e"], [], [], [])
    orders = orders_for(found)
    assert [(o.person, len(o.runs), len(o.events)) for o in orders if isinstance(o, Forget)] == [
        (7, 0, 0),
        (None, forgetting.IDS_AT_ONCE, 0),
        (None, forgetting.IDS_AT_ONCE, 0),
        (None, 500, 0),
        (None, 0, 1),
    ]
