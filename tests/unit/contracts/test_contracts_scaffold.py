"""A first contract from what is there: types, samples, schemas of other tools."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.parquet
import pytest

from hansa.contracts.scaffold import avro, json_schema, protobuf, python_type
from hansa.contracts.scaffold.draft import Draft, document_of
from hansa.contracts.scaffold.source import ROWS_MAX, read_source
from hansa.errors import AuthorError
from hansa.model.product import FieldSpec


def told(draft: Draft) -> dict[str, tuple[str, bool, dict[str, Any]]]:
    return {one.name: (one.type, one.required, one.options) for one in draft.fields}


class Class(Enum):
    FIRST = "first"
    SECOND = "second"


class Seat(TypedDict, total=False):
    row: int
    letter: str


@dataclass
class Ticket:
    """What a passenger holds."""

    id: UUID
    price: Decimal
    day: date
    bought_at: Annotated[datetime, msgspec.Meta(tz=True)]
    code: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$", description="Of the airline.")]
    class_: Class = Class.SECOND
    kind: Literal["single", "return"] | None = None
    seats: list[Seat] = field(default_factory=list)
    miles: Annotated[int, msgspec.Meta(ge=0)] = 0
    extra: dict[str, float] | None = None
    odd: int | str = 0


def test_a_dataclass() -> None:
    draft = python_type.read(Ticket)
    assert (draft.name, draft.description) == ("Ticket", "What a passenger holds.")
    assert told(draft) == {
        "id": ("string", True, {"format": "uuid"}),
        "price": ("number", True, {"physicalType": "decimal"}),
        "day": ("date", True, {}),
        "bought_at": ("timestamp", True, {"timezone": True}),
        "code": ("string", True, {"pattern": "^[A-Z]{2}$"}),
        "class_": ("string", True, {"enum": ["first", "second"], "default": "second"}),
        "kind": ("string", False, {"enum": ["return", "single"]}),
        "seats": ("array", True, {}),
        "miles": ("integer", True, {"minimum": 0, "default": 0}),
        "extra": ("map", False, {}),
        "odd": ("any", True, {}),
    }
    seats = next(one for one in draft.fields if one.name == "seats")
    assert seats.items is not None
    assert [(one.name, one.type, one.required) for one in seats.items.fields] == [
        ("letter", "string", False),
        ("row", "integer", False),
    ]
    assert [one.description for one in draft.fields if one.name == "code"] == ["Of the airline."]
    assert draft.notes == (
        "price: give its precision and scale, physicalType decimal(p, s)",
        "odd: it is one of several types; its type is left open",
    )


class Node(msgspec.Struct):
    name: str
    children: list[Node] = []


def refused(read: Any, *given: Any) -> AuthorError:
    with pytest.raises(AuthorError) as raised:
        read(*given)
    return raised.value


RECURSIVE_AVRO = {
    "type": "record",
    "name": "Node",
    "fields": [{"name": "children", "type": {"type": "array", "items": "Node"}}],
}
RECURSIVE_JSON = {"title": "Node", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}
RECURSIVE_PROTO = 'syntax = "proto3"; message Node { repeated Node children = 1; }'


@pytest.mark.parametrize(
    ("read", "source", "path"),
    [
        (python_type.read, Node, "children[]"),
        (avro.read, RECURSIVE_AVRO, "children[]"),
        (json_schema.read, RECURSIVE_JSON, "children[].children[]"),
        (protobuf.read, RECURSIVE_PROTO, "children[]"),
    ],
)
def test_types_that_contain_themselves_are_refused(read: Any, source: Any, path: str) -> None:
    error = refused(read, source)
    assert (error.code, error.details["path"]) == ("schema.recursive", path)


def test_a_python_type_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text("import msgspec\n\nclass Order(msgspec.Struct):\n    id: str\n")
    assert told(read_source(f"{tmp_path}/made.py:Order")) == {"id": ("string", True, {})}
    assert refused(read_source, f"{tmp_path}/made.py:Missing").code == "source.unreadable"


CSV = """\
id;zip;amount;late;day;at;run
1;01067;1.5;true;2013-01-01;2013-01-01T05:15:00Z;018f3f2e-0000-7000-8000-000000000001
2;99999;;false;2013-01-02;2013-01-01T05:15:00+01:00;018f3f2e-0000-7000-8000-000000000002
"""


def test_a_csv_sample(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(CSV)
    assert told(read_source(str(tmp_path / "orders.csv"))) == {
        "id": ("integer", True, {}),
        "zip": ("string", True, {}),
        "amount": ("number", False, {}),
        "late": ("boolean", True, {}),
        "day": ("date", True, {}),
        "at": ("timestamp", True, {"timezone": True}),
        "run": ("string", True, {"format": "uuid"}),
    }


def test_samples_of_json_and_ndjson(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "lines": [{"sku": "a"}, {"sku": "b", "n": 2}], "x": None, "mixed": 1, "at": "2013-01-01T05:15:00"},
        {"id": 2.5, "lines": [], "mixed": "b", "at": "2013-01-01T05:15:00"},
    ]
    (tmp_path / "orders.json").write_text(json.dumps(rows))
    (tmp_path / "orders.ndjson").write_text("\n\n".join(map(json.dumps, rows)))
    draft = read_source(str(tmp_path / "orders.json"))
    assert told(draft) == {
        "id": ("number", True, {}),
        "lines": ("array", True, {}),
        "x": ("any", False, {}),
        "mixed": ("any", True, {}),
        "at": ("timestamp", True, {"timezone": False}),
    }
    assert draft.fields[1].items == FieldSpec(
        "lines", "object", True, fields=(FieldSpec("sku", "string", True), FieldSpec("n", "integer", False))
    )
    assert [note.partition(":")[0] for note in draft.notes] == ["x", "mixed"]
    assert read_source(str(tmp_path / "orders.ndjson")) == draft


def test_a_stream_is_read_as_far_as_it_is_looked_at() -> None:
    lines = [b'{"id": "a", "count": 1}\n', b"\n", b'{"id": "b"}\n', *[b'{"id": "c"}\n'] * (2 * ROWS_MAX)]
    stream = io.BytesIO(b"".join(lines))
    assert told(read_source("-", stream=stream)) == {
        "id": ("string", True, {}), "count": ("integer", False, {}),
    }  # fmt: skip
    assert stream.readline() == b'{"id": "c"}\n', "the rest is left"
    for wrong in (b"", b"[1]\n", b"{no\n"):
        with pytest.raises(AuthorError, match=r"one for each record|one on a line"):
            read_source("-", stream=io.BytesIO(wrong))


def test_a_parquet_file(tmp_path: Path) -> None:
    table = pa.table({"id": pa.array([1], pa.int32()), "at": pa.array([None], pa.timestamp("ms", "UTC"))})
    pyarrow.parquet.write_table(table, tmp_path / "orders.parquet")
    assert told(read_source(str(tmp_path / "orders.parquet"))) == {
        "id": ("integer", False, {"format": "i32"}),
        "at": ("timestamp", False, {"physicalType": "timestamp(3)", "timezone": True}),
    }


OPENAPI = """\
openapi: 3.1.0
info: {title: Orders, version: 1.0.0}
paths: {}
components:
  schemas:
    Money: {type: string, format: decimal}
    Line: {type: object, required: [sku], properties: {sku: {type: string}}}
    Order:
      allOf:
        - type: object
          required: [id, total]
          properties: {id: {type: integer, format: int64}, total: {$ref: "#/components/schemas/Money"}}
        - type: object
          required: [state]
          properties:
            state: {enum: [open, paid], description: How far it is.}
            note: {type: [string, "null"], maxLength: 10}
            lines: {type: array, items: {$ref: "#/components/schemas/Line"}}
            shop: {anyOf: [{$ref: "#/components/schemas/Line"}, {type: "null"}]}
            tags: {type: object, additionalProperties: {type: boolean}}
