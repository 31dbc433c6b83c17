"""Fields from a sample: records that were seen. A type is what all values of a field have in common.

Text that is always a date, a time, a timestamp or a uuid is one; digits with a zero in front are text. A field that is
null, empty or missing in one record is not required. A sample says nothing about what it does not contain: the draft's
notes name the fields that were never filled.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from hansa.contracts.scaffold.draft import Draft, Trail
from hansa.model.product import FieldSpec

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?")
_TIME: Final = re.compile(r"\d\d:\d\d:\d\d(\.\d{1,6})?")
_ZONE: Final = re.compile(r"(Z|[+-]\d\d:?\d\d)$")


def read(name: str, records: Iterable[Mapping[str, Any]], *, is_text: bool = False) -> Draft:
    """The fields of the records, in the order in which they were first seen. Where `is_text`, all values are text, as
    in CSV, and numbers and booleans are found in it."""
    trail = Trail()
    rows = list(records)
    return Draft(name, _members(rows, trail, is_text), "", tuple(trail.notes))


def _members(rows: list[Mapping[str, Any]], trail: Trail, is_text: bool) -> tuple[FieldSpec, ...]:
    names = dict.fromkeys(name for row in rows for name in row)
    return tuple(_member(name, [row.get(name) for row in rows], trail.at(name), is_text) for name in names)


def _member(name: str, values: list[Any], trail: Trail, is_text: bool) -> FieldSpec:
    there = [value for value in values if value is not None and not (is_text and value == "")]
    kind, options, inner = _type(name, there, trail, is_text)
    return FieldSpec(name, kind, len(there) == len(values), options=options, **inner)


def _type(name: str, values: list[Any], trail: Trail, is_text: bool) -> tuple[str, dict[str, Any], dict[str, Any]]:
    classes = {type(value) for value in values}
    if not values:
        trail.notes.append(f"{trail.path}: it is never filled in the sample; its type is left open")
        return "any", {}, {}
    if classes == {str}:
        return (*_text(values, is_text), {})
    if classes == {dict}:
        return "object", {}, {"fields": _members(values, trail, is_text)}
    if classes == {list}:
        items = _member(name, [item for value in values for item in value], trail.at("[]"), is_text)
        return "array", {}, {"items": items}
    found = {frozenset({bool}): "boolean", frozenset({int}): "integer"}.get(frozenset(classes))
    if found is None and classes <= {int, float}:
        found = "number"
    if found is None:
        words = ", ".join(sorted(one.__name__ for one in classes))
        trail.notes.append(f"{trail.path}: its values are of several types ({words}); its type is left open")
    return found or "any", {}, {}


def _text(values: list[str], is_text: bool) -> tuple[str, dict[str, Any]]:
    if is_text:
        for kind, fits in _NUMBERS:
            if all(map(fits, values)):
                return kind, {}
    if all(map(_is(dt.date.fromisoformat, re.compile(r"\d{4}-\d\d-\d\d")), values)):
        return "date", {}
    if all(map(_is(dt.time.fromisoformat, _TIME), values)):
        return "time", {"timezone": False}
    if all(map(_is(dt.datetime.fromisoformat, _TIMESTAMP), values)):
        zoned = {bool(_ZONE.search(value)) for value in values}
        if len(zoned) == 1:
            return "timestamp", {"timezone": zoned.pop()}
    if all(map(_is(UUID, re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")), values)):
        return "string", {"format": "uuid"}
    return "string", {}


def _is(parse: Callable[[str], object], form: re.Pattern[str]) -> Callable[[str], bool]:
    def fits(value: str) -> bool:
        if not form.fullmatch(value):
            return False
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return fits


_NUMBERS: Final[tuple[tuple[str, Callable[[str], bool]], ...]] = (
    ("boolean", lambda value: value in ("true", "false", "True", "False", "TRUE", "FALSE")),
    ("integer", lambda value: _INTEGER.fullmatch(value) is not None),
    ("number", lambda value: _NUMBER.fullmatch(value) is not None),
)
