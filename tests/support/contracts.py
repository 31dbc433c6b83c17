"""Contracts of every type, and records that keep them, for properties."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from hansa.contracts.schemas import logical
from hansa.model.product import ContractSpec, FieldSpec

_WORDS = ["ada", "bert", "cleo", "dora", "emil", "fritz", "greta", "hugo"]
_PHYSICAL = {"s": "timestamp(0)", "ms": "timestamp(3)", "us": "timestamp"}


def _option(name: str, values: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(values).map(lambda value: {} if value is None else {name: value})


def _zoned(units: dict[str, str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda unit, zone: {"physicalType": unit, "timezone": zone}, st.sampled_from([*units.values()]), st.booleans()
    )


def _decimals() -> st.SearchStrategy[dict[str, Any]]:
    pairs = st.tuples(st.integers(1, 38), st.integers(0, 38)).filter(lambda pair: pair[1] <= pair[0])
    return pairs.map(lambda pair: {"physicalType": f"decimal({pair[0]}, {pair[1]})"})


SINGLES: dict[str, st.SearchStrategy[tuple[str, dict[str, Any]]]] = {
    "text": st.just(("string", {})),
    "uuid": st.just(("string", {"format": "uuid"})),
    "enum": st.lists(st.sampled_from(_WORDS), min_size=1, unique=True).map(lambda values: ("string", {"enum": values})),
    "boolean": st.just(("boolean", {})),
    "date": st.just(("date", {})),
    "integer": _option("format", [None, "i8", "i16", "i32", "i64", "u8", "u16", "u32"]).map(lambda o: ("integer", o)),
    "real": _option("format", [None, "f32", "f64"]).map(lambda o: ("number", o)),
    "decimal": _decimals().map(lambda o: ("number", o)),
    "time": st.sampled_from(["time(0)", "time(3)", "time"]).map(lambda p: ("time", {"physicalType": p})),
    "timestamp": _zoned(_PHYSICAL).map(lambda o: ("timestamp", o)),
    "vector": st.integers(1, 3).map(lambda size: ("vector", {"dimensions": size})),
}
"""Types without others in them, each of which every format carries."""


def singles(name: str = "value") -> st.SearchStrategy[FieldSpec]:
    return st.one_of(*SINGLES.values()).map(lambda pair: FieldSpec(name, pair[0], options=pair[1]))


def fields(name: str, depth: int = 2) -> st.SearchStrategy[FieldSpec]:
    """A field of any type, required or not."""
    return st.builds(
        lambda found, required: FieldSpec(
            name,
            found.type,
            required,
            "What it is.",
            fields=found.fields,
            items=found.items,
            keys=found.keys,
            options=found.options,
        ),
        _types(name, depth),
        st.booleans(),
    )


def _types(name: str, depth: int) -> st.SearchStrategy[FieldSpec]:
    if depth == 0:
        return singles(name)
    inner = _types(name, depth - 1)
    objects = _members(depth - 1).map(lambda members: FieldSpec(name, "object", fields=members))
    return st.one_of(
        singles(name),
        inner.map(lambda items: FieldSpec(name, "array", items=items)),
        inner.map(lambda items: FieldSpec(name, "map", items=items)),
        objects,
    )


def _members(depth: int) -> st.SearchStrategy[tuple[FieldSpec, ...]]:
    names = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=4, unique=True)
    return names.flatmap(lambda found: st.tuples(*(fields(name, depth) for name in found)))


def contracts() -> st.SearchStrategy[ContractSpec]:
    """Contracts that every format can carry, PostgreSQL's lists of lists aside."""
    return _members(2).map(lambda members: ContractSpec("operations.flights.departures", "1.0.0", members))


