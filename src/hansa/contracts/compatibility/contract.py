"""Contracts of Hansa: what becomes of readers and of stored records when a contract changes within its major.

Readers of a port ignore fields that they do not know, and check the others as the contract promises them. So a limit
that goes is as much of a change as one that comes: the first hits readers that relied on it, the second what was
written before. A field that goes hits whoever reads it, required or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from operator import ge, le
from typing import Any, Final

from hansa.contracts.compatibility.json_scalars import limit_breaks
from hansa.contracts.compatibility.json_shape import NUMBERS, Bound, Shape
from hansa.contracts.compatibility.verdict import Break, Difference, Direction, Format, Verdict, both_ways, judge
from hansa.contracts.quality.limits import TYPES, limit_of
from hansa.contracts.types import has_zone, is_decimal, limits
from hansa.model.product import CompatibilityMode, ContractSpec, FieldSpec, ReferenceSpec

_BACKWARD: Final = frozenset({Direction.READERS_OF_OLD_DATA})
_FORWARD: Final = frozenset({Direction.OLD_READERS})
_READ_ALSO: Final = {"number": {"integer"}, "map": {"object"}, "any": None}
"""By the reader's type: the other types whose values it reads as they were meant; None for all."""
_SHAPES: Final = {
    "string": {"string"},
    "integer": {"integer"},
    "number": NUMBERS,
    "array": {"array"},
    "vector": {"array"},
}
_LOWER: Final = ("minimum", "exclusiveMinimum")
_UPPER: Final = ("maximum", "exclusiveMaximum")
_SIZES: Final = {"min_length": "min", "max_length": "max"}
_SCALE: Final = re.compile(r"(?:decimal|numeric)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", re.IGNORECASE)


def differences(old: ContractSpec, new: ContractSpec, mode: CompatibilityMode | None = None) -> Verdict:
    """The verdict on `new` in place of `old`, under the mode that `new` states unless another one is given."""
    return compatibility({old.version: old}, new, mode)


def compatibility(
    history: Mapping[str, ContractSpec], new: ContractSpec, mode: CompatibilityMode | None = None
) -> Verdict:
    """The verdict on `new` behind the contracts of `history`, oldest first; the last one is in force.

    What the contract in force broke of an earlier one was accepted then, and is not told again.
    """
    verdict = judge(Format.CONTRACT, mode or new.compatibility, history, new, compare)
    *earlier, last = history or {"": new}
    accepted = {
        (label, one.path, one.kind, one.hits)
        for label in (earlier if verdict.mode.is_transitive else ())
        for one in compare(history[label], history[last])
    }
    told = (d for d in verdict.differences if (d.against, d.path, d.kind, d.hits) not in accepted)
    return replace(verdict, differences=_once(told))


def _once(found: Iterator[Difference]) -> tuple[Difference, ...]:
    """Each difference with the newest contract that it stands against."""
    by_place = {(one.path, one.kind, one.hits, one.old, one.new): one for one in found}
    return tuple(by_place.values())


def compare(old: ContractSpec, new: ContractSpec) -> Iterator[Difference]:
    """Everything that differs, those that hit nobody included."""
    if old.key != new.key:
        yield Difference("", "key.changed", _BACKWARD | _FORWARD, ", ".join(old.key), ", ".join(new.key), "key")
    if old.wire_format != new.wire_format:
        before, after = old.wire_format or "none of its own", new.wire_format or "none of its own"
        yield Difference("", "wire.changed", _BACKWARD | _FORWARD, before, after, "wireFormat")
    yield from _fields(old.fields, new.fields, "")
    yield from _references(old.references, new.references)


def _references(old: tuple[ReferenceSpec, ...], new: tuple[ReferenceSpec, ...]) -> Iterator[Difference]:
    """References narrow what may be published, and no reader relies on one: they hit nobody."""
    before, after = {(one.id, one.fields): one for one in old}, {(one.id, one.fields): one for one in new}
    for name in sorted(before.keys() | after.keys()):
        was, will_be = (_led(these[name]) if name in these else "" for these in (before, after))
        if was != will_be:
            kind = "reference.new" if not was else "reference.changed" if will_be else "reference.removed"
            yield Difference(", ".join(name[1]), kind, frozenset(), was, will_be, "relationships")


