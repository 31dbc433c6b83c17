"""The messages and enumerations of compiled files by name, and which scalar types share a form on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hansa.contracts.compatibility.proto_source import ProtoFiles

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto

_NAMES: Final = {
    1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 6: "fixed64", 7: "fixed32", 8: "bool", 9: "string",
    10: "group", 11: "message", 12: "bytes", 13: "uint32", 14: "enum", 15: "sfixed32", 16: "sfixed64", 17: "sint32",
    18: "sint64",
}  # fmt: skip
"""`FieldDescriptorProto.Type`, which is part of the format."""
_WIRE: Final = {
    "int32": "varint", "int64": "varint", "uint32": "varint", "uint64": "varint", "bool": "varint", "enum": "varint",
    "sint32": "zigzag", "sint64": "zigzag", "string": "text", "bytes": "text", "fixed32": "fixed32",
    "sfixed32": "fixed32", "fixed64": "fixed64", "sfixed64": "fixed64",
}  # fmt: skip
"""Types that read each other's bytes (Confluent's scalar kinds, and protobuf.dev, "Updating A Message Type")."""
_HOLDS: Final = {
    "int64": {"int32", "uint32", "bool", "enum"},
    "int32": {"bool", "enum"},
    "uint64": {"uint32", "bool"},
    "uint32": {"bool"},
    "sint64": {"sint32"},
    "bytes": {"string"},
}
"""By type: the other ones of the same wire form whose every value it holds."""


@dataclass(frozen=True, slots=True)
class Types:
    """By full name, without a leading dot. `own_messages` are those of the main file."""

    package: str
    own_messages: Mapping[str, DescriptorProto]
    messages: Mapping[str, DescriptorProto]
    enums: Mapping[str, EnumDescriptorProto]
    closed: frozenset[str]

    @staticmethod
    def of(files: ProtoFiles) -> Types:
        """What a schema declares or reaches by its imports; entries of maps are messages, too."""
        messages: dict[str, Any] = {}
        enums: dict[str, Any] = {}
        closed: set[str] = set()
        for file in files.files.values():
            declared = dict(_nested(file.package, file.message_type))
            listed = {_joined(file.package, enum.name): enum for enum in file.enum_type}
            listed |= {f"{n}.{enum.name}": enum for n, message in declared.items() for enum in message.enum_type}
            messages |= declared
            enums |= listed
            closed |= listed.keys() if file.syntax in ("", "proto2") else set()
        own = {name: messages[name] for name, _ in _nested(files.main.package, files.main.message_type)}
        return Types(files.main.package, own, messages, enums, frozenset(closed))

    def shown(self, name: str) -> str:
        """A name as it stands in a path: without the schema's own package."""
        return name.removeprefix(f"{self.package}.") if self.package else name

    def path(self, message: str, field: FieldDescriptorProto) -> str:
        """`Message.field` by the name that the field's number has here; `Message.field{}` for the values of a map."""
        own = self.messages.get(message)
        name = next((one.name for one in (own.field if own else ()) if one.number == field.number), field.name)
        if own is None or not own.options.map_entry:
            return f"{self.shown(message)}.{name}"
        owner = message.rpartition(".")[0]
        home = next((one for one in self.messages[owner].field if one.type_name == f".{message}"), field)
        return f"{self.shown(owner)}.{home.name}{{{'key' if name == 'key' else ''}}}"

    def is_closed(self, enum: str) -> bool:
        return enum in self.closed

    def said(self, field: FieldDescriptorProto) -> str:
        """A field's type as it is written."""
        name = self.shown(field.type_name.lstrip(".")) or _NAMES[field.type]
        entry = self.messages.get(field.type_name.lstrip("."))
        if entry is not None and entry.options.map_entry:
            return f"map<{', '.join(self.said(part) for part in entry.field)}>"
        return f"repeated {name}" if field.label == 3 else name


def _nested(prefix: str, messages: Any) -> Iterator[tuple[str, Any]]:
    for message in messages:
        name = _joined(prefix, message.name)
        yield name, message
        yield from _nested(name, message.nested_type)


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def kind_of(field: FieldDescriptorProto) -> tuple[str, str]:
    """What must be equal for bytes to be read: the form on the wire, and the name of a message's type.

    A map is told by its entry, whose fields are compared as those of any message.
    """
    name = _NAMES[field.type]
    if name in ("message", "group"):
        return name, field.type_name
    return _WIRE.get(name, name), ""


def narrows(written: FieldDescriptorProto, read: FieldDescriptorProto) -> bool:
    """Whether some value of the written type is another one in the read type. Enumerations are told by their name."""
    before, after = _NAMES[written.type], _NAMES[read.type]
    if before == after:
        return before == "enum" and written.type_name != read.type_name
    return before not in _HOLDS.get(after, set())
