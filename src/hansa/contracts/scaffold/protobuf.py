"""Fields from a .proto file. A comment `Type: …` at a field, as `schemas.protobuf` writes it, says what Protobuf has no
type for; other comments become descriptions.

A field without a label always has a value and is required; one that is `optional`, within a oneof, or a message without
a label of its own may be absent. A message with one repeated field `items` is a list or map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from hansa.contracts.scaffold.draft import Draft, Trail, time_options, unreadable
from hansa.contracts.scaffold.words import refined
from hansa.contracts.schemas.protobuf_file import ITEMS
from hansa.contracts.schemas.protobuf_text import parse
from hansa.model.product import FieldSpec

_SCALARS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "string": ("string", {}),
    "bool": ("boolean", {}),
    "bytes": ("string", {"format": "byte"}),
    "float": ("number", {"format": "f32"}),
    "double": ("number", {"format": "f64"}),
    **{word: ("integer", {"format": "i32"}) for word in ("int32", "sint32", "sfixed32")},
    **{word: ("integer", {"format": "i64"}) for word in ("int64", "sint64", "sfixed64")},
    **{word: ("integer", {"format": "u32"}) for word in ("uint32", "fixed32")},
    **{word: ("integer", {"format": "u64"}) for word in ("uint64", "fixed64")},
}
_KNOWN: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "google.protobuf.Timestamp": ("timestamp", time_options("timestamp", "us", has_zone=True)),
    "google.type.DateTime": ("timestamp", time_options("timestamp", "us", has_zone=False)),
    "google.type.Date": ("date", {}),
    "google.type.TimeOfDay": ("time", time_options("time", "us", has_zone=False)),
    "google.type.Decimal": ("number", {"physicalType": "decimal"}),
    **{
        f"google.protobuf.{word}Value": _SCALARS[word.lower()]
        for word in ("String", "Bool", "Bytes", "Float", "Double", "Int32", "Int64", "UInt32", "UInt64")
    },
}
_TYPE: Final = "Type: "
_OWN: Final = (_TYPE, "Default: ")


@dataclass(frozen=True, slots=True)
class _Slot:
    """A field with the comments in front of it."""

    field: Any
    words: str
    description: str
    is_optional: bool


def read(text: str, name: str | None = None) -> Draft:
    """The draft of a message; `name` is needed where the file has several.

    Raises `AuthorError`: `schema.unreadable`, `source.unreadable`, `schema.recursive`.
    """
    file = parse(text)
    from proto_schema_parser import ast

    messages = {one.name: one for one in file.file_elements if isinstance(one, ast.Message)}
    if name is None and len(messages) == 1:
        name = next(iter(messages))
    if name is None or name not in messages:
        raise unreadable(str(name or "The file"), "there is no such message", f"Name one of {', '.join(messages)}.")
    description = _description(file.file_elements, messages[name])
    package = next((one.name for one in file.file_elements if isinstance(one, ast.Package)), "")
    types = dict(_types(file.file_elements, f".{package}" if package else ""))
    trail = Trail()
    scope = f"{'.' + package if package else ''}.{name}"
    fields = _Reader(types).members(messages[name], scope, trail)
    return Draft(name, fields, description, tuple(trail.notes))


def _types(elements: list[Any], scope: str) -> Iterator[tuple[str, Any]]:
    """Messages and enums by their full names, which begin with a point."""
    from proto_schema_parser import ast

    for one in elements:
        if isinstance(one, ast.Message | ast.Enum):
            yield f"{scope}.{one.name}", one
        if isinstance(one, ast.Message):
            yield from _types(one.elements, f"{scope}.{one.name}")


def _description(elements: list[Any], target: Any) -> str:
    return next((" ".join(notes) for one, notes in _commented(elements) if one is target), "")


def _commented(elements: list[Any]) -> Iterator[tuple[Any, list[str]]]:
    """Each element with the comments right in front of it."""
    from proto_schema_parser import ast

    notes: list[str] = []
    for one in elements:
        if isinstance(one, ast.Comment):
            notes.append(one.text.strip().removeprefix("//").removeprefix("/*").removesuffix("*/").strip())
        else:
            yield one, notes
            notes = []


def _slots(message: Any) -> Iterator[_Slot]:
    from proto_schema_parser import ast

    for one, notes in _commented(message.elements):
        words = next((note.removeprefix(_TYPE) for note in notes if note.startswith(_TYPE)), "")
        description = " ".join(note for note in notes if not note.startswith(_OWN))
        if isinstance(one, ast.OneOf):
            yield from (_Slot(inner, "", "", True) for inner in one.elements if isinstance(inner, ast.Field))
        elif isinstance(one, ast.Field | ast.MapField):
            label = getattr(one, "cardinality", None)
            yield _Slot(one, words, description, label is not None and label.value == "OPTIONAL")


class _Reader:
    def __init__(self, types: dict[str, Any]) -> None:
        self._types = types

    def members(self, message: Any, scope: str, trail: Trail) -> tuple[FieldSpec, ...]:
        inner = trail.within(scope.lstrip("."))
        return tuple(self._member(slot, scope, inner.at(slot.field.name)) for slot in _slots(message))

    def _member(self, slot: _Slot, scope: str, trail: Trail) -> FieldSpec:
        found = self._field(slot.field, scope, trail)
        is_required = not slot.is_optional and not self._may_be_absent(slot.field, scope)
        return replace(refined(found, slot.words), required=is_required, description=slot.description)

    def _may_be_absent(self, field: Any, scope: str) -> bool:
        """Whether the field holds one message: these are there or not, whatever their label."""
        from proto_schema_parser import ast

        if isinstance(field, ast.MapField) or (field.cardinality and field.cardinality.value == "REPEATED"):
            return False
        known = self._types.get(self._resolved(field.type, scope) or "")
        return field.type not in _SCALARS and not isinstance(known, ast.Enum)

    def _field(self, field: Any, scope: str, trail: Trail) -> FieldSpec:
        from proto_schema_parser import ast

        if isinstance(field, ast.MapField):
            keys, _ = _SCALARS[field.key_type]
            items = self._typed("value", field.value_type, scope, trail.at("{}"))
            return FieldSpec(field.name, "map", keys=FieldSpec("key", keys), items=items)
        if field.cardinality is not None and field.cardinality.value == "REPEATED":
            items = self._typed(field.name, field.type, scope, trail.at("[]"))
            return FieldSpec(field.name, "array", items=items)
        return self._typed(field.name, field.type, scope, trail)

    def _typed(self, name: str, kind: str, scope: str, trail: Trail) -> FieldSpec:
        from proto_schema_parser import ast

        if (known := _SCALARS.get(kind) or _KNOWN.get(kind.lstrip("."))) is not None:
            return FieldSpec(name, known[0], options=dict(known[1]))
        full = self._resolved(kind, scope)
        if full is None:
            return trail.open(name, f"{kind} is not in the file")
        target = self._types[full]
        if isinstance(target, ast.Enum):
            return FieldSpec(name, "string", options={"enum": _values(target)})
        slots = list(_slots(target))
        if [slot.field.name for slot in slots] == [ITEMS]:
            return replace(self._field(slots[0].field, full, trail.within(full.lstrip("."))), name=name)
        return FieldSpec(name, "object", fields=self.members(target, full, trail))

    def _resolved(self, kind: str, scope: str) -> str | None:
        """The full name, looked for from the innermost scope outwards, as Protobuf does."""
        if kind.startswith("."):
            return kind if kind in self._types else None
        while True:
            if f"{scope}.{kind}" in self._types:
                return f"{scope}.{kind}"
            if not scope:
                return None
            scope = scope.rpartition(".")[0]


def _values(enum: Any) -> list[str]:
    """The names without what they all begin with and without the unspecified zero, as the style guide writes them."""
    from proto_schema_parser import ast

    names = [one.name for one in enum.elements if isinstance(one, ast.EnumValue)]
    zero = next((one.name for one in enum.elements if isinstance(one, ast.EnumValue) and one.number == 0), "")
    prefix = zero.removesuffix("UNSPECIFIED") if zero.endswith("_UNSPECIFIED") else ""
    if not prefix or not all(name.startswith(prefix) for name in names):
        return names
    return [name.removeprefix(prefix) for name in names if name != zero]
