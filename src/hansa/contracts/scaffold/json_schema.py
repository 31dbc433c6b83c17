"""Fields from a JSON Schema, or from a schema within an OpenAPI document. References within the document are followed;
`x-logicalType`, as `schemas.json_schema` writes it, says what JSON has no type for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from hansa.contracts.scaffold.draft import Draft, Trail, unreadable
from hansa.contracts.scaffold.words import options_of_words
from hansa.model.product import FieldSpec

_LIMITS: Final = {
    "string": ("minLength", "maxLength", "pattern"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("minItems", "maxItems", "uniqueItems"),
}
_FORMATS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "date": ("date", {}),
    "time": ("time", {"timezone": True}),
    "date-time": ("timestamp", {"timezone": True}),
    "uuid": ("string", {"format": "uuid"}),
    "decimal": ("number", {"physicalType": "decimal"}),
    "byte": ("string", {"format": "byte"}),
    "binary": ("string", {"format": "binary"}),
}
_NUMBER_FORMATS: Final = {"int32": "i32", "int64": "i64", "float": "f32", "double": "f64"}
_INTEGER_KEYS: Final = re.compile(r"\^.*\[0-9\].*\$")


def read(document: Any, name: str | None = None) -> Draft:
    """The draft of a schema; `name` is that of one in `components/schemas` or `$defs`, needed where the document has
    several and is none itself.

    Raises `AuthorError`: `source.unreadable`, `schema.recursive`.
    """
    if not isinstance(document, dict):
        raise unreadable("JSON Schema", "the document is no object", "Give a schema or an OpenAPI document.")
    chosen, schema = _chosen(document, name)
    trail = Trail()
    reader = _Reader(document)
    found = reader.field(chosen, schema, trail)
    if found.type != "object" or not found.fields:
        raise unreadable(chosen, "it is no object with properties", "Choose the schema of one record.")
    return Draft(chosen, found.fields, found.description, tuple(trail.notes))


def _chosen(document: dict[str, Any], name: str | None) -> tuple[str, dict[str, Any]]:
    named: dict[str, Any] = document.get("components", {}).get("schemas", {}) or document.get("$defs", {})
    if name is None and ("properties" in document or "$ref" in document or "allOf" in document):
        return str(document.get("title") or "Record"), document
    if name is None and len(named) == 1:
        name = next(iter(named))
    if name is None or name not in named:
        raise unreadable(str(name or "The document"), "there is no such schema", f"Name one of {', '.join(named)}.")
    return name, named[name]


class _Reader:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def field(self, name: str, schema: Any, trail: Trail) -> FieldSpec:
        """The field of a schema; it is required where null is none of its types."""
        if not isinstance(schema, dict):
            return trail.open(name, "its schema says nothing")
        if "$ref" in schema:
            reference = str(schema["$ref"])
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return self.field(name, {**self._target(reference), **rest}, trail.within(reference))
        if "allOf" in schema:
            return self.field(name, self._merged(schema, trail), trail)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._choice(name, schema, schema[word], trail)
        found = self._typed(name, schema, trail)
        return replace(found, description=str(schema.get("description") or found.description))

    def _target(self, reference: str) -> dict[str, Any]:
        found: Any = self._document
        if not reference.startswith("#"):
            raise unreadable(reference, "only references within the document are followed", "Bundle it into one.")
        for step in reference.removeprefix("#").strip("/").split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or (key and key not in found):
                raise unreadable(reference, "the document has no such schema", "Mend the reference.")
            found = found[key] if key else found
        return dict(found)

    def _merged(self, schema: dict[str, Any], trail: Trail) -> dict[str, Any]:
        """The members of all parts together, which `allOf` asks for."""
        found: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            while "$ref" in part:
                trail = trail.within(str(part["$ref"]))
                part = {**self._target(part["$ref"]), **{k: v for k, v in part.items() if k != "$ref"}}
            whole = self._merged(part, trail) if "allOf" in part else part
            properties = {**whole.get("properties", {}), **found.get("properties", {})}
            required = [*whole.get("required", []), *found.get("required", [])]
            found = {**whole, **found, **({"properties": properties, "required": required} if properties else {})}
        return found

    def _choice(self, name: str, schema: dict[str, Any], options: list[Any], trail: Trail) -> FieldSpec:
        others = [one for one in options if one != {"type": "null"}]
        if len(others) != 1:
            return trail.open(name, "it is one of several types")
        found = self.field(name, others[0], trail)
        is_nullable = len(others) != len(options)
        described = str(schema.get("description") or found.description)
        return replace(found, required=found.required and not is_nullable, description=described)

    def _typed(self, name: str, schema: dict[str, Any], trail: Trail) -> FieldSpec:
        types = schema.get("type")
        listed = types if isinstance(types, list) else [types]
        kinds = [one for one in listed if one not in ("null", None)]
        if not kinds and isinstance(schema.get("enum"), list):
            kinds = ["string"] if all(isinstance(value, str | None) for value in schema["enum"]) else []
        if "properties" in schema and not kinds:
            kinds = ["object"]
        required = "null" not in listed and not schema.get("nullable", False)
        if len(kinds) != 1:
            return trail.open(name, "it is of several types" if kinds else "its schema says no type")
        return replace(self._of_type(name, str(kinds[0]), schema, trail), required=required)

    def _of_type(self, name: str, kind: str, schema: dict[str, Any], trail: Trail) -> FieldSpec:
        if kind == "object":
            return self._object(name, schema, trail)
        if kind == "array":
            items = self.field(name, schema.get("items"), trail.at("[]"))
            return FieldSpec(name, "array", items=items, options=_limits(kind, schema))
        return _single(name, kind, schema)

    def _object(self, name: str, schema: dict[str, Any], trail: Trail) -> FieldSpec:
        properties, more = schema.get("properties", {}), schema.get("additionalProperties")
        if not properties and isinstance(more, dict) and more:
            pattern = str(schema.get("propertyNames", {}).get("pattern", ""))
            keys = FieldSpec("key", "integer" if _INTEGER_KEYS.fullmatch(pattern) else "string")
            return FieldSpec(name, "map", keys=keys, items=self.field("value", more, trail.at("{}")))
        required = set(schema.get("required", []))
        members = [(one, self.field(one, inner, trail.at(one)), inner) for one, inner in properties.items()]
        fields = tuple(_member(field, inner, is_named=one in required) for one, field, inner in members)
        return FieldSpec(name, "object", fields=fields)


def _member(field: FieldSpec, schema: Any, *, is_named: bool) -> FieldSpec:
    """A property is required where it must be there and is never null. A default stands in where it is not there."""
    default = schema.get("default") if isinstance(schema, dict) else None
    has_default = default is not None and field.type not in ("array", "map", "object", "any", "vector")
    options = {**field.options, "default": default} if has_default else field.options
    return replace(field, required=field.required and (is_named or has_default), options=options)


def _single(name: str, kind: str, schema: dict[str, Any]) -> FieldSpec:
    if (words := schema.get("x-logicalType")) and (found := options_of_words(str(words))) is not None:
        return FieldSpec(name, found[0], options=found[1])
    if isinstance(schema.get("enum"), list):
        return FieldSpec(name, kind, options={"enum": [value for value in schema["enum"] if value is not None]})
    form = str(schema.get("format", ""))
    if kind == "string" and form in _FORMATS:
        return FieldSpec(name, _FORMATS[form][0], options=dict(_FORMATS[form][1]))
    width = {"format": _NUMBER_FORMATS[form]} if form in _NUMBER_FORMATS and kind != "string" else {}
    return FieldSpec(name, kind, options={**width, **_limits(kind, schema)})


def _limits(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {name: schema[name] for name in _LIMITS.get(kind, ()) if name in schema}
