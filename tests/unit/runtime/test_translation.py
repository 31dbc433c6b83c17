"""Translating records: every one keeps its place, those without a form in the other version are withheld in words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hansa import DataProduct, Record
from hansa.eventlog.interface import as_array, encode_entry
from hansa.model.product import ContractSpec, FieldSpec, OutputPortSpec, PortKind
from hansa.model.window import Window
from hansa.runtime import wire
from hansa.runtime.translating import is_port, translate
from hansa.runtime.translation import Translations, translations
from hansa.runtime.versions import keeps_step, passes

OLD, NEW = "yard.scale/weights@1", "yard.scale/weights@2"
UP = '{"id": id, "grams": kg * 1000}'


class Kg(Record, frozen=True):
    id: str
    kg: int


class Grams(Record, frozen=True):
    id: str
    grams: int


def port(identity: str, field: str, window: Window | None = None, partitions: int = 1) -> OutputPortSpec:
    fields = (FieldSpec("id", "string", required=True), FieldSpec(field, "integer", required=True))
    contract = ContractSpec("weights", "1.0.0", fields, key=("id",), window=window)
    return OutputPortSpec(identity, "weights", "1.0.0", PortKind.STREAM, contract, partitions=partitions)


def whole(weight: Grams) -> Kg:
    if weight.grams % 1000:
        raise ValueError(f"{weight.grams} is secret")
    return Kg(weight.id, weight.grams // 1000)


def made(upgrade: str = UP, downgrade: Any = whole, partitions: int = 1) -> Translations:
    product = DataProduct(__file__)
    product.translators = {"down": downgrade}
    window = Window(1, upgrade, "down")
    return translations(product, (port(OLD, "kg", None, partitions), port(NEW, "grams", window, partitions)))


def pairs(*values: int) -> list[tuple[str | None, Grams]]:
    return [(f"w{value}", Grams(f"w{value}", value)) for value in values]


def test_records_are_translated_in_their_order() -> None:
    down = made().between(NEW, OLD)
    found = down.of(pairs(3000, 1000))
    assert [(key, record.kg) for key, record in found.pairs] == [("w3000", 3), ("w1000", 1)]
    (effect,) = down.effects(found.pairs)
    assert (effect.topic, effect.count) == (OLD, 2)
    assert not down.is_upgrade


def changed(weight: Grams) -> Kg:
    return Kg(weight.id.upper(), 1)


def lost(weight: Grams) -> dict[str, Any]:
    return {"id": weight.id}


@pytest.mark.parametrize(
    ("downgrade", "code", "words"),
    [
        (whole, "translator.raised", "raised ValueError at test_translation.py"),
        (changed, "translator.key", "changes the key (id)"),
        (lost, "translator.contract", "kg (field.missing)"),
    ],
)
def test_a_record_without_a_form_is_withheld_and_keeps_its_place(downgrade: Any, code: str, words: str) -> None:
    downgrade.__annotations__["weight"] = Grams
    down = made(downgrade=downgrade).between(NEW, OLD)
    found = down.of(pairs(1500))
    assert found.pairs == [("w1500", None)]
    error = found.withheld[0]
    assert (error.code, words in error.message, "1500" in error.message) == (code, True, False)
    (effect,) = down.effects(found.pairs)
    assert (effect.count, effect.entries) == (1, b"")


def test_withheld_places_stand_between_the_others() -> None:
    down = made().between(NEW, OLD)
    found = down.of(pairs(1000, 1500, 1600, 2000))
    assert [(e.count, bool(e.entries)) for e in down.effects(found.pairs)] == [(1, True), (2, False), (1, True)]


def test_both_versions_stand_in_the_same_partitions() -> None:
    both = made(partitions=4)
    there = both.between(OLD, NEW)
    records = [(f"w{n}", Kg(f"w{n}", n)) for n in range(50)]
    grams = there.of(records).pairs
    back = both.between(NEW, OLD).of(grams).pairs
    up, down = there.effects(grams), both.between(NEW, OLD).effects(back)
    assert len({effect.partition for effect in up}) == 4
    assert keeps_step([*up, *down], [(OLD, NEW)])


def test_a_task_translates_into_the_partition_that_it_is_given() -> None:
    entries = b"".join(encode_entry(name, {"id": name, "kg": n}) for n, name in enumerate("abc"))
    task = wire.Task(1, NEW, "r", 1, "system", b"", [wire.Records(OLD, 3, 7, 3, 0, entries)])
    assert is_port(task.process)
    done = translate(made(partitions=4), task)
    (effect,) = done.effects
    assert (effect.topic, effect.partition, effect.count, done.refused) == (NEW, 3, 3, [])
    bodies = msgspec.msgpack.decode(as_array(effect.entries, 3))
    assert [body["grams"] for _, body in bodies] == [0, 1000, 2000]


def test_what_is_made_for_one_version_alone_does_not_keep_step() -> None:
    def effect(topic: str, partition: int, count: int) -> wire.Effect:
        return wire.Effect(topic, partition, count, b"x")

    both = [effect(OLD, 0, 2), effect(NEW, 0, 1), effect(NEW, 0, 1)]
    assert keeps_step(both, [(OLD, NEW)])
    assert keeps_step([effect("other", 0, 1)], [(OLD, NEW)])
    assert not keeps_step(both[:1], [(OLD, NEW)])
    assert not keeps_step([effect(OLD, 0, 1), effect(NEW, 1, 1)], [(OLD, NEW)])
    assert passes(both, frozenset())
    assert not passes(both, frozenset([NEW]))
