"""A verdict on Avro schemas is kept by real data: what the old schema wrote, a compatible new one reads as the same."""

from __future__ import annotations

import copy
import io
import json
from typing import Any
from uuid import UUID

import fastavro
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hansa.contracts.compatibility.avro import breaks, parse
from hansa.contracts.compatibility.kinds import KINDS
from hansa.contracts.compatibility.verdict import SchemaText

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
LOGICAL = [
    {"type": "int", "logicalType": "date"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "string", "logicalType": "uuid"},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 4},
    {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
]
ENUMS = [
    {"type": "enum", "name": "Color", "symbols": ["red", "green", "blue"]},
    {"type": "enum", "name": "Color", "symbols": ["red", "green"]},
    {"type": "enum", "name": "Color", "symbols": ["red", "other"], "default": "other"},
]
FIXED = [{"type": "fixed", "name": "Hash", "size": size} for size in (2, 4)]
SIMPLE = [*PRIMITIVES, *LOGICAL, *ENUMS, *FIXED]
DEFAULTS = {
    "null": None,
    "boolean": True,
    "int": 7,
    "long": 7,
    "float": 0.5,
    "double": 0.5,
    "string": "d",
    "bytes": "d",
}


def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        inner.map(lambda items: {"type": "array", "items": items}),
        inner.map(lambda values: {"type": "map", "values": values}),
        st.sampled_from(PRIMITIVES[1:]).map(lambda name: ["null", name]),
        st.sampled_from([["int", "string"], ["null", "long", "string"], ["string", "null"], ["float", "bytes"]]),
    )


TYPES = st.recursive(st.sampled_from(SIMPLE), grown, max_leaves=2)


@st.composite
def records(draw: st.DrawFn, types: st.SearchStrategy[Any] = TYPES) -> dict[str, Any]:
    fields = []
    for name in draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True)):
        kind = draw(types)
        field: dict[str, Any] = {"name": name, "type": kind}
        if isinstance(kind, str) and draw(st.booleans()):
            field["default"] = DEFAULTS[kind]
        if draw(st.integers(0, 5)) == 0:
            field |= {"name": f"{name}2", "aliases": [name]}
        fields.append(field)
    return {"type": "record", "name": "R", "fields": fields}


def named_once(schema: Any) -> bool:
    """Avro lets a name be defined once; what the strategies drew may not."""
    try:
        parse(SchemaText(json.dumps(schema)))
        fastavro.parse_schema(copy.deepcopy(schema))
    except Exception:
        return False
    return True


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """A record schema, and one with some of its fields of other types, gone or new."""
    old = draw(records().filter(named_once))
    new = draw(records())
    for index, field in enumerate(old["fields"]):
        if draw(st.booleans()):
            new["fields"] = [one for one in new["fields"] if one["name"] != field["name"]]
            new["fields"].insert(index, copy.deepcopy(field))
    return (old, new) if named_once(new) else (old, copy.deepcopy(old))


def raw(schema: Any) -> Any:
    """The schema without logical types: how the bytes are read before they mean anything."""
    if isinstance(schema, list):
        return [raw(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in ("logicalType", "precision", "scale")}
    for key in ("items", "values", "type"):
        if isinstance(kept.get(key), dict | list):
            kept[key] = raw(kept[key])
    return {**kept, "fields": [{**f, "type": raw(f["type"])} for f in kept["fields"]]} if "fields" in kept else kept


def value_of(schema: Any) -> st.SearchStrategy[Any]:
    if isinstance(schema, list):
        return st.one_of([value_of(branch) for branch in schema])
    if not isinstance(schema, dict):
        return {
            "null": st.none(),
            "boolean": st.booleans(),
            "int": st.integers(-(2**31), 2**31 - 1),
            "long": st.integers(-(2**53), 2**53),
            "float": st.floats(width=32, allow_nan=False),
            "double": st.floats(allow_nan=False),
            "bytes": st.text(st.characters(codec="utf-8"), max_size=4).map(str.encode),
            "string": st.text(max_size=4),
        }[schema]
    match schema["type"]:
        case "record":
            return st.fixed_dictionaries({f["name"]: value_of(f["type"]) for f in schema["fields"]})
        case "array":
            return st.lists(value_of(schema["items"]), max_size=2)
        case "map":
            return st.dictionaries(st.sampled_from(["k", "l"]), value_of(schema["values"]), max_size=2)
        case "enum":
            return st.sampled_from(schema["symbols"])
        case "fixed":
            return st.binary(min_size=schema["size"], max_size=schema["size"])
        case name:
            return value_of(name)


def carried(value: Any, written: Any) -> bool:
    """Whether a value that was read says what was written: itself, promoted, or the default of an enumeration."""
    if isinstance(value, dict) and isinstance(written, dict):
        return all(carried(value[k], written[k]) for k in value.keys() & written.keys())
    if isinstance(value, list):
        return len(value) == len(written) and all(carried(v, w) for v, w in zip(value, written, strict=True))
    if isinstance(value, bool) or isinstance(written, bool):
        return value is written
    as_bytes = [v.encode() if isinstance(v, str) else v for v in (value, written)]
    return as_bytes[0] == as_bytes[1] or (value == "other" and isinstance(written, str))


def resolved(old: Any, new: Any, value: Any) -> Any:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(raw(old))), value)
    out.seek(0)
    return fastavro.schemaless_reader(
        out, fastavro.parse_schema(copy.deepcopy(raw(old))), fastavro.parse_schema(copy.deepcopy(raw(new)))
    )


