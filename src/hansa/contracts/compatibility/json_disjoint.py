"""Can two schemas be shown to have no value in common? No is no proof that they have one."""

from __future__ import annotations

from hansa.contracts.compatibility.json_document import same
from hansa.contracts.compatibility.json_shape import NUMBERS, Bound, Comparison, Shape

DEPTH_MAX = 8


def are_disjoint(walk: Comparison, one: Shape, other: Shape, depth: int = 0) -> bool:
    """True where no value fits both: by type, values, ranges, a property that both have, or what one excludes."""
    if one.is_empty or other.is_empty:
        return True
    if one.values is not None and other.values is not None:
        return not any(same(value, known) for value in one.values for known in other.values)
    if _excludes(walk, one, other) or _excludes(walk, other, one):
        return True
    return depth < DEPTH_MAX and all(_apart(walk, one, other, kind, depth) for kind in one.types & other.types)


def _excludes(walk: Comparison, one: Shape, other: Shape) -> bool:
    """Whether all of `other` is among what `one` negates."""
    return any(not any(True for _ in walk.shapes(other, walk.shape(schema), "")) for schema in one.negations)


def _apart(walk: Comparison, one: Shape, other: Shape, kind: str, depth: int) -> bool:
    if kind in NUMBERS:
        return _beyond(one.lower, other.upper) or _beyond(other.lower, one.upper)
    if kind != "object":
        return False
    return any(
        are_disjoint(walk, walk.shape(one.of(name)), walk.shape(other.of(name)), depth + 1)
        for name in sorted(one.required | other.required)
    )


def _beyond(lower: Bound | None, upper: Bound | None) -> bool:
    if lower is None or upper is None:
        return False
    return lower[0] > upper[0] or (lower[0] == upper[0] and (lower[1] or upper[1]))