def _led(reference: ReferenceSpec) -> str:
    """What a reference leads to, in words."""
    action = f" (onViolation {reference.action})" if reference.action else ""
    target = reference.port or reference.target or "its own records"
    return f"{', '.join(f'{target}.{to}' for to in reference.to)}{action}"


def _fields(old: tuple[FieldSpec, ...], new: tuple[FieldSpec, ...], within: str) -> Iterator[Difference]:
    before, after = {field.name: field for field in old}, {field.name: field for field in new}
    for name, field in before.items():
        path = f"{within}{name}"
        if name in after:
            yield from _field(field, after[name], path)
        else:
            kind = "field.default_missing" if _must_be_there(field) else "field.removed"
            yield Difference(path, kind, _FORWARD, said(field), "", "readers may rely on it")
    for name in after.keys() - before.keys():
        path, field = f"{within}{name}", after[name]
        if _must_be_there(field):
            yield Difference(path, "field.default_missing", _BACKWARD, "", said(field), "no record before has it")
        else:
            yield Difference(path, "field.new", frozenset(), "", said(field))


def _must_be_there(field: FieldSpec) -> bool:
    """Whether a reader of the field fails where it is missing."""
    return field.required and "default" not in field.options


def _field(old: FieldSpec, new: FieldSpec, path: str) -> Iterator[Difference]:
    """A field that both contracts have, and the fields within it."""
    found = list(both_ways(old, new, lambda writer, reader: _read(writer, reader, path)))
    yield from found
    if old.unique is not new.unique:
        yield Difference(path, "unique.changed", frozenset(), _shared(old), _shared(new), "unique")
    if not found and _described(old) != _described(new):
        yield Difference(path, "description.changed", frozenset(), "", "")
    yield from _fields(old.fields, new.fields, f"{path}.")
    if old.keys is not None and new.keys is not None:
        yield from _field(old.keys, new.keys, f"{path}{{key}}")
    if old.items is not None and new.items is not None:
        yield from _field(old.items, new.items, f"{path}{'{}' if new.type == 'map' else '[]'}")


def _read(writer: FieldSpec, reader: FieldSpec, path: str) -> Iterator[Break]:
    """What a reader makes of a field. Where it has another type, its limits do not matter any more."""
    also = _READ_ALSO.get(reader.type, set())
    if writer.type != reader.type and also is not None and writer.type not in also:
        yield Break(path, "type.changed", said(writer), said(reader), "logicalType")
        return
    if _must_be_there(reader) and not writer.required:
        yield Break(path, "field.required", "optional", "required", "required")
    if writer.type == reader.type and (rule := _meaning_differs(writer, reader)):
        yield Break(path, "logical.changed", said(writer), said(reader), rule)
    yield from _enumeration(writer, reader, path)
    yield from limit_breaks(_shape(writer), _shape(reader), path)
    if writer.type == reader.type:
        yield from _moments(writer, reader, path)
    if reader.options.get("uniqueItems") is True and writer.options.get("uniqueItems") is not True:
        yield Break(path, "limit.tightened", "equal elements", "unique elements", "uniqueItems")


def _shared(field: FieldSpec) -> str:
    return "unique" if field.unique else "not unique"


def _meaning_differs(writer: FieldSpec, reader: FieldSpec) -> str | None:
    """Why a value means something else to the reader, though its type is the same."""
    if writer.type == "number":
        return _numbers_differ(writer, reader)
    if writer.type in ("timestamp", "time") and has_zone(writer) is not has_zone(reader):
        return "with a zone it is a moment, without one a reading of some clock"
    before, after = (str(field.options.get("format", "")) for field in (writer, reader))
    if writer.type == "string" and after and before != after:
        return "format: what was written need not have it"
    is_date = writer.type in ("date", "timestamp", "time")
    return "format: it is written in another form" if is_date and before != after else None


