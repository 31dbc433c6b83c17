"""JSON Schema: does a reader's schema accept every document that a writer's schema accepts?

That is Confluent's question, too, and its answers are followed, with open and closed content models told apart: in an
open model, a property that the writer does not declare may be there as anything. The walk is *sound*: without a
difference, every document of the writer is one of the reader. It is not complete: where nothing is proven
(negations, conditions, overlapping alternatives) it reports a difference. `docs/reference/compatibility.md` lists where
Confluent or `jsonsubschema` say otherwise, and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from hansa.contracts.compatibility.json_arrays import array_breaks
from hansa.contracts.compatibility.json_disjoint import are_disjoint
from hansa.contracts.compatibility.json_document import Documents, Json, Loaded, load, same, without_side
from hansa.contracts.compatibility.json_objects import object_breaks
from hansa.contracts.compatibility.json_scalars import limit_breaks
from hansa.contracts.compatibility.json_shape import Shape, merge, shape_of
from hansa.contracts.compatibility.json_words import said, said_types
from hansa.contracts.compatibility.verdict import Break, Difference, Format, SchemaText, Verdict, both_ways, judge
from hansa.model.product import CompatibilityMode

DEPTH_MAX: Final = 64
STEPS_MAX: Final = 20_000


def compatibility(history: Mapping[str, SchemaText], new: SchemaText, mode: CompatibilityMode) -> Verdict:
    """The verdict on `new` behind the schemas of `history`, oldest first.

    Raises `AuthorError` (`schema.malformed`, `schema.reference_unknown`).
    """
    parsed = {label: load(text, f"v{number}") for number, (label, text) in enumerate(history.items())}
    return judge(Format.JSON_SCHEMA, mode, parsed, load(new, "new"), compare)


def compare(old: Loaded, new: Loaded) -> Iterator[Difference]:
    """Every difference for which one schema refuses a document of the other."""
    return both_ways(old, new, breaks)


def breaks(writer: Loaded, reader: Loaded) -> Iterator[Break]:
    """Why the reader may refuse a document of the writer; nothing where it accepts each one."""
    texts = [
        {without_side(uri): without_side(json.dumps(root)) for uri, root in side.documents.roots.items()}
        for side in (writer, reader)
    ]
    walk = Walk(writer.documents | reader.documents, are_same=texts[0] == texts[1])
    return iter(walk.breaks(writer.root, reader.root, ""))


@dataclass(slots=True)
class Walk:
    """One comparison. A pair that is being compared is taken to fit, so that recursive schemas end.

    `fitting` holds the pairs that were found to fit; what rests on a pair that turns out not to is forgotten.
    """

    documents: Documents
    are_same: bool = False
    fitting: dict[tuple[str, str], None] = field(default_factory=dict)
    steps: int = 0
    depth: int = 0

    def shape(self, schema: Json) -> Shape:
        return shape_of(schema, self.documents)

    def breaks(self, writer: Json, reader: Json, path: str) -> list[Break]:
        """The differences of a pair of schemas; none for one that was found to fit, or is being compared."""
        pair = (json.dumps(writer, sort_keys=True), json.dumps(reader, sort_keys=True))
        if reader is True or writer is False or pair in self.fitting or self._is_same(*pair):
            return []
        known = len(self.fitting)
        self.fitting[pair] = None
        found = list(self.shapes(self.shape(writer), self.shape(reader), path))
        while found and len(self.fitting) > known:
            self.fitting.popitem()
        return found

    def _is_same(self, writer: str, reader: str) -> bool:
        """The same text means the same where it refers to nothing, or all that it may refer to is the same, too."""
        if "$ref" in writer and not self.are_same:
            return False
        return without_side(writer) == without_side(reader)

    def shapes(self, writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
        """The differences of two shapes. Where there are some, the writer's alternatives are looked at one by one."""
        if writer.is_empty:
            return
        self.steps += 1
        if self.depth > DEPTH_MAX or self.steps > STEPS_MAX:
            yield Break(path, "schema.unread", said_types(writer), said_types(reader), "too deep, or too many cases")
            return
        self.depth += 1
        found = list(self._values(writer, reader, path) if writer.values else self._conjunction(writer, reader, path))
        if found and writer.alternatives:
            found = [one for part in self._split(writer) for one in self.shapes(part, reader, path)]
        self.depth -= 1
        yield from dict.fromkeys(found)

    def _split(self, writer: Shape) -> Iterator[Shape]:
        """One shape for each branch of the first alternative; a branch of a oneOf excludes the others."""
        (name, branches), *others = writer.alternatives
        rest = replace(writer, alternatives=tuple(others))
        for index, branch in enumerate(branches):
            excluded = (*branches[:index], *branches[index + 1 :]) if name == "oneOf" else ()
            found = merge(rest, self.shape(branch))
            yield replace(found, negations=(*found.negations, *excluded))

    def _values(self, writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
        """An enumeration fits where each of its values does."""
        refused = [v for v in writer.values or () if _type(v) in writer.types and self._refuses(writer, reader, v)]
        if refused:
            evidence = "refused: " + ", ".join(json.dumps(value)[:40] for value in refused[:5])
            yield Break(path, "enum.symbol_missing", said_types(writer), said_types(reader), evidence)

    def _refuses(self, writer: Shape, reader: Shape, value: Json) -> bool:
        if reader.values is not None and not any(same(value, known) for known in reader.values):
            return True
        only = replace(_only(value), formats=writer.formats)
        return any(True for _ in self._conjunction(only, replace(reader, values=None), ""))

    def _conjunction(self, writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
        """The reader's keywords one after the other: each must hold for whatever the writer permits."""
        if gone := writer.types - reader.types:
            kind = "union.branch_missing" if writer.types & reader.types else "type.changed"
            yield Break(path, kind, said_types(writer), said_types(reader), f"no {', '.join(sorted(gone))} any more")
        writer = replace(writer, types=writer.types & reader.types)
        if writer.is_empty:
            return
        yield from limit_breaks(writer, reader, path)
        if "object" in writer.types:
            yield from object_breaks(self, writer, reader, path)
        if "array" in writer.types:
            yield from array_breaks(self, writer, reader, path)
        for name, branches in reader.alternatives:
            yield from self._alternative(writer, name, branches, path)
        for schema in reader.negations:
            if not are_disjoint(self, writer, self.shape(schema)):
                yield Break(path, "limit.tightened", said_types(writer), f"not {said(schema)}", "not")
        for condition in reader.conditions:
            yield from self._condition(writer, condition, path)
        if reader.unread:
            yield Break(path, "schema.unread", "", ", ".join(reader.unread), "it cannot be told without a document")

    def _alternative(self, writer: Shape, name: str, branches: tuple[Json, ...], path: str) -> Iterator[Break]:
        """Each value of the writer needs a branch: one for all, or one for each type."""
        if self._branch(writer, name, branches):
            return
        for kind in sorted(writer.types):
            part = replace(writer, types=frozenset([kind]))
            if self._branch(part, name, branches):
                continue
            shapes = [self.shape(branch) for branch in branches]
            near = [shape for shape in shapes if part.types & shape.types]
            if any(not self._misfits(part, shape) for shape in near):
                yield Break(path, "union.overlap", said_types(part), said({name: list(branches)}), name)
            elif len(near) == 1:
                yield from self.shapes(part, near[0], path)
            else:
                yield Break(path, "union.branch_missing", said_types(part), said({name: list(branches)}), name)

    def _branch(self, writer: Shape, name: str, branches: tuple[Json, ...]) -> bool:
        """Whether one branch takes all of the writer's values; of a oneOf, that one alone."""
        shapes = [self.shape(branch) for branch in branches]
        for index, shape in enumerate(shapes):
            if self._misfits(writer, shape):
                continue
            others = (*shapes[:index], *shapes[index + 1 :])
            if name == "anyOf" or all(are_disjoint(self, writer, other) for other in others):
                return True
        return False

    def _misfits(self, writer: Shape, reader: Shape) -> bool:
        return any(True for _ in self.shapes(writer, reader, ""))

    def _condition(self, writer: Shape, condition: Json, path: str) -> Iterator[Break]:
        """`if`: what fits it must fit `then`, what does not, `else`."""
        alike = [known for known in writer.conditions if known["if"] == condition["if"]]
        fits = merge(writer, self.shape(condition["if"]))
        fails = replace(writer, negations=(*writer.negations, condition["if"]))
        for name, part in (("then", fits), ("else", fails)):
            for known in alike:
                part = merge(part, self.shape(known.get(name, True)))
            if self._misfits(part, self.shape(condition.get(name, True))):
                yield Break(path, "limit.tightened", "", f"if {said(condition['if'])}", name)


def _type(value: Json) -> str:
    if isinstance(value, float) and value.is_integer():
        return "integer"
    kinds = {type(None): "null", bool: "boolean", int: "integer", float: "fraction", str: "string", list: "array"}
    return kinds.get(type(value), "object")


def _only(value: Json) -> Shape:
    """The shape that only one value has."""
    shape = Shape(types=frozenset([_type(value)]), values=(value,))
    match value:
        case bool() | None:
            return shape
        case int() | float():
            bound = (Fraction(str(value)), False)
            return replace(shape, lower=bound, upper=bound)
        case str():
            return replace(shape, sizes={"minLength": len(value), "maxLength": len(value)})
        case list():
            is_unique = not any(same(one, other) for i, one in enumerate(value) for other in value[:i])
            prefix = tuple({"const": one} for one in value)
            sizes = {"minItems": len(value), "maxItems": len(value)}
            return replace(shape, prefix=prefix, items=False, sizes=sizes, is_unique=is_unique)
        case _:
            inner = {name: {"const": one} for name, one in value.items()}
            return replace(shape, properties=inner, required=frozenset(inner), additional=False)
