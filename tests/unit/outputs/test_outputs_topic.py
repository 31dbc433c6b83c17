"""Which ports have a topic, how it is kept, and what stands there for the entries of the log."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from hansa.contracts.schemas.wire import wire_schema
from hansa.errors import AuthorError
from hansa.eventlog.interface import FORGOTTEN, WITHHELD, Chunk, encode_entry
from hansa.model.ids import PortId
from hansa.model.product import ContractSpec, FieldSpec, OutputPortSpec, PortKind, ProductSpec
from hansa.outputs.topic import Encoding, is_published, notes_on, published, topic_config

FIELDS = (FieldSpec("id", "string", required=True), FieldSpec("minutes", "integer"))
CONTRACT = ContractSpec("trips", "1.0.0", FIELDS, key=("id",), wire_format="json")
PORT = OutputPortSpec("air.wires/trips@1", "trips", "1.0.0", PortKind.STREAM, CONTRACT)
DAY_S = 86_400.0
TIME_US = 1_772_357_400_000_001


def of_person(port: OutputPortSpec, *, on_kafka: bool = False) -> OutputPortSpec:
    return replace(port, contract=replace(port.contract, subject="id", on_kafka=on_kafka))


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (PORT, True),
        (replace(PORT, kind=PortKind.LOOKUP), True),
        (replace(PORT, kind=PortKind.API), False),
        (of_person(PORT), False),
        (of_person(PORT, on_kafka=True), True),
    ],
)
def test_a_port_has_a_topic_unless_its_records_are_a_persons(port: OutputPortSpec, *, expected: bool) -> None:
    assert is_published(port) is expected
    spec = ProductSpec("air.wires", "Wires", outputs=(port,))
    assert [made.topic for made in published([spec], "x-").values()] == ["x-air-wires-trips-v1"] * expected


@pytest.mark.parametrize(
    ("kind", "key", "retention_s", "expected"),
    [
        (PortKind.STREAM, ("id",), None, ("delete", "-1")),
        (PortKind.STREAM, ("id",), DAY_S, ("delete", "86400000")),
        (PortKind.LOOKUP, ("id",), None, ("compact", "-1")),
        (PortKind.LOOKUP, ("id",), DAY_S, ("compact,delete", "86400000")),
        (PortKind.TABLE, (), None, ("delete", "-1")),
    ],
)
def test_a_topic_is_kept_as_the_contract_says(
    kind: PortKind, key: tuple[str, ...], retention_s: float | None, expected: tuple[str, str]
) -> None:
    port = replace(PORT, kind=kind, retention_s=retention_s, contract=replace(CONTRACT, key=key))
    assert topic_config(port) == dict(zip(("cleanup.policy", "retention.ms"), expected, strict=True))


def test_the_plan_says_what_a_topic_means_for_persons() -> None:
    kept = replace(of_person(PORT, on_kafka=True), retention_s=2 * DAY_S)
    (note,) = notes_on(ProductSpec("air.wires", "Wires", outputs=(kept, replace(PORT, id="air.wires/bills@1"))))
    assert "air-wires-trips-v1" in note
    assert "after 2 days" in note
    (note,) = notes_on(ProductSpec("air.wires", "Wires", outputs=(replace(kept, retention_s=None),)))
    assert "never" in note
    latest = replace(kept, kind=PortKind.LOOKUP)
    (note,) = notes_on(ProductSpec("air.wires", "Wires", outputs=(latest,)))
    assert "their keys are deleted" in note


def encoding() -> Encoding:
    return Encoding(PortId.parse(PORT.id), CONTRACT, wire_schema(CONTRACT, "value"), 7)


def chunk(*entries: bytes, **header: object) -> Chunk:
    return Chunk(PORT.id, 2, 10, len(entries), TIME_US, {"run": "r", **header}, b"".join(entries))


def test_an_entry_is_a_cloudevent_with_its_record_behind_the_framing() -> None:
    (made,) = encoding().messages(chunk(encode_entry("a", {"id": "a", "minutes": 3}), trace="00-1-2-01"), 0)
    assert (made.position, made.key, made.time_ms) == (10, b"a", TIME_US // 1000)
    assert made.value is not None
    assert made.value[:5] == b"\0\0\0\0\7"
    assert msgspec.json.decode(made.value[5:]) == {"id": "a", "minutes": 3}
    assert dict(made.headers) == {
        "ce_id": b"2-00000000000000000010", "ce_specversion": b"1.0", "ce_type": b"air.wires.trips.v1",
        "ce_source": b"urn:hansa:air.wires/trips@1", "ce_time": b"2026-03-01T09:30:00.000001Z", "ce_subject": b"a",
        "ce_run": b"r", "traceparent": b"00-1-2-01", "content-type": b"application/json",
    }  # fmt: skip


def test_a_deletion_has_no_value_and_what_is_blank_is_not_there() -> None:
    gone = encode_entry("a", None)
    (made,) = encoding().messages(chunk(FORGOTTEN, gone), 0)
    assert (made.position, made.key, made.value) == (11, b"a", None)
    assert "content-type" not in dict(made.headers)
    assert list(encoding().messages(chunk(FORGOTTEN, **{WITHHELD: True}), 0)) == []
    assert list(encoding().messages(chunk(gone, gone)._replace(person=1), 0)) == []


def test_what_stood_before_is_not_given_again() -> None:
    entries = [encode_entry(name, {"id": name}) for name in "abc"]
    assert [message.key for message in encoding().messages(chunk(*entries), 12)] == [b"c"]


def test_a_record_that_its_format_cannot_carry_is_refused_and_not_changed() -> None:
    fields = (FieldSpec("id", "string", required=True), FieldSpec("minutes", "integer", required=True))
    contract = replace(CONTRACT, fields=fields, wire_format="avro")
    made = Encoding(PortId.parse(PORT.id), contract, wire_schema(contract, "value"), 7)
    with pytest.raises(AuthorError, match="position 10"):
        list(made.messages(chunk(encode_entry("a", {"id": "a"})), 0))