def _numbers_differ(writer: FieldSpec, reader: FieldSpec) -> str | None:
    if is_decimal(writer) and not is_decimal(reader):
        return "an exact number is read as an inexact one"
    before, after = _digits(writer), _digits(reader)
    if before is None or after is None or before == after:
        return None
    if before[1] != after[1]:
        return "another scale: digits behind the point come or go"
    return "fewer digits are permitted than were written" if before[0] > after[0] else None


def _digits(field: FieldSpec) -> tuple[int, int] | None:
    """Precision and scale of a decimal, where the contract says them."""
    precision, scale = field.options.get("precision"), field.options.get("scale", 0)
    if isinstance(precision, int) and isinstance(scale, int):
        return precision, scale
    found = _SCALE.search(str(field.options.get("physicalType", "")))
    return (int(found[1]), int(found[2] or 0)) if found else None


def _moments(writer: FieldSpec, reader: FieldSpec, path: str) -> Iterator[Break]:
    """Limits of dates and times: each of the reader must follow from one of the writer."""
    for names, reaches in ((_LOWER, ge), (_UPPER, le)):
        mine = _bounds(writer, names)
        for name, (limit, is_excluded) in _bounds(reader, names).items():
            follows = (
                reaches(at, limit) and (at != limit or excludes >= is_excluded) for at, excludes in mine.values()
            )
            if not any(follows):
                before = ", ".join(f"{one} {writer.options[one]}" for one in mine) or f"no {names[0]}"
                yield Break(path, "limit.tightened", before, f"{name} {reader.options[name]}", name)


def _bounds(field: FieldSpec, names: tuple[str, str]) -> dict[str, tuple[Any, bool]]:
    """The limits of a date or time, and whether each is itself excluded."""
    return {
        name: (limit_of(field.options[name], field.type), name.startswith("exclusive"))
        for name in names
        if name in field.options and field.type in TYPES
    }


def _enumeration(writer: FieldSpec, reader: FieldSpec, path: str) -> Iterator[Break]:
    written, read = writer.options.get("enum"), reader.options.get("enum")
    if read and (not written or any(value not in read for value in written)):
        yield Break(path, "enum.symbol_missing", _values(written), _values(read), "enum")


def _values(values: Any) -> str:
    return ", ".join(map(str, values)) if values else "any value"


def _shape(field: FieldSpec) -> Shape:
    """The limits of a field, as those of a JSON Schema. Limits of integers count their width in."""
    found: dict[str, Any] = limits(field)
    name = "Items" if field.type in ("array", "vector") else "Length"
    return Shape(
        types=frozenset(_SHAPES.get(field.type, set())),
        lower=_bound(found, "ge", "gt"),
        upper=_bound(found, "le", "lt"),
        sizes={f"{theirs}{name}": found[ours] for ours, theirs in _SIZES.items() if ours in found},
        factors=frozenset([_exact(found["multiple_of"])] if "multiple_of" in found else []),
        patterns=frozenset([found["pattern"]] if "pattern" in found else []),
    )


def _bound(found: Mapping[str, Any], limit: str, excluded: str) -> Bound | None:
    """The one bound that `limits` leaves."""
    return next(((_exact(found[name]), name == excluded) for name in (limit, excluded) if name in found), None)


def _exact(number: float) -> Fraction:
    return Fraction(Decimal(str(number)))


def _described(field: FieldSpec) -> tuple[Any, ...]:
    return field.description, field.personal, field.options


def said(field: FieldSpec) -> str:
    """A field's type in the words of the contract."""
    options = field.options
    if (digits := _digits(field)) is not None:
        return f"decimal({digits[0]}, {digits[1]})"
    if field.type in ("timestamp", "time"):
        return f"{field.type} {'with' if has_zone(field) else 'without'} time zone"
    shown = options.get("format") or ("decimal" if field.type == "number" and is_decimal(field) else "")
    return f"{field.type} ({shown})" if shown else field.type
