"""What a revision changes: which differences break readers, and in which words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hansa.lifecycle.changes import Change, changes, triggers_in_words
from hansa.lifecycle.planner import touched
from hansa.model.product import (
    CompatibilityMode,
    ContractSpec,
    EventTrigger,
    FieldSpec,
    HttpTrigger,
    InputPortSpec,
    LimitSpec,
    LogicSpec,
    ManualTrigger,
    OnceTrigger,
    OutputPortSpec,
    PortKind,
    PortTrigger,
    ProcessSpec,
    ProductSpec,
    ReferenceSpec,
    RetryPolicy,
    ScheduleTrigger,
    StepSpec,
    Trigger,
)
from hansa.model.window import NO_DATES, Dates, Window

JUNE = datetime(2031, 6, 1, tzinfo=UTC)
PORT = "shop.orders/orders@1"
NUMBER = FieldSpec("number", "integer", required=True)
NOTE = FieldSpec("note", "string")
PLACE = ProcessSpec("place", (StepSpec("add", "add", {"limit": 1}),), (HttpTrigger("POST", "/orders"),))


RECORDS = "what was written before no longer fits"
READERS = "readers that have the old schema break"
BOTH = f"{RECORDS}, and {READERS}"


def port(
    *fields: FieldSpec,
    kind: PortKind = PortKind.STREAM,
    key: tuple[str, ...] = ("number",),
    mode: CompatibilityMode = CompatibilityMode.FULL_TRANSITIVE,
) -> OutputPortSpec:
    contract = ContractSpec("c", "1.0.0", fields, key, compatibility=mode)
    return OutputPortSpec(PORT, "orders", "1.0.0", kind, contract)


def referring(*references: ReferenceSpec) -> OutputPortSpec:
    made = port(NUMBER, NOTE)
    return replace(made, contract=replace(made.contract, references=references))


OLD = ProductSpec(
    "shop.orders",
    "Orders",
    outputs=(port(NUMBER, NOTE),),
    inputs=(InputPortSpec("prices", "shop.prices/prices@1"),),
    logic=(LogicSpec("add", "logic", "", "product.py", 1, "digest"),),
    processes=(PLACE,),
)


def told(new: ProductSpec) -> list[tuple[str, str, str]]:
    return [(change.kind, change.what, change.text) for change in changes(OLD, new)]


def ports_told(*outputs: OutputPortSpec) -> list[tuple[str, str, str]]:
    return told(replace(OLD, outputs=outputs))


def test_the_same_product_changes_nothing() -> None:
    assert changes(OLD, replace(OLD)) == []


def test_a_first_revision_is_all_new() -> None:
    assert changes(None, OLD) == [
        Change("added", "product", "shop.orders", "shop.orders is new"),
        Change("added", "port", PORT, f"{PORT} is new, a stream"),
        Change("added", "process", "place", "place: POST /orders"),
    ]


def test_a_port_that_goes_breaks_and_one_that_comes_does_not() -> None:
    assert ports_told() == [("breaking", "port", f"{PORT} is gone: whoever reads it would break")]
    second = replace(port(NUMBER), id="shop.orders/more@1", kind=PortKind.TABLE)
    assert ports_told(port(NUMBER, NOTE), second) == [("added", "port", "shop.orders/more@1 is new, a table")]


@pytest.mark.parametrize(
    ("new", "kind", "text"),
    [
        (port(NUMBER, NOTE, kind=PortKind.TABLE), "breaking", f"{PORT} was a stream and would be a table"),
        (port(NUMBER, NOTE, key=()), "breaking", f"in {PORT}, the key changes from number to nothing: {BOTH}"),
        (port(NUMBER), "breaking", f"in {PORT}, note is gone: {READERS}"),
        (
            port(NUMBER, FieldSpec("note", "integer")),
            "breaking",
            f"in {PORT}, note changes from string to integer: {BOTH}",
        ),
        (
            port(FieldSpec("number", "integer"), NOTE),
            "breaking",
            f"in {PORT}, number may be missing from now on: {READERS}",
        ),
        (
            port(NUMBER, FieldSpec("note", "string", True)),
            "breaking",
            f"in {PORT}, note is required from now on: {RECORDS}",
        ),
        (port(NUMBER, NOTE, FieldSpec("more", "string")), "changed", f"in {PORT}, more is new and may be missing"),
        (
            port(NUMBER, NOTE, FieldSpec("more", "string", True)),
            "breaking",
            f"in {PORT}, more is new and has no default: {RECORDS}",
        ),
        (port(NUMBER, replace(NOTE, description="new")), "metadata", f"in {PORT}, note is described differently"),
        (port(NUMBER, replace(NOTE, options={"a": 1})), "metadata", f"in {PORT}, note is described differently"),
        (
            referring(ReferenceSpec("r", ("note",), ("code",), "notes", "shop.texts/notes@1")),
            "changed",
            f"in {PORT}, note refers to shop.texts/notes@1.code from now on, and whoever publishes is held to it",
        ),
        (
            port(NUMBER, NOTE, mode=CompatibilityMode.NONE),
            "changed",
            f"compatibility of {PORT} changes from FULL_TRANSITIVE to NONE",
        ),
    ],
)
def test_each_difference_of_a_port_is_told(new: OutputPortSpec, kind: str, text: str) -> None:
    assert ports_told(new) == [(kind, "port", text)]


def test_the_mode_says_which_differences_break() -> None:
    new = port(NUMBER, FieldSpec("note", "string", True), mode=CompatibilityMode.FORWARD)
    assert ("changed", "port", f"in {PORT}, note is required from now on: {RECORDS}") in ports_told(new)


def test_a_transitive_mode_looks_at_contracts_before_the_live_one() -> None:
    more, other = FieldSpec("more", "string"), FieldSpec("more", "integer")
    earlier = {PORT: {"r1": port(NUMBER, NOTE, more).contract}}
    made = changes(OLD, replace(OLD, outputs=(port(NUMBER, NOTE, other),)), earlier)
    assert [(change.kind, change.text) for change in made] == [
        ("breaking", f"in {PORT}, more changes from string to integer: {BOTH} (as in revision r1)"),
        ("changed", f"in {PORT}, more is new and may be missing"),
    ]
    plain = port(NUMBER, NOTE, other, mode=CompatibilityMode.FULL)
    assert "breaking" not in [change.kind for change in changes(OLD, replace(OLD, outputs=(plain,)), earlier)]


def test_what_the_live_contract_broke_of_an_earlier_one_is_not_told_again() -> None:
    earlier = {PORT: {"r1": port(NUMBER, NOTE, FieldSpec("more", "string", True)).contract}}
    assert changes(OLD, replace(OLD), earlier) == []


def test_a_rename_is_said_as_one_and_is_a_removal() -> None:
    renamed = ports_told(port(NUMBER, FieldSpec("remark", "string", description="as before")))
    assert renamed == [
        (
            "breaking",
            "port",
            f"in {PORT}, note is renamed to remark, which is a removal for readers: note is gone: {READERS}",
        ),
        ("changed", "port", f"in {PORT}, remark is new and may be missing"),
    ]
    two = ports_told(port(NUMBER, FieldSpec("remark", "string"), FieldSpec("hint", "string")))
    assert two[0] == ("breaking", "port", f"in {PORT}, note is gone: {READERS}")
    other = replace(port(NUMBER, NOTE), id="shop.orders/sales@1")
    assert ports_told(other)[0][2].startswith(f"{PORT} is renamed to shop.orders/sales@1, which is a removal")
    moved = told(replace(OLD, processes=(replace(PLACE, name="buy"),)))
    assert moved[0][2] == "place is renamed to buy: its state and positions begin anew; its runs stay in the history"


def test_a_change_of_a_field_says_which_and_whom_it_hits() -> None:
    [gone] = changes(OLD, replace(OLD, outputs=(port(NUMBER),)))
    assert (gone.path, gone.code, gone.hits) == ("note", "field.removed", ("old_readers",))


def test_breaking_changes_come_first() -> None:
    new = replace(OLD, name="Others", outputs=(port(NUMBER, FieldSpec("more", "string")),))
    assert [kind for kind, _, _ in told(new)] == ["breaking", "changed", "metadata"]


def test_processes_come_and_go() -> None:
    found = told(replace(OLD, processes=(replace(PLACE, name="buy", triggers=()),)))
    assert found == [
        ("removed", "process", "place is gone; its runs stay in the history"),
        ("added", "process", "buy: by hand"),
    ]


def test_a_process_may_start_differently() -> None:
    found = told(replace(OLD, processes=(replace(PLACE, triggers=(EventTrigger("order.placed"),)),)))
    assert found == [("changed", "trigger", "place starts differently: POST /orders → the event order.placed")]


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ((StepSpec("add", "add", {"limit": 2}),), "place is add"),
        ((*PLACE.steps, StepSpec("reply", "reply")), "place is add → reply"),
    ],
)
def test_a_process_may_have_other_steps_or_settings(steps: tuple[StepSpec, ...], text: str) -> None:
    assert told(replace(OLD, processes=(replace(PLACE, steps=steps),))) == [("changed", "process", text)]


def test_logic_is_compared_by_its_digest() -> None:
    same = replace(OLD.logic[0], line=99, description="moved")
    assert told(replace(OLD, logic=(same,))) == []
    assert told(replace(OLD, logic=(replace(same, digest="x"),))) == [("changed", "logic", "add has other code")]
    assert told(replace(OLD, logic=(replace(same, name="sum"),))) == [
        ("added", "logic", "sum is new"),
        ("removed", "logic", "add is gone"),
    ]


def test_a_translator_is_compared_by_its_digest_and_told_with_its_direction() -> None:
    newer = replace(port(NUMBER, NOTE), id="shop.orders/orders@2", version="2.0.0")
    newer = replace(newer, contract=replace(newer.contract, version="2.0.0", window=Window(1, "upgrade", "downgrade")))
    old = replace(OLD, outputs=(port(NUMBER, NOTE), newer), translators={"upgrade": "a", "downgrade": "b"})
    new = replace(old, translators={"upgrade": "a", "downgrade": "c"})
    [change] = made = changes(old, new)
    assert (change.kind, change.what, change.id) == ("changed", "translator", "downgrade")
    assert change.text == (
        f"downgrade, which translates shop.orders/orders@2 into {PORT}, has other code; "
        "what it has translated stays as it is"
    )
    assert touched(old, new, made) == [PORT]
    assert changes(replace(old, translators={}), new) == [], "an older Hansa kept no digests of translators"


def test_inputs_are_compared_by_their_port_not_by_their_name() -> None:
    assert told(replace(OLD, inputs=(InputPortSpec("other", "shop.prices/prices@1"),))) == []
    assert told(replace(OLD, inputs=(InputPortSpec("prices", "shop.prices/prices@2"),))) == [
        ("added", "input", "it reads shop.prices/prices@2 from now on"),
        ("removed", "input", "it does not read shop.prices/prices@1 any more"),
    ]


@pytest.mark.parametrize(
    ("new", "text"),
    [
        (
            replace(OLD, outputs=(replace(port(NUMBER, NOTE), partitions=4),)),
            f"partitions of {PORT} changes from 1 to 4",
        ),
        (replace(OLD, outputs=(replace(port(NUMBER, NOTE), retention_s=60.0),)), "changes from none to 60.0"),
        (
            replace(OLD, outputs=(replace(port(), contract=replace(port(NUMBER, NOTE).contract, subject="note")),)),
            f"subject of {PORT} changes from none to note",
        ),
        (replace(OLD, processes=(replace(PLACE, timeout_s=5.0),)), "timeout_s of place changes from 180.0 to 5.0"),
        (replace(OLD, processes=(replace(PLACE, retry=RetryPolicy(3)),)), "attempts of place changes from 1 to 3"),
        (replace(OLD, limits=LimitSpec(workers_max=8)), "workers_max of shop.orders changes from 2 to 8"),
        (replace(OLD, requirements=("pandas",)), "requirements of shop.orders changes from none to pandas"),
    ],
)
def test_settings_are_told_as_they_were_and_as_they_will_be(new: ProductSpec, text: str) -> None:
    ((kind, _, said),) = told(new)
    assert kind == "changed"
    assert said.endswith(text)


@pytest.mark.parametrize(
    ("name", "value"), [("name", "x"), ("description", "x"), ("version", "9.0.0"), ("owner", "x"), ("tags", ("x",))]
)
def test_metadata_is_told_by_its_name(name: str, value: Any) -> None:
    assert told(replace(OLD, **{name: value})) == [("metadata", "product", f"its {name} changes")]


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (HttpTrigger("GET", "/a"), "GET /a"),
        (PortTrigger(PORT), f"records of {PORT}"),
        (EventTrigger("order.placed"), "the event order.placed"),
        (ScheduleTrigger(cron="0 5 * * *", timezone="Europe/Berlin"), "0 5 * * * (Europe/Berlin)"),
        (ScheduleTrigger(every_s=0.2), "every 0.2 s"),
        (OnceTrigger(), "once, when it is deployed"),
        (OnceTrigger("2026-01-01T00:00:00Z"), "once at 2026-01-01T00:00:00Z"),
        (ManualTrigger(), "by hand"),
    ],
)
def test_triggers_are_told_in_words(trigger: Trigger, words: str) -> None:
    assert triggers_in_words(ProcessSpec("p", (), (trigger, HttpTrigger("PUT", "/b")))) == f"{words}, PUT /b"


def test_a_contract_that_loses_its_subject_breaks_its_promise_to_persons() -> None:
    named = replace(OLD, outputs=(replace(port(), contract=replace(port(NUMBER, NOTE).contract, subject="note")),))
    silent = replace(OLD, outputs=(replace(port(), contract=port(NUMBER, NOTE).contract),))
    (change,) = changes(named, silent)
    assert (change.kind, "written in clear" in change.text) == ("breaking", True)
    assert [c.kind for c in changes(silent, named)] == ["changed"]


def test_a_trigger_that_reads_the_same_is_told_by_what_changes_in_it() -> None:
    def spec(schema: dict[str, str]) -> ProductSpec:
        route = HttpTrigger("POST", "/shop/web/orders", body_schema=schema)
        return ProductSpec("shop.web", "Web", processes=(ProcessSpec("take", (), triggers=(route,)),))

    (change,) = changes(spec({"type": "string"}), spec({"type": "integer"}))
    assert change.text == "take starts with POST /shop/web/orders as before, but changes its body schema"


def test_dates_windows_and_what_an_author_announces_are_told() -> None:
    old = replace(port(NUMBER), contract=replace(port(NUMBER).contract, dates=Dates(None, None, JUNE)))
    before = replace(OLD, outputs=(old,))
    gone = replace(old, deprecated=True, contract=replace(old.contract, dates=NO_DATES, on_violation="quarantine"))
    newer = replace(
        port(NUMBER), id=PORT.replace("@1", "@2"),
        contract=replace(port(NUMBER).contract, dates=Dates(JUNE), window=Window(1, "up", "down")),
    )  # fmt: skip
    assert [(c.kind, c.what, c.text) for c in changes(before, replace(OLD, outputs=(gone, newer)))] == [
        ("added", "port", "shop.orders/orders@2 is new, a stream"),
        ("added", "port", "shop.orders/orders@2 can be counted on from 2031-06-01; no such date was set before"),
        (
            "added",
            "port",
            "shop.orders/orders@2 is served beside shop.orders/orders@1: up translates up and down down",
        ),
        ("changed", "port", f"on_violation of {PORT} changes from refuse to quarantine"),
        ("changed", "port", f"deprecated of {PORT} changes from no to yes"),
        ("removed", "port", f"the end of life of {PORT} is taken back; it was 2031-06-01"),
    ]
