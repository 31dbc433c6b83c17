"""Objects: open, closed and partially open content models, as Confluent tells them apart."""

from __future__ import annotations

from collections.abc import Iterator

from hansa.contracts.compatibility.json_shape import Comparison, Shape, merge
from hansa.contracts.compatibility.json_words import said
from hansa.contracts.compatibility.verdict import Break


def object_breaks(walk: Comparison, writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
    """Why the reader may refuse an object that the writer permits."""
    for name in dict.fromkeys((*writer.properties, *reader.properties)):
        yield from _property(walk, writer, reader, name, f"{path}.{name}".removeprefix("."))
    yield from _patterns(walk, writer, reader, path)
    yield from _others(walk, writer, reader, path)
    for name in sorted(reader.required - writer.required):
        before = said(writer.of(name)) if name in writer.properties else ""
        yield Break(f"{path}.{name}".removeprefix("."), "field.required", before, said(reader.of(name)), "required")
    yield from _names(walk, writer, reader, path)
    yield from _dependents(walk, writer, reader, path)


def _property(walk: Comparison, writer: Shape, reader: Shape, name: str, path: str) -> Iterator[Break]:
    written, read = writer.of(name), reader.of(name)
    found = walk.breaks(written, read, path)
    if not found:
        return
    if _is_open(writer, name):
        yield Break(path, "field.added", "anything", said(read), "added to an open content model")
    elif read is False:
        yield Break(path, "field.refused", said(written), "", "removed from a closed content model")
    else:
        yield from found


def _is_open(shape: Shape, name: str) -> bool:
    """True where nothing is said of a property."""
    return shape.of(name) in (True, {}) and name not in shape.properties


def _patterns(walk: Comparison, writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
    """Schemas by pattern: names that match may be those of another pattern, or further ones."""
    for pattern, read in reader.by_pattern.items():
        place = f"{path}./{pattern}/".removeprefix(".")
        if pattern in writer.by_pattern:
            yield from walk.breaks(writer.by_pattern[pattern], read, place)
            continue
        for written in (*writer.by_pattern.values(), writer.additional):
            if walk.breaks(written, read, place):
                yield Break(place, "field.added", said(written), said(read), "patternProperties")
    for pattern, written in writer.by_pattern.items():
        if pattern not in reader.by_pattern:
            yield from walk.breaks(written, reader.additional, f"{path}./{pattern}/".removeprefix("."))


def _others(walk: Comparison, writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
    """Properties that neither declares."""
    place = f"{path}.*".removeprefix(".")
    found = walk.breaks(writer.additional, reader.additional, place)
    if found and reader.additional is False:
        yield Break(place, "field.refused", said(writer.additional), "", "additionalProperties")
    else:
        yield from found


def _names(walk: Comparison, writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
    if reader.names is True:
        return
    if writer.additional is False and not writer.by_pattern:
        refused = [n for n in writer.properties if walk.breaks({"const": n}, reader.names, path)]
    else:
        refused = [one.kind for one in walk.breaks({"allOf": [writer.names, {"type": "string"}]}, reader.names, path)]
    if refused:
        yield Break(path, "limit.tightened", said(writer.names), said(reader.names), "propertyNames")


def _dependents(walk: Comparison, writer: Shape, reader: Shape, path: str) -> Iterator[Break]:
    """What the reader asks where a property is there must hold for what the writer permits with it."""
    for name, asked in reader.dependents:
        if writer.of(name) is False:
            continue
        known = [schema for wanted, schema in writer.dependents if wanted == name]
        present = Shape(required=frozenset([name]))
        for schema in known:
            present = merge(present, walk.shape(schema))
        if any(True for _ in walk.shapes(merge(writer, present), walk.shape(asked), path)):
            place = f"{path}.{name}".removeprefix(".")
            yield Break(place, "limit.tightened", "", said(asked), "dependentRequired or dependentSchemas")
