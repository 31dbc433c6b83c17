"""The fields of a contract as rows for people: type, rules and meaning in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from hansa.contracts.compatibility.contract import said
from hansa.contracts.page.blocks import Cell, Inline, Mark, Mono
from hansa.model.product import FieldSpec

_LIMITS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} elements",
    "maxItems": "at most {} elements",
}


def field_rows(fields: Sequence[FieldSpec], key: Sequence[str]) -> list[Sequence[Cell]]:
    """A row for each field at any depth: its path, type, rules and meaning."""
    return [
        (Mono(path), type_in_words(field), _rules(field, is_key=path in key), _meaning(field))
        for path, field in _walk(fields, "")
    ]


def _walk(fields: Sequence[FieldSpec], within: str) -> Iterator[tuple[str, FieldSpec]]:
    for field in fields:
        path = f"{within}{field.name}"
        yield path, field
        yield from _walk(field.fields, f"{path}.")
        if field.items is not None:
            step = "{}" if field.type == "map" else "[]"
            yield from _walk(field.items.fields, f"{path}{step}.")


def type_in_words(field: FieldSpec) -> str:
    """The type as people say it: `array of string`."""
    if field.items is None:
        return said(field)
    inner = type_in_words(field.items)
    if field.type == "map":
        return f"map of {type_in_words(field.keys) if field.keys else 'string'} to {inner}"
    return f"{said(field)} of {inner}"


def _rules(field: FieldSpec, *, is_key: bool) -> list[Inline]:
    parts: list[Inline] = []
    if is_key:
        parts.append(Mark("key", "good"))
    parts.append(Mark("required" if field.required else "optional"))
    if field.personal:
        parts.append(Mark("personal", "warn"))
    words = [text.format(field.options[name]) for name, text in _LIMITS.items() if name in field.options]
    if field.unique:
        words.append("no two records have the same")
    if field.options.get("uniqueItems") is True:
        words.append("no two elements are equal")
    if values := field.options.get("enum"):
        words.append(f"one of {_listed(values)}")
    if "default" in field.options:
        words.append(f"{field.options['default']} where it is left out")
    parts += [f" {', '.join(words)}"] if words else []
    parts += [" like ", Mono(str(field.options["pattern"]))] if "pattern" in field.options else []
    return parts


def _meaning(field: FieldSpec) -> list[Inline]:
    examples = field.options.get("examples") or ()
    told: list[Inline] = [field.description] if field.description else []
    return [*told, " For example ", Mono(_listed(examples)), "."] if examples else told


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))