"""


def test_a_schema_of_openapi(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text(OPENAPI)
    draft = read_source(str(tmp_path / "api.yaml"), "Order")
    assert told(draft) == {
        "id": ("integer", True, {"format": "i64"}),
        "total": ("number", True, {"physicalType": "decimal"}),
        "state": ("string", True, {"enum": ["open", "paid"]}),
        "note": ("string", False, {"maxLength": 10}),
        "lines": ("array", False, {}),
        "shop": ("object", False, {}),
        "tags": ("map", False, {}),
    }
    assert "Money, Line, Order" in str(refused(read_source, str(tmp_path / "api.yaml")).hint)


PROTO = """\
syntax = "proto3";
package shop.v1;
import "google/protobuf/timestamp.proto";
// One order.
message Order {
  string id = 1; // unique
  optional uint32 count = 2;
  google.protobuf.Timestamp paid_at = 3;
  State state = 4;
  repeated Line lines = 5;
  map<string, Line> by_shop = 6;
  oneof payer { string person = 7; string firm = 8; }
  message Line { double price = 1; }
}
enum State { STATE_UNSPECIFIED = 0; STATE_OPEN = 1; }
"""


def test_a_proto_file(tmp_path: Path) -> None:
    (tmp_path / "order.proto").write_text(PROTO)
    draft = read_source(str(tmp_path / "order.proto"))
    assert draft.description == "One order."
    assert {name: (kind, required) for name, (kind, required, _) in told(draft).items()} == {
        "id": ("string", True),
        "count": ("integer", False),
        "paid_at": ("timestamp", False),
        "state": ("string", True),
        "lines": ("array", True),
        "by_shop": ("map", True),
        "person": ("string", False),
        "firm": ("string", False),
    }
    assert draft.fields[3].options == {"enum": ["OPEN"]}
    assert draft.fields[4].items is not None
    assert [one.name for one in draft.fields[4].items.fields] == ["price"]


MANIFEST = {
    "metadata": {"dbt_version": "1.10"},
    "nodes": {
        "model.shop.orders": {
            "resource_type": "model",
            "name": "orders",
            "description": "Every order.",
            "constraints": [{"type": "primary_key", "columns": ["id"]}],
            "columns": {
                "id": {"name": "id", "data_type": "bigint", "description": "Its number."},
                "state": {"name": "state", "data_type": "varchar(8)", "constraints": [{"type": "not_null"}]},
                "paid_at": {"name": "paid_at", "data_type": "timestamp with time zone"},
                "total": {"name": "total", "data_type": "decimal(10, 2)"},
                "loose": {"name": "loose"},
            },
        },
        "test.shop.accepted": {
            "resource_type": "test",
            "name": "accepted",
            "attached_node": "model.shop.orders",
            "column_name": "state",
            "test_metadata": {"name": "accepted_values", "kwargs": {"values": ["open", "paid"]}},
        },
        "test.shop.not_null": {
            "resource_type": "test",
            "name": "not_null",
            "attached_node": "model.shop.orders",
            "column_name": "total",
            "test_metadata": {"name": "not_null", "kwargs": {}},
        },
    },
}


def test_a_dbt_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    draft = read_source(str(tmp_path / "manifest.json"))
    assert told(draft) == {
        "id": ("integer", True, {"physicalType": "bigint"}),
        "state": ("string", True, {"physicalType": "varchar(8)", "enum": ["open", "paid"]}),
        "paid_at": ("timestamp", False, {"physicalType": "timestamp with time zone"}),
        "total": ("number", True, {"physicalType": "decimal(10, 2)"}),
        "loose": ("any", False, {}),
    }
    assert draft.fields[0].primary_key_position == 1
    assert draft.notes == ("loose: it has no data_type; its type is left open",)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.json", "{"),
        ("x.json", "[1, 2]"),
        ("x.csv", "a,b\n"),
        ("x.avsc", '{"type": "string"}'),
        ("x.avsc", '{"type": "record", "name": "A", "fields": [{"name": "a"}]}'),
        ("x.json", '{"$schema": "x", "type": "string"}'),
        ("x.json", '{"$schema": "x", "properties": {"a": {"$ref": "#/$defs/b"}}}'),
        ("x.json", '{"metadata": {}, "nodes": {}}'),
        ("x.parquet", "no"),
        ("x.txt", "a"),
        ("x.csv", "\udcff"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert refused(read_source, str(tmp_path / name)).code == "source.unreadable"


def test_the_document_is_one_of_odcs() -> None:
    document = document_of(Draft("orders", (FieldSpec("id", "string", True, options={"enum": ["a"]}),)), "shop.orders")
    assert document == {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "shop.orders",
        "version": "1.0.0",
        "status": "draft",
        "schema": [
            {
                "name": "orders",
                "properties": [{"name": "id", "logicalType": "string", "required": True, "enum": [{"value": "a"}]}],
            }
        ],
    }
