"""What there is of a person is found, and blanked in the log, without touching others."""

from __future__ import annotations

from typing import Any

import msgspec

from hansa.discovery.events import Event
from hansa.eventlog.interface import Append, CommitSet, Put, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.lifecycle import forgetting
from hansa.lifecycle.forgetting import blank, orders_for
from hansa.lifecycle.persons import Found, entries_in, find_person
from hansa.model.ids import subject_name
from hansa.model.product import ContractSpec, FieldSpec, OutputPortSpec, PortKind, ProcessSpec, ProductSpec
from hansa.model.run import EVENTS_TOPIC, FORGOTTEN, RUNS_TOPIC, RunEntry, RunError
from hansa.runtime.journal import PENDING, Pending
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


def test_what_is_not_over_and_states_are_told_and_left() -> None:
    desk = filled()
    pending = Pending(RunEntry("waits", "accepted", SHOP.id, "c", "p", payload=msgspec.msgpack.encode("bo-1")), 0)
    desk.run("waits", output="bo-1")
    puts = (Put(PENDING, "waits", msgspec.msgpack.encode(pending)), Put("state:a.crm:p", "bo-1", b"\x01"))
    desk.bench.write(CommitSet(puts=puts))
    found = desk.find()
    assert (found.unfinished, found.states) == (["waits"], ["a.crm:p"])
    assert "waits" not in found.runs


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
