"""Limits of numbers, texts and sizes: each of the reader must follow from one of the writer."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from hansa.contracts.compatibility.json_shape import LOWER, NUMBERS, UPPER, Bound, Shape, matches
from hansa.contracts.compatibility.verdict import Break

_OF: Final = {"Length": "string", "Items": "array", "Properties": "object"}


def limit_breaks(writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
    """The reader's limits that the writer's values need not keep. `writer.values` is at most one value here."""
    yield from _sizes(writer, reader, path)
    if writer.types & NUMBERS:
        yield from _numbers(writer, reader, path)
    if "string" in writer.types:
        yield from _texts(writer, reader, path)
    if reader.formats - writer.formats:
        before, after = ", ".join(sorted(writer.formats)), ", ".join(sorted(reader.formats))
        yield Break(path, "logical.changed", before, after, "format: what was written need not have it")
    if reader.values is not None and not _is_covered(writer, reader):
        values = ", ".join(map(str, reader.values))
        yield Break(path, "enum.symbol_missing", "any value", values, "enum")


def _is_covered(writer: Shape, reader: Shape) -> bool:
    """Types that have only a few values may be enumerated without being narrowed."""
    known: dict[str, list[bool | None]] = {"null": [None], "boolean": [True, False]}
    if not writer.types <= known.keys():
        return False
    return all(any(value is one for one in reader.values or ()) for kind in writer.types for value in known[kind])


def _sizes(writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
    for name, limit in reader.sizes.items():
        if _OF[name[3:]] not in writer.types:
            continue
        found = _size(writer, name)
        if found is None or (found < limit if name in LOWER else found > limit):
            if name in LOWER and limit == 0:
                continue
            shown = "no limit" if found is None else f"{name} {found}"
            yield Break(path, "limit.tightened", shown, f"{name} {limit}", name)


def _size(writer: Shape, name: str) -> int | None:
    """A limit of the writer, or what follows from its other keywords."""
    found = writer.sizes.get(name)
    if name == "minProperties":
        return max(found or 0, len(writer.required))
    if name == "maxProperties" and writer.additional is False and not writer.by_pattern:
        return min(len(writer.properties), len(writer.properties) if found is None else found)
    if name == "maxItems" and writer.items is False:
        return min(len(writer.prefix), len(writer.prefix) if found is None else found)
    return found if found is not None or name in UPPER else 0


def _numbers(writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
    for limit, mine, theirs, sign in (
        ("minimum", writer.lower, reader.lower, 1),
        ("maximum", writer.upper, reader.upper, -1),
    ):
        if theirs is not None and not _implies(mine, theirs, sign, writer.types & NUMBERS == {"integer"}):
            yield Break(path, "limit.tightened", _said(mine, limit), _said(theirs, limit), limit)
    for factor in reader.factors:
        if not _is_multiple(writer, factor):
            known = ", ".join(f"multipleOf {one}" for one in writer.factors) or "any number"
            yield Break(path, "limit.tightened", known, f"multipleOf {factor}", "multipleOf")


def _implies(mine: Bound | None, theirs: Bound, sign: int, is_integer: bool) -> bool:
    """Whether a bound follows from another; `sign` is 1 for a lower one. Integers have a next one."""
    if mine is None:
        return False
    first, last = (_first(bound, sign) if is_integer else bound for bound in (mine, theirs))
    return (sign * first[0], first[1]) >= (sign * last[0], last[1])


def _first(bound: Bound, sign: int) -> Bound:
    """The first integer within a bound."""
    number, is_excluded = bound
    nearest = -((-number) // 1) if sign > 0 else number // 1
    return (Fraction(nearest + (sign if is_excluded and nearest == number else 0)), False)


def _is_multiple(writer: Shape, factor: Fraction) -> bool:
    if writer.lower is not None and writer.upper is not None and writer.lower[0] == writer.upper[0]:
        return writer.lower[0] % factor == 0
    whole = {Fraction(1)} if writer.types & NUMBERS == {"integer"} else set()
    return any(known % factor == 0 for known in {*writer.factors, *whole})


def _texts(writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
    if writer.values is not None:
        missing = {one for one in reader.patterns if not matches(one, str(writer.values[0]))}
    else:
        missing = set(reader.patterns - writer.patterns)
    if missing:
        known = " and ".join(sorted(writer.patterns)) or "any text"
        yield Break(path, "limit.tightened", known, " and ".join(sorted(missing)), "pattern")


def _said(bound: Bound | None, limit: str) -> str:
    if bound is None:
        return f"no {limit}"
    number = bound[0].numerator if bound[0].denominator == 1 else float(bound[0])
    return f"{limit} {number}{' (excluded)' if bound[1] else ''}"
