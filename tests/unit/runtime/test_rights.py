"""What a worker's answer may hold: everything an honest one says, and nothing beyond the process's rights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from hansa.model.product import (
    ContractSpec,
    FieldSpec,
    InputPortSpec,
    OutputPortSpec,
    PortKind,
    ProcessSpec,
    ProductSpec,
    StepSpec,
)
from hansa.model.run import RunError
from hansa.runtime import wire
from hansa.runtime.rights import SAID_PER_S_MAX, UNANSWERED_MAX, Meter, Rights

FIELDS = (FieldSpec("a", "integer"),)
PLAIN = OutputPortSpec("shop.orders/orders@1", "orders", "1.0.0", PortKind.STREAM, ContractSpec("o", "1.0.0", FIELDS))
PERSONAL = OutputPortSpec(
    "shop.orders/buyers@1", "buyers", "1.0.0", PortKind.STREAM, ContractSpec("b", "1", FIELDS, subject="name"),
    partitions=4,
)  # fmt: skip
PRODUCT = ProductSpec(
    "shop.orders", "Orders", outputs=(PLAIN, PERSONAL), inputs=(InputPortSpec("rates", "bank.rates/rates@1"),)
)
PROCESS = ProcessSpec("load", (StepSpec("a", "a"), StepSpec("b", "b")), durability="step")
RIGHTS = Rights(PRODUCT, "r1", PROCESS)
TASK = wire.Task(1, "load", "run 1", 1, "ada", b"", [wire.Records("bank.rates/rates@1", 0, 0, 2, 0, b"")])


def entries(*pairs: Any) -> bytes:
    return b"".join(msgspec.msgpack.encode(pair) for pair in pairs)


def done(**fields: Any) -> wire.Done:
    return wire.Done(1, "succeeded", 200, b"", "", 1, [], **fields)


def published(topic: str = PLAIN.id, partition: int = 0, count: int = 1, data: bytes = b"", **more: Any) -> wire.Done:
    return done(effects=[wire.Effect(topic, partition, count, data or entries(("k", {"a": 1})), **more)])


def emitted(**changed: Any) -> wire.Done:
    body = {"name": "n", "product": "shop.orders", "process": "load", "revision": "r1", "run": "run 1"}
    event = entries((None, {**body, "principal": "ada", "payload": {"deep": [1]}, **changed}))
    return done(effects=[wire.Effect("_events", 0, 1, event)])


@pytest.mark.parametrize(
    "message",
    [
        done(),
        published(),
        published(count=2, data=entries(("a", {}), (None, {"a": None}))),
        published(PERSONAL.id, 3, subject="Ada"),
        emitted(),
        done(puts=[wire.StatePut("", b"\x01", None)]),
        done(lookups=[("bank.rates/rates@1", 7), (PLAIN.id, 0)]),
        done(refused=[(1, b"", RunError("a", "b"))]),
        done(chunk=1, position=b"\x01"),
        wire.StepDone(1, 1, msgspec.msgpack.encode(wire.Step(b""))),
        wire.Ask(1, 1, "state", ["get", "k"]),
    ],
)
def test_what_an_honest_worker_says_is_taken(message: Any) -> None:
    assert RIGHTS.breach(TASK, message) is None


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (published("shop.other/orders@1"), "no output port"),
        (published("_runs"), "no output port"),
        (published(partition=1), "partition 1"),
        (published(partition=-1), "partition -1"),
        (published(count=2), "cannot be read"),
        (published(count=0), "published 0 records"),
        (published(count=1 << 40), "cannot be read"),
        (published(data=entries([7, {}])), "cannot be read"),
        (published(data=entries(("k", {}, 1))), "cannot be read"),
        (published(subject="Ada"), "named a person"),
        (emitted(product="bank.rates"), "in the name of bank.rates"),
        (emitted(process="other"), "in the name of"),
        (emitted(run="run 2"), "in the name of"),
        (emitted(revision="r0"), "in the name of"),
        (emitted(principal="admin"), "in the name of"),
        (emitted(name=""), "0 characters"),
        (emitted(name=5), "cannot be read"),
        (done(effects=[wire.Effect("_events", 1, 0, b"")]), "partition 1"),
        (done(puts=[wire.StatePut("k" * 1025, b"", None)]), "1025 characters"),
        (done(lookups=[("bank.other/rates@1", 1)]), "no input"),
        (done(lookups=[(PLAIN.id, -1)]), "at -1"),
        (done(refused=[(2, b"", RunError("a", "b"))]), "refused 1 records of 2"),
        (done(chunk=0), "chunk 0"),
        (done(output="x" * 70_000), "70000 characters"),
        (wire.Done(1, "succeeded", 99, b"", "", 1, []), "status 99"),
        (wire.Done(1, "accepted", 200, b"", "", 1, []), "'accepted'"),
        (wire.Done(1, "failed", 500, b"", "", -1, []), "-1 µs"),
        (wire.StepDone(1, 2, b""), "step 2"),
        (wire.StepDone(1, -1, b""), "step -1"),
        (wire.Ask(1, 1, "exec", []), "'exec'"),
        (wire.Loaded(b"", [], {}), "Loaded"),
    ],
)
def test_what_goes_beyond_is_named(message: Any, said: str) -> None:
    assert said in (RIGHTS.breach(TASK, message) or "")


def test_only_a_process_that_journals_may_journal() -> None:
    rights = Rights(PRODUCT, "r1", ProcessSpec("load", PROCESS.steps))
    assert "step 0" in (rights.breach(TASK, wire.StepDone(1, 0, b"")) or "")


def test_a_step_is_journalled_once() -> None:
    rights = Rights(PRODUCT, "r1", replace(PROCESS, durability="step"))
    step = wire.StepDone(1, 0, msgspec.msgpack.encode(wire.Step(b"")))
    assert rights.breach(TASK, step) is None
    assert "twice" in str(rights.breach(msgspec.structs.replace(TASK, steps={0: b""}), step))


def test_who_says_too_much_at_once_or_in_a_second_is_named() -> None:
    meter = Meter()
    ask = wire.Ask(1, 1, "state", [])
    assert [meter.breach(ask, 5.0) for _ in range(UNANSWERED_MAX)] == [None] * UNANSWERED_MAX
    meter.answered()
    assert meter.breach(ask, 5.1) is None
    assert "at once" in str(meter.breach(ask, 5.2))
    meter = Meter()
    for _ in range(SAID_PER_S_MAX):
        assert meter.breach(ask, 5.0) is None
        meter.answered()
    assert "in a second" in str(meter.breach(ask, 5.9))
    assert meter.breach(ask, 6.0) is None


def test_steps_are_as_many_as_the_server_gives_tasks() -> None:
    meter = Meter()
    step = wire.StepDone(1, 0, b"")
    assert {meter.breach(step, 5.0) for _ in range(3 * SAID_PER_S_MAX)} == {None}
