"""Fields from an Arrow schema, which is also that of a Parquet file. Descriptions and values of enumerations are read
from the metadata that `schemas.arrow` writes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from hansa.contracts.scaffold.draft import Draft, Trail, decimal_options, time_options
from hansa.model.product import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa


def read(name: str, schema: pa.Schema) -> Draft:
    """The draft; what ODCS has no type for is left open."""
    trail = Trail()
    fields = tuple(_member(field, trail.at(field.name)) for field in schema)
    return Draft(name, fields, (schema.metadata or {}).get(b"description", b"").decode(), tuple(trail.notes))


def _member(field: pa.Field, trail: Trail) -> FieldSpec:
    found = _element(field, trail)
    metadata = field.metadata or {}
    return replace(
        found,
        required=not field.nullable,
        description=metadata.get(b"description", b"").decode(),
        personal=metadata.get(b"hansa.personal") == b"true",
    )


def _element(field: pa.Field, trail: Trail) -> FieldSpec:
    values = (field.metadata or {}).get(b"hansa.values")
    if values is not None:
        return FieldSpec(field.name, "string", options={"enum": msgspec.json.decode(values)})
    return _field(field.name, field.type, trail)


def _field(name: str, kind: pa.DataType, trail: Trail) -> FieldSpec:
    import pyarrow as pa

    is_a = pa.types
    if isinstance(kind, pa.UuidType):
        return FieldSpec(name, "string", options={"format": "uuid"})
    if is_a.is_dictionary(kind):
        return _field(name, kind.value_type, trail)
    if is_a.is_struct(kind):
        return FieldSpec(name, "object", fields=tuple(_member(field, trail.at(field.name)) for field in kind.fields))
    if is_a.is_map(kind):
        items = _element(kind.item_field, trail.at("{}"))
        return FieldSpec(name, "map", keys=_field("key", kind.key_type, trail), items=items)
    if is_a.is_fixed_size_list(kind) and is_a.is_floating(kind.value_type):
        element = f"float{kind.value_type.bit_width}"
        return FieldSpec(name, "vector", options={"dimensions": kind.list_size, "elementType": element})
    if is_a.is_list(kind) or is_a.is_large_list(kind) or is_a.is_fixed_size_list(kind):
        return FieldSpec(name, "array", items=_element(kind.value_field, trail.at("[]")))
    found = _single(kind)
    if found is None:
        return trail.open(name, f"{kind} has no type in ODCS")
    return FieldSpec(name, found[0], options=found[1])


def _single(kind: pa.DataType) -> tuple[str, dict[str, Any]] | None:
    import pyarrow as pa

    is_a = pa.types
    if is_a.is_integer(kind):
        return "integer", {"format": f"{'i' if is_a.is_signed_integer(kind) else 'u'}{kind.bit_width}"}
    if is_a.is_float32(kind) or is_a.is_float64(kind):
        return "number", {"format": f"f{kind.bit_width}"}
    if is_a.is_decimal(kind):
        return "number", decimal_options(kind.precision, kind.scale)
    if is_a.is_timestamp(kind):
        return "timestamp", time_options("timestamp", kind.unit, has_zone=kind.tz is not None)
    if is_a.is_time(kind):
        return "time", time_options("time", kind.unit, has_zone=False)
    if is_a.is_string(kind) or is_a.is_large_string(kind):
        return "string", {}
    if is_a.is_binary(kind) or is_a.is_large_binary(kind):
        return "string", {"format": "byte"}
    return {"bool": ("boolean", {}), "date32[day]": ("date", {}), "date64[ms]": ("date", {})}.get(str(kind))
