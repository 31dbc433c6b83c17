"""Protobuf: what a reader makes of a writer's bytes, by field numbers and wire types.

Confluent's rules, and three that it does not have: a number that does not hold every value of the one before
(`type.narrowed`), numbers that were reserved, and services. Names do not count in bytes: a field that is renamed is
told, and hits nobody (its JSON form changes).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hansa.contracts.compatibility.proto_source import ProtoFiles, compile_proto
from hansa.contracts.compatibility.proto_types import Types, kind_of, narrows
from hansa.contracts.compatibility.verdict import (
    Break,
    Difference,
    Direction,
    Format,
    SchemaText,
    Verdict,
    both_ways,
    judge,
)
from hansa.model.product import CompatibilityMode

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import EnumDescriptorProto, FieldDescriptorProto

_BACKWARD: Final = frozenset({Direction.READERS_OF_OLD_DATA})
_FORWARD: Final = frozenset({Direction.OLD_READERS})
_REPEATED: Final = 3
_REQUIRED: Final = 2


def compatibility(history: Mapping[str, SchemaText], new: SchemaText, mode: CompatibilityMode) -> Verdict:
    """The verdict on `new` behind the schemas of `history`, oldest first. Raises as `compile_proto` does."""
    parsed = {label: compile_proto(text) for label, text in history.items()}
    return judge(Format.PROTOBUF, mode, parsed, compile_proto(new), compare)


def compare(old: ProtoFiles, new: ProtoFiles) -> Iterator[Difference]:
    """Every difference of two files and of the types that they use."""
    named = Types.of(new)
    yield from both_ways(old, new, lambda writer, reader: breaks(writer, reader, named))
    yield from _renamed(old, new)
    yield from _reused(old, new)
    yield from _services(old, new)


def breaks(writer: ProtoFiles, reader: ProtoFiles, named: Types | None = None) -> Iterator[Break]:
    """Where a reader's file does not read what was written with the writer's, or reads something else.

    `named` is the side whose names of fields stand in the paths; the reader's unless given.
    """
    if writer.main.package != reader.main.package:
        yield Break("", "package.changed", writer.main.package, reader.main.package, "names of messages change")
        return
    before, after = Types.of(writer), Types.of(reader)
    for name, message in before.own_messages.items():
        if name not in after.messages and not message.options.map_entry:
            yield Break(before.shown(name), "message.missing", before.shown(name), "", "message")
    for name in before.messages.keys() & after.messages.keys():
        yield from _Messages(before, after, named or after, name).breaks()
    for name in before.enums.keys() & after.enums.keys():
        yield from _enum(before, after, name)


@dataclass(frozen=True, slots=True)
class _Messages:
    """One message at the writer and at the reader."""

    before: Types
    after: Types
    named: Types
    name: str

    def breaks(self) -> Iterator[Break]:
        written = {field.number: field for field in self.before.messages[self.name].field}
        read = {field.number: field for field in self.after.messages[self.name].field}
        for number in written.keys() & read.keys():
            yield from self._field(written[number], read[number])
        for number in sorted(written.keys() - read.keys()):
            yield from self._unknown(written[number])
        for number in sorted(read):
            is_sure = number in written and written[number].label == _REQUIRED
            if read[number].label == _REQUIRED and not is_sure:
                yield Break(self._path(read[number]), "field.required", "", "required", "required")
        yield from self._joined(written, read)

    def _path(self, field: FieldDescriptorProto) -> str:
        return self.named.path(self.name, field)

    def _field(self, written: FieldDescriptorProto, read: FieldDescriptorProto) -> Iterator[Break]:
        before, after = self.before.said(written), self.after.said(read)
        path = self._path(written)
        if kind_of(written) != kind_of(read):
            yield Break(path, "type.changed", before, after, "another wire type, or another named type")
        elif written.label != read.label and _REPEATED in (written.label, read.label):
            yield Break(path, "label.changed", before, after, "repeated and single values are told apart by nothing")
        elif narrows(written, read):
            yield Break(path, "type.narrowed", before, after, "the wire type is the same, the values are not")

    def _unknown(self, field: FieldDescriptorProto) -> Iterator[Break]:
        """A field that the reader does not have is skipped, but in a oneof that is read as nothing set."""
        if field.HasField("oneof_index") and not field.proto3_optional:
            oneof = self.before.messages[self.name].oneof_decl[field.oneof_index].name
            if any(one.name == oneof for one in self.after.messages[self.name].oneof_decl):
                yield Break(self._path(field), "oneof.field_removed", oneof, "", "oneof")

    def _joined(self, written: Mapping[int, Any], read: Mapping[int, Any]) -> Iterator[Break]:
        """Fields of one oneof at the reader, of which the writer may set several at once."""
        for index, oneof in enumerate(self.after.messages[self.name].oneof_decl):
            known = [n for n, field in read.items() if _oneof(field) == index and n in written]
            homes = {_oneof(written[n]) for n in known}
            if len(known) > 1 and (len(homes) > 1 or None in homes):
                names = ", ".join(read[number].name for number in known)
                path = f"{self.before.shown(self.name)}.{oneof.name}"
                yield Break(path, "oneof.joined", names, names, "only the last one of a oneof is kept")


def _oneof(field: FieldDescriptorProto) -> int | None:
    """The index of the oneof that a field stands in; that of a proto3 `optional` does not count."""
    return field.oneof_index if field.HasField("oneof_index") and not field.proto3_optional else None


def _enum(before: Types, after: Types, name: str) -> Iterator[Break]:
    """Open enumerations keep numbers that they do not know; closed ones (proto2) read them as unset."""
    written, read = before.enums[name], after.enums[name]
    numbers = {value.name: value.number for value in (*read.value, *written.value)}
    known = {value.number: value.name for value in reversed(read.value)}
    names = {value.name: value.number for value in read.value}
    for value in written.value:
        path, heard = f"{before.shown(name)}.{value.name}", known.get(value.number)
        if heard is None:
            if after.is_closed(name):
                yield Break(path, "enum.symbol_missing", _values(written), _values(read), "a closed enumeration")
        elif names.get(value.name, value.number) != value.number or numbers[heard] != value.number:
            said, read_as = (f"{value.number} = {one}" for one in (value.name, heard))
            yield Break(path, "enum.number_moved", said, read_as, "the name of another number")


def _values(enum: EnumDescriptorProto) -> str:
    return ", ".join(value.name for value in enum.value)


def _renamed(old: ProtoFiles, new: ProtoFiles) -> Iterator[Difference]:
    before, after = Types.of(old), Types.of(new)
    for name in before.messages.keys() & after.messages.keys():
        names = {field.number: field.name for field in after.messages[name].field}
        for field in before.messages[name].field:
            renamed = names.get(field.number, field.name)
            if renamed != field.name:
                path = after.path(name, field)
                yield Difference(path, "field.renamed", frozenset(), field.name, renamed, "bytes hold no names")


def _reused(old: ProtoFiles, new: ProtoFiles) -> Iterator[Difference]:
    """Numbers that the old schema reserved, because data that is older still has them."""
    before, after = Types.of(old), Types.of(new)
    for name in before.messages.keys() & after.messages.keys():
        reserved = before.messages[name].reserved_range
        for field in after.messages[name].field:
            if any(span.start <= field.number < span.end for span in reserved):
                path = f"{after.shown(name)}.{field.name}"
                yield Difference(path, "number.reused", _BACKWARD, "reserved", str(field.number), "reserved")


def _services(old: ProtoFiles, new: ProtoFiles) -> Iterator[Difference]:
    """Clients of a service are old readers: they call what was there."""
    after = {service.name: {m.name: m for m in service.method} for service in new.main.service}
    for service in old.main.service:
        if service.name not in after:
            yield Difference(service.name, "service.removed", _FORWARD, service.name, "", "service")
            continue
        for method in service.method:
            path, found = f"{service.name}.{method.name}", after[service.name].get(method.name)
            if found is None:
                yield Difference(path, "method.removed", _FORWARD, method.name, "", "method")
            elif (was := _signature(method)) != (will_be := _signature(found)):
                yield Difference(path, "method.changed", _FORWARD, was, will_be, "another request or response")


def _signature(method: Any) -> str:
    sides = ((method.client_streaming, method.input_type), (method.server_streaming, method.output_type))
    return " → ".join(f"{'stream of ' if is_stream else ''}{name.lstrip('.')}" for is_stream, name in sides)
