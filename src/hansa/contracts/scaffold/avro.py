"""Fields from an Avro schema, by its logical types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from hansa.contracts.scaffold.draft import Draft, Trail, decimal_options, time_options, unreadable
from hansa.model.product import FieldSpec

_SIMPLE: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "string": ("string", {}),
    "boolean": ("boolean", {}),
    "int": ("integer", {"format": "i32"}),
    "long": ("integer", {"format": "i64"}),
    "float": ("number", {"format": "f32"}),
    "double": ("number", {"format": "f64"}),
    "bytes": ("string", {"format": "byte"}),
    "fixed": ("string", {"format": "byte"}),
}
_UNITS: Final = {"millis": "ms", "micros": "us", "nanos": "ns"}


def read(schema: Any) -> Draft:
    """`schema` is plain data. Raises `AuthorError`: `source.unreadable`, `schema.recursive`."""
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise unreadable("Avro", "the schema is no record", "Give a schema whose type is record.")
    trail = Trail()
    found = _Reader().record(schema["name"], schema, trail)
    return Draft(schema["name"], found.fields, schema.get("doc", ""), tuple(trail.notes))


class _Reader:
    """Avro names a type once, and refers to it after that."""

    def __init__(self) -> None:
        self._named: dict[str, Any] = {}

    def record(self, name: str, schema: dict[str, Any], trail: Trail) -> FieldSpec:
        inner = trail.within(schema["name"])
        fields = tuple(self._member(field, inner.at(field["name"])) for field in schema["fields"])
        return FieldSpec(name, "object", description=schema.get("doc", ""), fields=fields)

    def _member(self, field: dict[str, Any], trail: Trail) -> FieldSpec:
        kind = field["type"]
        is_nullable = isinstance(kind, list) and "null" in kind
        found = self._field(field["name"], kind, trail)
        default = field.get("default")
        is_plain = isinstance(default, str | int | float) and found.type in ("string", "integer", "number", "boolean")
        kept = {"default": default} if is_plain and "physicalType" not in found.options else {}
        if default is not None and not kept:
            trail.notes.append(f"{trail.path}: its default {default!r} is left out")
        described = field.get("doc", "") or found.description
        return replace(found, required=not is_nullable, description=described, options=found.options | kept)

    def _field(self, name: str, kind: Any, trail: Trail) -> FieldSpec:
        if isinstance(kind, list):
            others = [one for one in kind if one != "null"]
            if len(others) != 1:
                return trail.open(name, "it is a union of several types")
            return self._field(name, others[0], trail)
        if isinstance(kind, str) and kind not in _SIMPLE:
            return self._referred(name, kind, trail)
        schema = {"type": kind} if isinstance(kind, str) else kind
        if "name" in schema:
            self._named[schema["name"].rpartition(".")[2]] = schema
        return self._typed(name, schema, trail)

    def _referred(self, name: str, kind: str, trail: Trail) -> FieldSpec:
        short = kind.rpartition(".")[2]
        trail.within(short)
        if short not in self._named:
            raise unreadable("Avro", f"{trail.path} is of the unknown type {kind!r}", "Give the whole schema.")
        return self._typed(name, self._named[short], trail)

    def _typed(self, name: str, schema: dict[str, Any], trail: Trail) -> FieldSpec:
        kind = schema["type"]
        if kind == "record":
            return self.record(name, schema, trail)
        if kind == "enum":
            return FieldSpec(name, "string", description=schema.get("doc", ""), options={"enum": schema["symbols"]})
        if kind == "array":
            return FieldSpec(name, "array", items=self._field(name, schema["items"], trail.at("[]")))
        if kind == "map":
            return FieldSpec(name, "map", items=self._field(name, schema["values"], trail.at("{}")))
        if not isinstance(kind, str) or kind not in _SIMPLE:
            return self._field(name, kind, trail)
        return _single(name, kind, schema)


def _single(name: str, kind: str, schema: dict[str, Any]) -> FieldSpec:
    logical = str(schema.get("logicalType", ""))
    if logical == "decimal":
        return FieldSpec(name, "number", options=decimal_options(schema["precision"], schema.get("scale", 0)))
    if logical == "uuid":
        return FieldSpec(name, "string", options={"format": "uuid"})
    if logical == "date":
        return FieldSpec(name, "date")
    word, _, unit = logical.removeprefix("local-").partition("-")
    if word in ("time", "timestamp"):
        has_zone = word == "timestamp" and not logical.startswith("local-")
        return FieldSpec(name, word, options=time_options(word, _UNITS[unit], has_zone=has_zone))
    found, options = _SIMPLE[kind]
    return FieldSpec(name, found, options=dict(options))
