"""What a source says of a contract, and the ODCS 3.2 document of it."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from hansa.contracts.part import VENDOR
from hansa.errors import AuthorError
from hansa.model.product import FieldSpec

API_VERSION: Final = "v3.2.0"
_OWN_PLACE: Final = frozenset({"physicalType", "enum", "default"})
"""Options of a field that do not stand in `logicalTypeOptions`."""
_FRACTIONS: Final = {"s": "(0)", "ms": "(3)", "us": ""}


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields that a source has. `notes` say what it left open, each with the field's path."""

    name: str
    fields: tuple[FieldSpec, ...]
    description: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trail:
    """Where a reader is in its source: the path of the field, the named types around it, and what it noted."""

    path: str = ""
    around: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    def at(self, step: str) -> Trail:
        """Within a member (`a.b`), or the elements of a list (`[]`) or map (`{}`)."""
        path = self.path + step if step in ("[]", "{}") else f"{self.path}.{step}".lstrip(".")
        return Trail(path, self.around, self.notes)

    def within(self, name: str) -> Trail:
        """Within a named type. Raises `AuthorError("schema.recursive")` where it is within itself."""
        if name in self.around:
            raise AuthorError(
                "schema.recursive",
                f"{self.path or name}: {name} contains itself",
                hint="Contracts are trees: refer to the other record by its key.",
                details={"path": self.path, "type": name},
            )
        return Trail(self.path, (*self.around, name), self.notes)

    def open(self, name: str, why: str) -> FieldSpec:
        """A field whose type the source leaves open."""
        self.notes.append(f"{self.path or name}: {why}; its type is left open")
        return FieldSpec(name, "any")


def unreadable(what: str, why: str, hint: str) -> AuthorError:
    """A source that is not what it should be."""
    return AuthorError("source.unreadable", f"{what}: {why}", hint=hint)


def decimal_options(precision: int, scale: int) -> dict[str, Any]:
    return {"physicalType": f"decimal({precision}, {scale})"}


def time_options(kind: str, unit: str, *, has_zone: bool | None) -> dict[str, Any]:
    """The options of a `time` or `timestamp`; a zone of None says nothing of it."""
    fraction = _FRACTIONS.get(unit, "(9)")
    found: dict[str, Any] = {"physicalType": f"{kind}{fraction}"} if fraction else {}
    return found if has_zone is None else {**found, "timezone": has_zone}


def yaml_text(document: dict[str, Any]) -> str:
    """The document as YAML, its keys in their order."""
    from ruamel.yaml import YAML

    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    writer.dump(document, stream)
    return stream.getvalue()


def document_of(draft: Draft, contract_id: str, *, major: int = 1) -> dict[str, Any]:
    """The ODCS document, in the order in which people read one; the first draft of that major version."""
    described = {"description": {"purpose": draft.description}} if draft.description else {}
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": contract_id,
        "version": f"{major}.0.0",
        "status": "draft",
        **described,
        "schema": [{"name": draft.name, "properties": _properties(draft.fields)}],
    }


def _properties(fields: Iterable[FieldSpec]) -> list[dict[str, Any]]:
    return [{"name": one.name, **_property(one)} for one in fields]


def _property(one: FieldSpec) -> dict[str, Any]:
    found: dict[str, Any] = {} if one.type == "any" else {"logicalType": one.type}
    if "physicalType" in one.options:
        found["physicalType"] = one.options["physicalType"]
    if one.description:
        found["description"] = one.description
    if one.required:
        found["required"] = True
    if one.personal:
        found["classification"] = "personal"
    if one.primary_key_position is not None:
        found |= {"primaryKey": True, "primaryKeyPosition": one.primary_key_position}
    if options := {name: value for name, value in one.options.items() if name not in _OWN_PLACE}:
        found["logicalTypeOptions"] = options
    if "enum" in one.options:
        found["enum"] = [{"value": value} for value in one.options["enum"]]
    return found | _inner(one) | _default(one)


def _inner(one: FieldSpec) -> dict[str, Any]:
    if one.type == "object" and one.fields:
        return {"properties": _properties(one.fields)}
    if one.items is None:
        return {}
    if one.type == "array":
        return {"items": _property(one.items)}
    keys = _property(one.keys) if one.keys is not None else {"logicalType": "string"}
    return {"map": {"key": keys, "value": _property(one.items)}}


def _default(one: FieldSpec) -> dict[str, Any]:
    if "default" not in one.options:
        return {}
    return {"customProperties": [{"property": "default", "value": one.options["default"], "vendor": VENDOR}]}
