"""Whether something speaks of a person: found where they are named, and not where a number happens to be theirs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hansa.discovery.events import Event
from hansa.lifecycle.mentions import Sought, telling_values
from hansa.model.product import ContractSpec, FieldSpec
from hansa.model.run import LogicRun, RunEntry, RunError
from hansa.runtime import wire

BO = Sought("bo-1", {"customer_id"}, ["bo@example.org"])
NUMBER = Sought("1017", {"customer_id"})
ENCODE = msgspec.msgpack.encode


def run(**more: Any) -> RunEntry:
    return RunEntry("r", "succeeded", "a.b", "c", "p", **more)


@pytest.mark.parametrize(
    "value",
    [
        "bo-1",
        "to bo-1, with love",
        {"deep": [{"list": "bo-1"}]},
        {"bo-1": 5},
        b'{"to": "bo-1"}',
        b"id=bo-1&x=1",
        ENCODE({"a": ["bo-1", 65]}),
        "mail to bo@example.org.",
        b'"bo-1"',
    ],
)
def test_a_person_is_found_wherever_a_text_names_them(value: Any) -> None:
    assert BO.in_value(value)
    assert BO.may_be_in(ENCODE(value))


@pytest.mark.parametrize("value", ["bo-12", "xbo-1", "bo", {"n": 1}, b"\xff\xfe", None, 1.5, b'{"to": "bo-12"}'])
def test_others_are_not(value: Any) -> None:
    assert not BO.in_value(value)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"customer_id": 1017}, True),
        ({"customer_id": "1017"}, True),
        (b'{"order": {"customer_id": 1017}}', True),
        ({"customer_id": [1016, 1017]}, True),
        ({"price": 1017}, False),
        ("order 1017 was sent", False),
        ({"customer_id": 10170}, False),
    ],
)
def test_a_number_counts_only_in_a_field_of_persons(value: Any, found: bool) -> None:
    assert NUMBER.in_value(value) is found
    assert NUMBER.may_be_in(b"anything: a number may be encoded in any way")


@pytest.mark.parametrize(
    "entry",
    [
        run(payload=ENCODE(wire.Source("http", b'{"id": "bo-1"}', "application/json"))),
        run(payload=ENCODE(wire.Source("http", path={"customer": "bo-1"}))),
        run(payload=ENCODE(wire.Source("http", headers=[(b"x-customer", b"bo-1")]))),
        run(result=b'{"mail": "bo@example.org"}'),
        run(output="wrote to bo-1\n"),
        run(error=RunError("a.b", "no bo-1")),
        run(error=RunError("a.b", "no", details={"customer": "bo-1"})),
        run(logic=[LogicRun("l", "failed", 1, "no bo-1")]),
        run(uses=[("l", "billing", "GET", "/customers/bo-1")]),
        run(idempotency_key="bo-1/first"),
        run(headers={"location": "/customers/bo-1"}),
    ],
)
def test_a_run_is_looked_at_from_all_sides(entry: RunEntry) -> None:
    assert BO.in_run(entry)
    assert BO.may_be_in(ENCODE(entry))
    assert not Sought("al-1", ()).in_run(entry)


def test_an_event_counts_by_payload_source_and_target() -> None:
    assert BO.in_event(Event("e", "n", payload={"to": "bo-1"}))
    assert BO.in_event(Event("e", "n", target="bo-1"))
    assert NUMBER.in_event(Event("e", "n", source="1017"))
    assert not BO.in_event(Event("bo-1", "bo-1", payload={"to": "al"}))


def test_values_tell_a_person_where_the_contract_says_so_and_they_are_long_enough() -> None:
    fields = (
        FieldSpec("customer_id", "string", personal=True),
        FieldSpec("email", "string", personal=True),
        FieldSpec("initials", "string", personal=True),
        FieldSpec("born", "integer", personal=True),
        FieldSpec("plan", "string"),
    )
    contract = ContractSpec("c", "1.0.0", fields, subject="customer_id")
    record = {"customer_id": "bo-4711", "email": "bo@x.org", "initials": "BO", "born": 1970, "plan": "premium"}
    assert list(telling_values(contract, record)) == ["bo@x.org"]
    assert list(telling_values(contract, None)) == []
