"""Who is behind a port, and who of them a change would break."""

from __future__ import annotations

import pytest

from hansa.contracts.compatibility.verdict import Direction
from hansa.discovery.lineage_graph import declared
from hansa.discovery.readers import ALL, Reader
from hansa.lifecycle.changes import Change
from hansa.lifecycle.consumers import RECENT_S, Consumer, Reading, consumers
from hansa.model.product import (
    ContractSpec,
    FieldSpec,
    InputPortSpec,
    OutputPortSpec,
    PortKind,
    PortTrigger,
    ProcessSpec,
    ProductSpec,
    ReferenceSpec,
)

PORT = "ops.flights/departures@1"
JOINED = "ana.delays/joined@1"
NOW_US = 10**15
OLD, DATA = Direction.OLD_READERS, Direction.READERS_OF_OLD_DATA


def broken(path: str = "note", code: str = "field.removed", *hits: Direction) -> Change:
    return Change("breaking", "port", PORT, f"{path} is gone", path, code, hits or (OLD,))


def product(product_id: str, *processes: ProcessSpec, inputs: tuple[str, ...] = ()) -> ProductSpec:
    return ProductSpec(product_id, "P", inputs=tuple(InputPortSpec("i", port) for port in inputs), processes=processes)


def follower(*fields: str, name: str = "join", known: bool = True) -> ProcessSpec:
    used = {PORT: fields} if known else {}
    return ProcessSpec(name, (), (PortTrigger(PORT),), reads=(PORT,), publishes=(JOINED,), fields=used)


def found(others: list[ProductSpec], *made: Change, readers: tuple[Reader, ...] = ()) -> list[Consumer]:
    reading = Reading(others, {PORT: readers}, declared(others), NOW_US)
    return consumers("ops.flights", [PORT], reading, made)


@pytest.mark.parametrize(
    ("process", "change", "verdict", "because"),
    [
        (follower("note"), broken(), "breaks", "it uses note"),
        (follower("origin"), broken(), "unaffected", ""),
        (follower("origin"), broken("note.text"), "unaffected", ""),
        (follower("note"), broken("note[]"), "breaks", "it uses note"),
        (follower(known=False), broken(), "may_break", "it may use note"),
        (follower("origin"), broken("note", "type.changed", DATA, OLD), "breaks", "its ports.py has note as it was"),
        (follower("origin"), broken("note", "field.required", DATA), "unaffected", ""),
        (follower("origin"), broken("", "key.changed", DATA, OLD), "breaks", "it reads the port"),
        (follower(known=False), broken("", "", OLD), "breaks", "it reads the port"),
    ],
)
def test_a_process_breaks_by_what_it_uses_and_by_its_record_class(
    process: ProcessSpec, change: Change, verdict: str, because: str
) -> None:
    [one] = found([product("ana.delays", process)], change)
    assert (one.who, one.by, one.verdict, one.because) == ("ana.delays:join", "subscription", verdict, because)


def test_an_account_breaks_by_the_fields_it_asked_for_and_is_forgotten_after_a_while() -> None:
    readers = (
        Reader("ann", "account", NOW_US, 3, "t1", {"origin": NOW_US}),
        Reader("ann", "account", NOW_US, 3, "t2", {"note": NOW_US}),
        Reader("bob", "account", NOW_US, 3, "", {ALL: NOW_US}),
        Reader("eve", "account", NOW_US - RECENT_S * 1_000_000, 3, "", {ALL: 1}),
    )
    made = broken("note", "type.changed", DATA, OLD)
    assert [(one.who, one.token, one.verdict) for one in found([], made, readers=readers)] == [
        ("ann", "t2", "breaks"), ("bob", "", "may_break"), ("ann", "t1", "unaffected"),
    ]  # fmt: skip


def referring(*fields: str) -> ProductSpec:
    """A product whose records refer to those of the port."""
    reference = ReferenceSpec("r", fields, fields, "departures", PORT)
    contract = ContractSpec("j", "1.0.0", tuple(FieldSpec(name, "string") for name in fields), references=(reference,))
    outputs = (OutputPortSpec(JOINED, "joined", "1.0.0", PortKind.STREAM, contract),)
    process = ProcessSpec("join", (), publishes=(JOINED,))
    return ProductSpec("ana.delays", "P", inputs=(InputPortSpec("i", PORT),), outputs=outputs, processes=(process,))


@pytest.mark.parametrize(
    ("change", "verdict"),
    [(broken("note"), "unaffected"), (broken("flight"), "breaks"), (broken("", "key.changed", DATA, OLD), "breaks")],
)
def test_who_refers_to_a_port_depends_on_its_key_alone(change: Change, verdict: str) -> None:
    spec = referring("flight")
    [one] = found([spec], change)
    assert (one.who, one.kind, one.by, one.fields, one.verdict) == (
        "ana.delays", "product", "reference", ("flight",), verdict,
    )  # fmt: skip
    assert ("read", PORT, "ana.delays:join") in {(e.kind, e.source, e.target) for e in declared([spec])}


def test_those_behind_a_product_that_refers_to_a_port_are_named() -> None:
    counting = product("ana.outlook", ProcessSpec("count", (), (PortTrigger(JOINED),)))
    told = [(one.who, one.depth, one.verdict) for one in found([referring("flight"), counting], broken("flight"))]
    assert told == [("ana.delays", 1, "breaks"), ("ana.outlook:count", 2, "downstream")]


def test_a_declared_input_and_a_process_that_was_seen_reading_may_use_all() -> None:
    others = [product("ana.delays", inputs=(PORT,)), product("ana.looks", ProcessSpec("look", ()))]
    readers = (Reader("ana.looks:look", "process", 7, 1), Reader("ana.gone:look", "process", 7, 1))
    assert [(one.who, one.kind, one.by, one.verdict) for one in found(others, broken(), readers=readers)] == [
        ("ana.delays", "product", "input", "may_break"),
        ("ana.looks:look", "process", "lookup", "may_break"),
    ]


def test_those_further_down_are_named_with_their_depth_and_way() -> None:
    second = ProcessSpec("count", (), (PortTrigger(JOINED),), publishes=("ana.outlook/counts@1",))
    third = ProcessSpec("show", (), reads=("ana.outlook/counts@1", JOINED))
    back = ProcessSpec("again", (), (PortTrigger("ana.outlook/counts@1"),), publishes=(PORT,))
    others = [
        product("ana.delays", follower("note")), product("ana.outlook", second),
        product("web.board", third), product("wea.back", back),
    ]  # fmt: skip
    told = [(one.who, one.depth, one.verdict, one.because) for one in found(others, broken())]
    assert told == [
        ("ana.delays:join", 1, "breaks", "it uses note"),
        ("ana.outlook:count", 2, "downstream", f"it reads {JOINED}"),
        ("web.board:show", 2, "downstream", f"it reads {JOINED}"),
        ("wea.back:again", 3, "downstream", "it reads ana.outlook/counts@1"),
    ]