def values(kind: logical.Logical) -> st.SearchStrategy[Any]:
    """Plain values of a type."""
    match kind:
        case logical.Text():
            return st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
        case logical.Uuid():
            return st.uuids()
        case logical.Boolean():
            return st.booleans()
        case logical.Date():
            return st.dates()
        case logical.Integer():
            return st.integers(kind.minimum, kind.maximum)
        case logical.Real(bits):
            return st.floats(width=32 if bits == 32 else 64, allow_nan=False, allow_infinity=False)
        case logical.Decimal(precision, scale):
            assert precision is not None
            assert scale is not None
            top = 10**precision - 1
            return st.integers(-top, top).map(lambda number: Decimal(f"{number}e-{scale}"))
        case logical.Enumeration(_, texts):
            return st.sampled_from(texts)
        case logical.Time(unit):
            return st.times().map(lambda value: value.replace(microsecond=_cut(value.microsecond, unit)))
        case logical.Timestamp(unit, has_zone):
            moments = st.datetimes(timezones=st.just(dt.UTC) if has_zone else st.none())
            return moments.map(lambda value: value.replace(microsecond=_cut(value.microsecond, unit)))
        case logical.Sequence(item, size):
            return st.lists(values(item), min_size=size or 0, max_size=3 if size is None else size)
        case logical.Mapping(key, value):
            return st.dictionaries(values(key), values(value), max_size=3)
        case logical.Struct(_, members):
            return st.fixed_dictionaries({field.name: _member(field) for field in members})
        case _:
            raise TypeError(kind)


def _member(field: logical.Field) -> st.SearchStrategy[Any]:
    return values(field.type) if field.is_required else st.none() | values(field.type)


def _cut(microsecond: int, unit: str) -> int:
    step = {"s": 1_000_000, "ms": 1000, "us": 1}[unit]
    return microsecond // step * step


EVERY_TYPE = ContractSpec(
    "operations.flights.departures",
    "1.0.0",
    (
        FieldSpec("flight_id", "string", True, "Who flies when.", options={"minLength": 2, "pattern": "^[A-Z]"}),
        FieldSpec("run_id", "string", True, options={"format": "uuid"}),
        FieldSpec("state", "string", True, options={"enum": ["planned", "flown"]}),
        FieldSpec("is_late", "boolean", True),
        FieldSpec("day", "date", True),
        FieldSpec("seats", "integer", True, options={"format": "i16", "minimum": 1}),
        FieldSpec("delay_min", "number", options={}),
        FieldSpec("price", "number", options={"physicalType": "decimal(10, 2)"}),
        FieldSpec("opens_at", "time", options={"physicalType": "time(3)"}),
        FieldSpec("planned_at", "timestamp", True, options={"timezone": False}),
        FieldSpec("left_at", "timestamp", options={"timezone": True, "physicalType": "timestamp(3)"}),
        FieldSpec("tags", "array", True, items=FieldSpec("tag", "string")),
        FieldSpec("fees", "map", items=FieldSpec("fee", "number", options={"physicalType": "decimal(6, 2)"})),
        FieldSpec("embedding", "vector", options={"dimensions": 2}),
        FieldSpec(
            "crew",
            "array",
            items=FieldSpec(
                "member",
                "object",
                fields=(
                    FieldSpec("name", "string", True, personal=True),
                    FieldSpec("role", "string", options={"enum": ["pilot", "steward"]}),
                ),
            ),
        ),
        FieldSpec("gate", "object", fields=(FieldSpec("hall", "string", True), FieldSpec("number", "integer"))),
        FieldSpec("source", "string", True, options={"default": "tower"}),
    ),
    description="Every departure.",
)
"""One field of each type."""

A_RECORD: dict[str, Any] = {
    "flight_id": "UA1",
    "run_id": UUID("018f3f2e-0000-7000-8000-000000000001"),
    "state": "flown",
    "is_late": True,
    "day": dt.date(2013, 1, 1),
    "seats": 149,
    "delay_min": 2.5,
    "price": Decimal("99.90"),
    "opens_at": dt.time(4, 30, 0, 125000),
    "planned_at": dt.datetime(2013, 1, 1, 5, 15),  # noqa: DTZ001  without a zone by contract
    "left_at": dt.datetime(2013, 1, 1, 10, 17, 0, 250000, tzinfo=dt.UTC),
    "tags": ["early", "full"],
    "fees": {"bag": Decimal("30.00")},
    "embedding": [0.5, 0.25],
    "crew": [{"name": "Ada", "role": "pilot"}, {"name": "Bo", "role": None}],
    "gate": {"hall": "B", "number": 7},
    "source": "tower",
}
"""A record of it, in its plain form."""
