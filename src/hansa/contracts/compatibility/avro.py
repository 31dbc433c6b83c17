"""Avro: what the resolution of a reader's and a writer's schema (Avro 1.12, "Schema Resolution") does to the data.

Whether a reader takes what was written is decided by the checker of the package `avro`. The walk here gives each
refusal its path, and adds what no checker looks at: logical types (`logical`), and promotions that lose digits.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hansa.contracts.compatibility.kinds import KINDS
from hansa.contracts.compatibility.logical import difference, logical_type
from hansa.contracts.compatibility.verdict import Break, Difference, Format, SchemaText, Verdict, both_ways, judge
from hansa.errors import AuthorError
from hansa.model.product import CompatibilityMode

if TYPE_CHECKING:
    from avro.schema import Schema

_COMPATIBLE: Final = "compatible"
_NARROWING: Final = {
    ("bytes", "string"): "bytes that are no UTF-8 are refused",
    ("int", "float"): "a float holds integers up to 2**24 exactly",
    ("long", "float"): "a float holds integers up to 2**24 exactly",
    ("long", "double"): "a double holds integers up to 2**53 exactly",
}
"""Promotions of the standard that do not keep every value."""
_NAMED: Final = ("record", "enum", "fixed")


def compatibility(history: Mapping[str, SchemaText], new: SchemaText, mode: CompatibilityMode) -> Verdict:
    """The verdict on `new` behind the schemas of `history`, oldest first.

    Raises `AuthorError("schema.malformed")` where a text is no Avro schema.
    """
    parsed = {label: parse(text) for label, text in history.items()}
    return judge(Format.AVRO, mode, parsed, parse(new), compare)


def compare(old: Schema, new: Schema) -> Iterator[Difference]:
    """Every difference that keeps a reader from data, or changes its meaning, both ways."""
    return both_ways(old, new, breaks)


def parse(source: SchemaText) -> Schema:
    """The schema of a text, its named types looked for in the references, too."""
    from avro.errors import AvroException
    from avro.name import Names
    from avro.schema import make_avsc_object

    names = Names()
    try:
        with warnings.catch_warnings(
            action="ignore"
        ):  # a logical type that does not fit its type is none: the standard
            for text in source.references.values():
                make_avsc_object(json.loads(text), names)
            return make_avsc_object(json.loads(source.text), names)
    except (AvroException, ValueError, RecursionError, TypeError, AttributeError) as failure:
        raise AuthorError(
            "schema.malformed", f"Not an Avro schema: {failure}", hint="See avro.apache.org, 'Schema Declaration'."
        ) from failure


def breaks(writer: Schema, reader: Schema) -> Iterator[Break]:
    """What a reader's schema makes of data of a writer's schema, where that is an error or another meaning."""
    walk = _Walk()
    found = list(walk.pair(writer, reader, ""))
    yield from found
    result = walk.result(writer, reader)
    if not walk.accepts(writer, reader) and all(KINDS[one.kind].is_ours for one in found):
        yield Break("", "schema.unread", writer.type, reader.type, "; ".join(sorted(result.messages)))


@dataclass(slots=True)
class _Walk:
    """One comparison. `seen` are the pairs of records that were compared, so that recursive types end."""

    checker: Any = field(default_factory=lambda: _checker())
    seen: set[tuple[int, int]] = field(default_factory=set)

    def result(self, writer: Schema, reader: Schema) -> Any:
        return self.checker.get_compatibility(reader, writer)

    def accepts(self, writer: Schema, reader: Schema) -> bool:
        return bool(self.result(writer, reader).compatibility.value == _COMPATIBLE)

    def pair(self, writer: Any, reader: Any, path: str) -> Iterator[Break]:
        if writer.type == "union":
            yield from self._each_branch(writer, reader, path)
        elif reader.type == "union":
            yield from self._chosen(writer, reader, path)
        elif writer.type == reader.type == "record":
            yield from self._record(writer, reader, path)
        elif writer.type == reader.type == "array":
            yield from self.pair(writer.items, reader.items, f"{path}[]")
        elif writer.type == reader.type == "map":
            yield from self.pair(writer.values, reader.values, f"{path}{{}}")
        else:
            yield from self._leaf(writer, reader, path)

    def _each_branch(self, writer: Any, reader: Any, path: str) -> Iterator[Break]:
        for branch in writer.schemas:
            if reader.type != "union" and not self.accepts(branch, reader) and branch.type != reader.type:
                yield Break(path, "union.branch_missing", said(writer), said(reader), f"no place for {said(branch)}")
            else:
                yield from self.pair(branch, reader, path)

    def _chosen(self, writer: Any, reader: Any, path: str) -> Iterator[Break]:
        """The branch that resolution takes: the first of the same type and name, else the first that fits."""
        same = [b for b in reader.schemas if b.type == writer.type and _called_alike(writer, b)]
        fitting = [b for b in reader.schemas if self.accepts(writer, b)]
        chosen = ([b for b in same if b in fitting] or fitting or same)[:1]
        if not chosen:
            yield Break(path, "union.branch_missing", said(writer), said(reader), f"no branch for {said(writer)}")
        for branch in chosen:
            yield from self.pair(writer, branch, path)

    def _record(self, writer: Any, reader: Any, path: str) -> Iterator[Break]:
        """A pair of records is compared once: where it is found first."""
        if (id(writer), id(reader)) in self.seen:
            return
        self.seen.add((id(writer), id(reader)))
        yield from _names(writer, reader, path)
        yield from self._fields(writer, reader, path)

    def _fields(self, writer: Any, reader: Any, path: str) -> Iterator[Break]:
        from avro.compatibility import lookup_writer_field

        claimed: set[str] = set()
        for wanted in reader.fields:
            place = f"{path}.{wanted.name}".removeprefix(".")
            found = lookup_writer_field(writer, wanted)
            if found is not None and found.name in claimed:
                yield Break(place, "alias.ambiguous", found.name, wanted.name, "readers differ in which one they fill")
            if found is not None:
                claimed.add(found.name)
                yield from self.pair(found.type, wanted.type, place)
            elif not wanted.has_default:
                yield Break(place, "field.default_missing", "", said(wanted.type), "reader_field_missing_default_value")

    def _leaf(self, writer: Any, reader: Any, path: str) -> Iterator[Break]:
        """Types without parts. Enumerations and fixed types of the same kind are compared by name and content."""
        from avro import compatibility as rules

        if writer.type == reader.type == "enum":
            yield from _names(writer, reader, path)
            if rules.check_reader_enum_contains_writer_enum(reader, writer, [""]).messages:
                yield Break(path, "enum.symbol_missing", _symbols(writer), _symbols(reader), "missing_enum_symbols")
        elif writer.type == reader.type == "fixed":
            yield from _names(writer, reader, path)
            if writer.size != reader.size:
                yield Break(path, "size.changed", str(writer.size), str(reader.size), "fixed_size_mismatch")
        elif not self.accepts(writer, reader):
            yield Break(path, "type.changed", said(writer), said(reader), "type_mismatch")
            return
        elif (writer.type, reader.type) in _NARROWING:
            yield Break(path, "type.narrowed", said(writer), said(reader), _NARROWING[writer.type, reader.type])
            return
        before, after = logical_type(writer), logical_type(reader)
        if rule := difference(before, after):
            yield Break(path, "logical.changed", said(writer), said(reader), rule)


def _checker() -> Any:
    from avro.compatibility import ReaderWriterCompatibilityChecker

    return ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]


def _called_alike(writer: Any, reader: Any) -> bool:
    from avro.compatibility import schema_name_equals

    return writer.type not in _NAMED or schema_name_equals(reader, writer)


def _names(writer: Any, reader: Any, path: str) -> Iterator[Break]:
    if not _called_alike(writer, reader):
        yield Break(path, "name.changed", writer.fullname, reader.fullname, "name_mismatch")


def _symbols(schema: Any) -> str:
    return ", ".join(schema.symbols)


def said(schema: Any) -> str:
    """A schema in a few words: its name or type, and its logical type."""
    if schema.type == "union":
        return " or ".join(said(branch) for branch in schema.schemas)
    name = schema.fullname if schema.type in _NAMED else schema.type
    logical = logical_type(schema)
    return f"{logical} ({name})" if logical else str(name)
