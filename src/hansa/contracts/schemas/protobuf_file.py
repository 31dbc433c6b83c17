"""A .proto file as plain values, and its two written forms: text, and the descriptor that Protobuf's runtimes load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from hansa.contracts.schemas.library import needed

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

Label: TypeAlias = Literal["", "optional", "repeated"]

ITEMS: Final = "items"
"""The one field of a message that stands between, where Protobuf has no presence or no nesting."""
IMPORTS: Final = {
    ".google.protobuf.Timestamp": "google/protobuf/timestamp.proto",
    ".google.type.Date": "google/type/date.proto",
    ".google.type.DateTime": "google/type/datetime.proto",
    ".google.type.Decimal": "google/type/decimal.proto",
    ".google.type.TimeOfDay": "google/type/timeofday.proto",
}
"""The messages that the types without one of Protobuf's own take, and where each stands."""
_SCALARS: Final = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "bool": 8, "string": 9, "uint32": 13,
}  # fmt: skip
"""Numbers of `FieldDescriptorProto.Type`."""
_MESSAGE: Final = 11
_ENUM: Final = 14


@dataclass(frozen=True, slots=True)
class Member:
    """A field. `type` is a scalar, one of `IMPORTS`, or the name of a message or enum within the same message; where
    `key` is given, the field is a map of these. `note` becomes a comment."""

    name: str
    number: int
    type: str
    label: Label = ""
    key: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reserved:
    """Numbers and names of an earlier version, which are never given again."""

    numbers: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Enum:
    name: str
    values: tuple[tuple[str, int], ...]
    reserved: Reserved = Reserved()


@dataclass(frozen=True, slots=True)
class Message:
    name: str
    members: tuple[Member, ...]
    messages: tuple[Message, ...] = ()
    enums: tuple[Enum, ...] = ()
    reserved: Reserved = Reserved()
    note: str = ""


@dataclass(frozen=True, slots=True)
class File:
    package: str
    message: Message

    @property
    def imports(self) -> list[str]:
        """The files that it imports, in order."""
        return sorted({IMPORTS[name] for name in _types(self.message) if name in IMPORTS})

    @property
    def text(self) -> str:
        """The .proto file."""
        lines = ['syntax = "proto3";', ""]
        lines += [f"package {self.package};", ""] if self.package else []
        lines += [f'import "{name}";' for name in self.imports]
        lines += [""] if self.imports else []
        return "\n".join([*lines, *_message_lines(self.message)]) + "\n"

    @property
    def descriptor(self) -> FileDescriptorProto:
        """What protoc makes of the text, without its comments."""
        with needed():
            from google.protobuf.descriptor_pb2 import FileDescriptorProto

        found = FileDescriptorProto(name=f"{self.message.name}.proto", package=self.package, syntax="proto3")
        found.dependency.extend(self.imports)
        _describe(self.message, found.message_type.add(), f".{self.package}" if self.package else "")
        return found


def _types(message: Message) -> Iterator[str]:
    for member in message.members:
        yield member.type
    for inner in message.messages:
        yield from _types(inner)


def _message_lines(message: Message) -> Iterator[str]:
    yield from _note_lines(message.note)
    yield f"message {message.name} {{"
    body = [*_reserved_lines(message.reserved)]
    for enum in message.enums:
        body += _enum_lines(enum)
    for inner in message.messages:
        body += _message_lines(inner)
    for member in message.members:
        body += [*_note_lines(member.note), _member_line(member)]
    yield from (f"  {line}" if line else "" for line in body)
    yield "}"


def _member_line(member: Member) -> str:
    kind = f"map<{member.key}, {member.type}>" if member.key else member.type
    label = f"{member.label} " if member.label and not member.key else ""
    return f"{label}{kind} {member.name} = {member.number};"


def _enum_lines(enum: Enum) -> Iterator[str]:
    yield f"enum {enum.name} {{"
    yield from (f"  {line}" for line in _reserved_lines(enum.reserved))
    yield from (f"  {name} = {number};" for name, number in enum.values)
    yield "}"


def _reserved_lines(reserved: Reserved) -> Iterator[str]:
    if reserved.numbers:
        yield f"reserved {', '.join(map(str, reserved.numbers))};"
    if reserved.names:
        names = [f'"{name}"' for name in reserved.names]
        yield f"reserved {', '.join(names)};"


def _note_lines(note: str) -> Iterator[str]:
    return (f"// {line}".rstrip() for line in note.splitlines())


def _describe(message: Message, into: DescriptorProto, scope: str) -> None:
    scope = f"{scope}.{message.name}"
    into.name = message.name
    for number in message.reserved.numbers:
        into.reserved_range.add(start=number, end=number + 1)
    into.reserved_name.extend(message.reserved.names)
    for enum in message.enums:
        _describe_enum(enum, into)
    for inner in message.messages:
        _describe(inner, into.nested_type.add(), scope)
    for member in message.members:
        _describe_member(member, message, into, scope)


def _describe_enum(enum: Enum, into: DescriptorProto) -> None:
    made = into.enum_type.add(name=enum.name)
    for name, number in enum.values:
        made.value.add(name=name, number=number)
    for number in enum.reserved.numbers:
        made.reserved_range.add(start=number, end=number)
    made.reserved_name.extend(enum.reserved.names)


def _describe_member(member: Member, message: Message, into: DescriptorProto, scope: str) -> None:
    made = into.field.add(name=member.name, number=member.number, label=3 if member.key else 1)
    if member.key:
        entry = into.nested_type.add(name=entry_name(member.name))
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=1, type=_SCALARS[member.key])
        _set_type(entry.field.add(name="value", number=2, label=1), member.type, message, scope)
        made.type, made.type_name = _MESSAGE, f"{scope}.{entry.name}"
        return
    _set_type(made, member.type, message, scope)
    if member.label == "repeated":
        made.label = 3
    if member.label == "optional":
        made.proto3_optional = True
        made.oneof_index = len(into.oneof_decl)
        into.oneof_decl.add(name=f"_{member.name}")


def _set_type(made: object, kind: str, message: Message, scope: str) -> None:
    if kind in _SCALARS:
        number, name = _SCALARS[kind], ""
    elif any(enum.name == kind for enum in message.enums):
        number, name = _ENUM, f"{scope}.{kind}"
    else:
        number, name = _MESSAGE, kind if kind.startswith(".") else f"{scope}.{kind}"
    made.type = number  # type: ignore[attr-defined]
    if name:
        made.type_name = name  # type: ignore[attr-defined]


def entry_name(field: str) -> str:
    """The message that protoc makes for a map's entries: `crew_by_seat` has `CrewBySeatEntry`."""
    return "".join(word[:1].upper() + word[1:] for word in field.split("_")) + "Entry"


def json_name(field: str) -> str:
    """The field's name in Protobuf's JSON: `_` goes, and what follows it is a capital."""
    first, *rest = field.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def enum_prefix(field: str) -> str:
    """What stands before each value of a field's enum, since values share the names of the message around."""
    return f"{field.upper()}_"
