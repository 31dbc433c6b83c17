"""What a JSON Schema permits, in one form: `$ref` and `allOf` merged in, drafts 4 to 2020-12 alike.

A `Shape` is the intersection of its keywords. Merging is exact; what a shape cannot hold (alternatives, negations,
conditions) it keeps beside, as further conditions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import Final, Protocol

from hansa.contracts.compatibility.json_document import Documents, Json, modern, same
from hansa.contracts.compatibility.verdict import Break

ALL_TYPES: Final = frozenset(["null", "boolean", "object", "array", "string", "integer", "fraction"])
NUMBERS: Final = frozenset(["integer", "fraction"])
LOWER: Final = ("minLength", "minItems", "minProperties")
UPPER: Final = ("maxLength", "maxItems", "maxProperties")
_CONTAINS: Final = ("contains", "minContains", "maxContains")
_HANDLED_BESIDE: Final = ("unevaluatedProperties", "unevaluatedItems")

Bound = tuple[Fraction, bool]
"""A limit of numbers, and whether it is itself excluded."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema as one conjunction. Numbers are the types `integer` and `fraction`; None stands for no limit."""

    types: frozenset[str] = ALL_TYPES
    values: tuple[Json, ...] | None = None
    lower: Bound | None = None
    upper: Bound | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    factors: frozenset[Fraction] = frozenset()
    patterns: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    properties: Mapping[str, Json] = field(default_factory=dict)
    by_pattern: Mapping[str, Json] = field(default_factory=dict)
    additional: Json = True
    required: frozenset[str] = frozenset()
    names: Json = True
    dependents: tuple[tuple[str, Json], ...] = ()
    prefix: tuple[Json, ...] = ()
    items: Json = True
    is_unique: bool = False
    contained: tuple[Json, ...] = ()
    alternatives: tuple[tuple[str, tuple[Json, ...]], ...] = ()
    negations: tuple[Json, ...] = ()
    conditions: tuple[Json, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True where it is seen at once that no value fits."""
        return not self.types or self.values == ()

    def of(self, name: str) -> Json:
        """The schema of a property, whether it is declared or not."""
        found = [self.properties[name]] if name in self.properties else []
        found += [schema for pattern, schema in self.by_pattern.items() if matches(pattern, name)]
        return both(*found) if found else self.additional

    def at(self, index: int) -> Json:
        """The schema of an element."""
        return self.prefix[index] if index < len(self.prefix) else self.items


class Comparison(Protocol):
    """What the rules of one type ask of the walk: whether the schemas within fit."""

    def shape(self, schema: Json) -> Shape:
        """What a schema permits."""
        ...

    def breaks(self, writer: Json, reader: Json, path: str) -> list[Break]:
        """The differences of two schemas."""
        ...

    def shapes(self, writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
        """The differences of two shapes."""
        ...


def matches(pattern: str, text: str) -> bool:
    """Whether a regular expression is found in a text; one that Python cannot read is found nowhere."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def is_readable(pattern: str) -> bool:
    """Whether Python reads a regular expression of JSON Schema (which are JavaScript's)."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def both(*schemas: Json) -> Json:
    """The intersection of schemas, as a schema."""
    kept = [one for one in schemas if one is not True and one != {}]
    if False in kept:
        return False
    return kept[0] if len(kept) == 1 else {"allOf": kept} if kept else True


def shape_of(schema: Json, documents: Documents, seen: frozenset[str] = frozenset()) -> Shape:
    """The shape of a schema. A reference that leads to itself says nothing."""
    if isinstance(schema, bool):
        return Shape() if schema else Shape(types=frozenset())
    raw = modern(schema)
    parts = [_own(raw)]
    if (reference := raw.get("$ref")) is not None and reference not in seen:
        parts.append(shape_of(documents.resolve(reference), documents, seen | {reference}))
    parts += [shape_of(one, documents, seen) for one in raw.get("allOf", ())]
    merged = reduce(merge, parts)
    return _closed(merged, raw)


def _closed(shape: Shape, raw: Mapping[str, Json]) -> Shape:
    """With `unevaluatedProperties` and `unevaluatedItems`, as far as they can be told without a value."""
    asked = [name for name in _HANDLED_BESIDE if raw.get(name, True) is not True]
    if not asked:
        return shape
    if shape.alternatives or shape.conditions or shape.dependents or "additionalProperties" in raw:
        return replace(shape, unread=(*shape.unread, *asked))
    changed = {"additional": raw[asked[0]]} if asked[0] == _HANDLED_BESIDE[0] and shape.additional is True else {}
    if _HANDLED_BESIDE[1] in asked and shape.items is True:
        changed["items"] = raw[_HANDLED_BESIDE[1]]
    return replace(shape, **changed)


def _own(raw: Mapping[str, Json]) -> Shape:
    """The keywords that stand in the schema itself."""
    conditions = ({name: raw[name] for name in ("if", "then", "else") if name in raw},) if "if" in raw else ()
    needed = {name: {"required": names} for name, names in raw.get("dependentRequired", {}).items()}
    dependents = (*needed.items(), *raw.get("dependentSchemas", {}).items())
    encodings = [f"{name} {raw[name]}" for name in ("contentEncoding", "contentMediaType") if name in raw]
    return Shape(
        types=_types(raw.get("type")),
        values=tuple(raw["enum"]) if "enum" in raw else None,
        lower=_bound(raw, "minimum", "exclusiveMinimum"),
        upper=_bound(raw, "maximum", "exclusiveMaximum"),
        sizes={name: int(raw[name]) for name in (*LOWER, *UPPER) if name in raw},
        factors=frozenset([_exact(raw["multipleOf"])] if "multipleOf" in raw else []),
        patterns=frozenset([raw["pattern"]] if "pattern" in raw else []),
        formats=frozenset([*([raw["format"]] if "format" in raw else []), *encodings]),
        properties=raw.get("properties", {}),
        by_pattern=raw.get("patternProperties", {}),
        additional=raw.get("additionalProperties", True),
        required=frozenset(raw["required"] if isinstance(raw.get("required"), list) else ()),
        names=raw.get("propertyNames", True),
        dependents=dependents,
        prefix=tuple(raw.get("prefixItems", ())),
        items=raw.get("items", True),
        is_unique=raw.get("uniqueItems", False) is True,
        contained=({name: raw[name] for name in _CONTAINS if name in raw},) if "contains" in raw else (),
        alternatives=tuple((name, tuple(raw[name])) for name in ("anyOf", "oneOf") if name in raw),
        negations=(raw["not"],) if "not" in raw else (),
        conditions=conditions,
        unread=(
            *(name for name in ("$dynamicRef", "$recursiveRef") if name in raw),
            *(pattern for pattern in raw.get("patternProperties", ()) if not is_readable(pattern)),
        ),
    )


def _types(asked: Json) -> frozenset[str]:
    if asked is None:
        return ALL_TYPES
    names = {asked} if isinstance(asked, str) else set(asked)
    return frozenset(names - {"number"} | (NUMBERS if "number" in names else set())) & ALL_TYPES


def _exact(number: float) -> Fraction:
    return Fraction(Decimal(str(number)))


def _bound(raw: Mapping[str, Json], limit: str, excluded: str) -> Bound | None:
    found = [(_exact(raw[name]), name == excluded) for name in (limit, excluded) if name in raw]
    if not found:
        return None
    sign = 1 if limit == "minimum" else -1
    return max(found, key=lambda bound: (sign * bound[0], bound[1]))


def merge(one: Shape, other: Shape) -> Shape:
    """What fits both shapes."""
    return Shape(
        types=one.types & other.types,
        values=_common(one.values, other.values),
        lower=_stricter(one.lower, other.lower, 1),
        upper=_stricter(one.upper, other.upper, -1),
        sizes=dict(_sizes(one.sizes, other.sizes)),
        factors=one.factors | other.factors,
        patterns=one.patterns | other.patterns,
        formats=one.formats | other.formats,
        properties={n: both(one.of(n), other.of(n)) for n in (*one.properties, *other.properties)},
        by_pattern=_patterns(one, other),
        additional=both(one.additional, other.additional),
        required=one.required | other.required,
        names=both(one.names, other.names),
        dependents=(*one.dependents, *other.dependents),
        prefix=tuple(both(one.at(i), other.at(i)) for i in range(max(len(one.prefix), len(other.prefix)))),
        items=both(one.items, other.items),
        is_unique=one.is_unique or other.is_unique,
        contained=(*one.contained, *other.contained),
        alternatives=(*one.alternatives, *other.alternatives),
        negations=(*one.negations, *other.negations),
        conditions=(*one.conditions, *other.conditions),
        unread=(*one.unread, *other.unread, *(["patternProperties"] if _is_mixed(one, other) else [])),
    )


def _common(one: tuple[Json, ...] | None, other: tuple[Json, ...] | None) -> tuple[Json, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    return tuple(value for value in one if any(same(value, known) for known in other))


def _stricter(one: Bound | None, other: Bound | None, sign: int) -> Bound | None:
    found = [bound for bound in (one, other) if bound is not None]
    return max(found, key=lambda bound: (sign * bound[0], bound[1])) if found else None


def _sizes(one: Mapping[str, int], other: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    for name in {**one, **other}:
        found = [sizes[name] for sizes in (one, other) if name in sizes]
        yield name, max(found) if name in LOWER else min(found)


def _patterns(one: Shape, other: Shape) -> dict[str, Json]:
    return {
        pattern: both(one.by_pattern.get(pattern, True), other.by_pattern.get(pattern, True))
        for pattern in (*one.by_pattern, *other.by_pattern)
    }


def _is_mixed(one: Shape, other: Shape) -> bool:
    """True where one shape's patterns meet the other's limits on further properties: no shape holds that."""
    one_mixed = any(p not in other.by_pattern for p in one.by_pattern) and other.additional is not True
    return one_mixed or (any(p not in one.by_pattern for p in other.by_pattern) and one.additional is not True)