def loaded(schema: Any) -> Any:
    return parse(SchemaText(json.dumps(schema)))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs(), st.data())
def test_what_a_compatible_reader_reads_is_what_was_written(pair: tuple[Any, Any], data: st.DataObject) -> None:
    old, new = pair
    if list(breaks(loaded(old), loaded(new))):
        return
    written = data.draw(value_of(old))
    read = resolved(old, new, written)
    kinds = {field["name"]: field for field in new["fields"]}
    for name, field in kinds.items():
        source = name if name in written else next((a for a in field.get("aliases", ()) if a in written), None)
        assert carried(read[name], written[source]) if source else read[name] is not ...


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs())
def test_the_verdict_is_that_of_the_public_checker_but_for_logical_types(pair: tuple[Any, Any]) -> None:
    old, new = (loaded(schema) for schema in pair)
    public = ReaderWriterCompatibilityChecker().get_compatibility(new, old).compatibility.value
    found = [one for one in breaks(old, new) if not KINDS[one.kind].is_ours]
    assert (not found) == (public == "compatible")
    assert not any(one.kind == "schema.unread" for one in found)
    assert all(one.path for one in found)


SAMPLES: dict[str, list[Any]] = {
    "null": [None],
    "boolean": [True, False],
    "int": [0, 1, -1, 2**31 - 1],
    "long": [0, 1, -1, 2**53 + 1],
    "float": [0.5],
    "double": [0.1],
    "bytes": [b"", b"\x01", b"\xff"],
    "string": ["", "a", "6f1b2c9e-3f43-4f5b-9a52-0f2e6f0c8f11"],
    "fixed": [b"\x01\x02\x03\x04"],
}


def samples(schema: Any) -> list[Any]:
    if isinstance(schema, dict) and schema["type"] == "enum":
        return list(schema["symbols"])
    kind = schema if isinstance(schema, str) else schema["type"]
    if isinstance(schema, dict) and schema.get("logicalType") == "uuid":
        return SAMPLES["string"][2:]
    if isinstance(schema, dict) and schema.get("logicalType") == "decimal":
        return [b"\x01\x00", (10 ** schema["precision"] - 1).to_bytes(6, "big")]
    if isinstance(schema, dict) and kind in ("int", "long"):
        return [0, 1, -1, 20_000]  # within the years of Python's dates
    return [value[: schema["size"]] for value in SAMPLES[kind]] if kind == "fixed" else SAMPLES[kind]


def wrapped(schema: Any) -> Any:
    return {"type": "record", "name": "R", "fields": [{"name": "a", "type": schema}]}


def meant(schema: Any, value: Any) -> Any:
    """What a value means to a reader with the schema's logical types."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(raw(schema))), value)
    out.seek(0)
    return fastavro.schemaless_reader(out, fastavro.parse_schema(copy.deepcopy(schema)), None)["a"]


def keeps_meaning(old: Any, new: Any, value: Any) -> bool:
    try:
        read = resolved(old, new, {"a": value})
        before, after = meant(old, {"a": value}), meant(new, read)
    except Exception:
        return False
    if isinstance(before, UUID) and isinstance(after, str | bytes):
        return carried(after, str(before))
    return (type(before) is type(after) or isinstance(before, int | str)) and carried(after, before)


@pytest.mark.parametrize("old", SIMPLE, ids=json.dumps)
@pytest.mark.parametrize("new", SIMPLE, ids=json.dumps)
def test_each_pair_of_types_is_judged_as_its_data_fares(old: Any, new: Any) -> None:
    """A verdict "incompatible" has a witness among the samples, and "compatible" has none."""
    found = list(breaks(loaded(wrapped(old)), loaded(wrapped(new))))
    kept = [keeps_meaning(wrapped(old), wrapped(new), value) for value in samples(old)]
    assert all(kept) == (not found), (found, kept)
