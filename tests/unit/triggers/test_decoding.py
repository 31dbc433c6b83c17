"""What stands in messages of other systems."""

from __future__ import annotations

import io
import json

import fastavro
import pytest

from hansa.errors import CallerError, OperatorError
from hansa.triggers.decoding import Decoding, Kind

AVRO = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "n", "type": "int"}]})
PROTO = 'syntax = "proto3"; message Other { int32 x = 1; } message Order { int32 n = 1; message Line { int32 m = 1; } }'
SCHEMAS = {1: ("AVRO", AVRO), 2: ("JSON", "{}"), 3: ("PROTOBUF", PROTO)}


def avro(n: int) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(AVRO)), {"n": n})
    return out.getvalue()


def framed(number: int, body: bytes) -> bytes:
    return b"\0" + number.to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("json", b'{"n": 1}', {"n": 1}),
        ("text", "ü".encode(), "ü"),
        ("bytes", b"\xff", b"\xff"),
        ("registry", framed(1, avro(-5)), {"n": -5}),
        ("registry", framed(2, b'{"n": 2}'), {"n": 2}),
        ("registry", framed(3, b"\0\x08\x07"), {"x": 7}),
        ("registry", framed(3, b"\x02\x02\x08\x07"), {"n": 7}),
        ("registry", framed(3, b"\x04\x02\0\x08\x07"), {"m": 7}),
    ],
)
def test_a_message_is_what_its_trigger_says(kind: Kind, data: bytes, expected: object) -> None:
    assert Decoding(kind, SCHEMAS.__getitem__)(data, {"a": "b"}) == (expected, {"a": "b"})


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("json", b"{"),
        ("text", b"\xff"),
        ("registry", b'{"n": 1}'),
        ("registry", b"\0\0"),
        ("registry", framed(1, b"")),
        ("registry", framed(3, b"\0\xff")),
    ],
)
def test_what_is_something_else_cannot_be_decoded(kind: Kind, data: bytes) -> None:
    with pytest.raises(CallerError, match="cannot be decoded") as caught:
        Decoding(kind, SCHEMAS.__getitem__)(data, {})
    assert caught.value.code == "kafka.undecodable"


def test_without_a_registry_the_operator_is_told_and_nothing_is_lost() -> None:
    with pytest.raises(OperatorError) as caught:
        Decoding("registry", None)(framed(1, b""), {})
    assert caught.value.code == "kafka.registry"


def test_a_cloudevent_in_structured_mode_is_its_data_with_its_attributes_as_headers() -> None:
    event = {"specversion": "1.0", "type": "a.b", "data": {"n": 1}}
    headers = {"content-type": "application/cloudevents+json; charset=UTF-8"}
    value, found = Decoding("json", None)(json.dumps(event).encode(), headers)
    assert value == {"n": 1}
    assert found == {**headers, "ce_specversion": "1.0", "ce_type": "a.b"}
    event = {"specversion": "1.0", "type": "a.b", "data_base64": "AQ=="}
    assert Decoding("json", None)(json.dumps(event).encode(), headers)[0] == b"\x01"
