"""Protobuf (proto3): a file with one message, and its binary encoding.

Dates, times, decimals and timestamps without a zone are messages of `google.type`, instants are
`google.protobuf.Timestamp`: every registry client has both. What Protobuf has no word for (uuids, precisions, units,
narrow integers) stands in a comment at the field. An enumeration has `…_UNSPECIFIED` as its zero, which no record has.
Where Protobuf has no presence or no nesting (an optional list, a list of lists, a map of lists), a message with one
field `items` stands between. Nullable fields are `optional`; a default stands in the comment, and is what `decode`
gives for a field that is not there. Field numbers stay over versions: see `protobuf_numbers`.

Refused: times with a zone, names that are no identifiers or that Protobuf takes for one another, objects without
properties.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, assert_never

from hansa.contracts.schemas.logical import (
    Anything,
    Boolean,
    Date,
    Decimal,
    Enumeration,
    Field,
    Integer,
    Logical,
    Mapping,
    Real,
    Sequence,
    Struct,
    Text,
    Time,
    Timestamp,
    Uuid,
    spell,
    unrepresentable,
)
from hansa.contracts.schemas.protobuf_file import (
    ITEMS,
    Enum,
    File,
    Label,
    Member,
    Message,
    entry_name,
    enum_prefix,
    json_name,
)
from hansa.contracts.schemas.protobuf_numbers import Known, Numbers, assigned, numbers_of
from hansa.contracts.schemas.protobuf_values import filler, loaded, reader
from hansa.contracts.schemas.values import checker, refusing
from hansa.contracts.types import class_name

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VALUE: Final = re.compile(r"[A-Za-z0-9_]+")
_UNSPECIFIED: Final = "UNSPECIFIED"


def derive(record: Struct, *, package: str = "", previous: str | None = None) -> str:
    """The text of the .proto file. `previous` is the one that was published last, from which numbers are kept; it is
    None for the first.

    Raises `AuthorError`: `schema.unrepresentable` with the path of what Protobuf does not have, `schema.unreadable`.
    """
    return file_of(record, package=package, previous=previous).text


def file_of(record: Struct, *, package: str = "", previous: str | None = None) -> File:
    """What `derive` writes, as values: it has the text and the descriptor."""
    numbers = {} if previous is None else numbers_of(previous)
    return File(package, _Derivation(numbers).message(record.name, record, "", ""))


class Codec:
    """Records to and from the bytes of one message, without framing.

    Needs `protobuf` and `googleapis-common-protos`.
    """

    def __init__(self, record: Struct, *, package: str = "", previous: str | None = None) -> None:
        file = file_of(record, package=package, previous=previous)
        self.schema = file.text
        self.descriptor: FileDescriptorProto = file.descriptor
        self._message = loaded(file)
        self._check = checker(record)
        self._fill = filler(record, self._message.DESCRIPTOR)
        self._read = refusing(reader(record, self._message.DESCRIPTOR))

    def encode(self, record: object) -> bytes:
        """Raises `AuthorError("value.unrepresentable")`."""
        message = self._message()
        self._fill(message, self._check(record))
        return bytes(message.SerializeToString(deterministic=True))

    def decode(self, data: bytes) -> dict[str, Any]:
        """The plain form of the record; fields that the contract does not have are left away."""
        plain: dict[str, Any] = self._read(self._message.FromString(data))
        return plain


class _Parts:
    """The types within one message. Its fields, types and values of enums share one space of names."""

    def __init__(self, path: str, fields: tuple[str, ...]) -> None:
        self.path = path
        self.messages: list[Message] = []
        self.enums: list[Enum] = []
        self._names = set(fields)

    def type_name(self, field: str) -> str:
        """The name of a type for the field, beside the fields themselves."""
        name = class_name(field)
        return f"{name}Type" if name in self._names else name

    def take(self, name: str, path: str) -> None:
        if name in self._names:
            raise _refused(path, f"would have two parts called {name!r} in one message", "Rename the property.")
        self._names.add(name)


class _Derivation:
    """One file in the making. `scope` is the path of the message around, as numbers are found by it."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def message(self, name: str, kind: Struct, scope: str, path: str) -> Message:
        own = f"{scope}.{name}".lstrip(".")
        fields = tuple(_name(field.name, f"{path}.{field.name}".lstrip(".")) for field in kind.fields)
        _check_json_names(fields, path)
        numbers, reserved = assigned(fields, self._numbers.get(own, Known()))
        parts = _Parts(own, fields)
        members = [self._member(parts, field, numbers[field.name], path) for field in kind.fields]
        return Message(
            name,
            tuple(members),
            tuple(parts.messages),
            tuple(parts.enums),
            reserved,
            " ".join(kind.description.split()),
        )

    def _member(self, parts: _Parts, field: Field, number: int, path: str) -> Member:
        path = f"{path}.{field.name}".lstrip(".")
        found = self._slot(parts, field.name, field.name, field.type, path, is_optional=not field.is_required)
        is_repeated = bool(found.label or found.key)
        is_optional = not is_repeated and (field.has_default or not field.is_required)
        label: Label = "optional" if is_optional else found.label
        return Member(field.name, number, found.type, label, found.key, _note(field))

    def _slot(self, parts: _Parts, name: str, field: str, kind: Logical, path: str, *, is_optional: bool) -> Member:
        """How values of a type stand in a message: a field without a number."""
        if isinstance(kind, Sequence | Mapping):
            if is_optional:
                return Member(name, 0, self._wrapper(parts, field, kind, path))
            if isinstance(kind, Sequence):
                return Member(name, 0, self._element(parts, field, kind.item, f"{path}[]"), "repeated")
            parts.take(entry_name(name), path)
            key = "string" if isinstance(kind.key, Text) else _integer(kind.key)
            return Member(name, 0, self._element(parts, field, kind.value, f"{path}{{}}"), "", key)
        return Member(name, 0, self._single(parts, field, kind, path))

    def _element(self, parts: _Parts, field: str, kind: Logical, path: str) -> str:
        if isinstance(kind, Sequence | Mapping):
            return self._wrapper(parts, field, kind, path)
        return self._single(parts, field, kind, path)

    def _wrapper(self, parts: _Parts, field: str, kind: Sequence | Mapping, path: str) -> str:
        """A message whose one field `items` is the list or map."""
        name = f"{class_name(field)}{'List' if isinstance(kind, Sequence) else 'Map'}"
        parts.take(name, path)
        inner = _Parts(f"{parts.path}.{name}", (ITEMS,))
        slot = self._slot(inner, ITEMS, field, kind, path, is_optional=False)
        member = Member(ITEMS, 1, slot.type, slot.label, slot.key)
        parts.messages.append(Message(name, (member,), tuple(inner.messages), tuple(inner.enums)))
        return name

    def _single(self, parts: _Parts, field: str, kind: Logical, path: str) -> str:
        match kind:
            case Text() | Uuid():
                return "string"
            case Boolean():
                return "bool"
            case Integer():
                return _integer(kind)
            case Real(bits):
                return "float" if bits == 32 else "double"
            case Decimal():
                return ".google.type.Decimal"
            case Date():
                return ".google.type.Date"
            case Time(_, has_zone):
                if has_zone:
                    raise _refused(path, "has no times with a zone", "Use a timestamp, or a time without a zone.")
                return ".google.type.TimeOfDay"
            case Timestamp(_, has_zone):
                return ".google.protobuf.Timestamp" if has_zone else ".google.type.DateTime"
            case Enumeration():
                return self._enum(parts, field, kind, path)
            case Struct():
                name = parts.type_name(field)
                parts.take(name, path)
                parts.messages.append(self.message(name, kind, parts.path, path))
                return name
            case Anything(what):
                raise _refused(path, f"cannot carry {what}", "Say in the contract what it holds.")
            case Sequence() | Mapping():
                raise TypeError(kind)
            case _:
                assert_never(kind)

    def _enum(self, parts: _Parts, field: str, kind: Enumeration, path: str) -> str:
        name = parts.type_name(field)
        parts.take(name, path)
        _check_values(kind.values, path)
        prefix = enum_prefix(field)
        names = [f"{prefix}{value}" for value in kind.values]
        known = self._numbers.get(f"{parts.path}.{name}", Known())
        numbers, reserved = assigned([f"{prefix}{_UNSPECIFIED}", *names], known, first=0)
        for one in numbers:
            parts.take(one, path)
        parts.enums.append(Enum(name, tuple(numbers.items()), reserved))
        return name


def _integer(kind: Integer) -> Literal["int32", "int64", "uint32", "uint64"]:
    if kind.is_signed:
        return "int64" if kind.bits == 64 else "int32"
    return "uint64" if kind.bits == 64 else "uint32"


def _note(field: Field) -> str:
    """The comment at a field: its description, what its type does not say, its default."""
    kind = field.type
    notes = [" ".join(field.description.split())] if field.description else []
    notes += [] if _is_said(kind) else [f"Type: {spell(kind)}"]
    notes += [f"Default: {field.default}"] if field.has_default else []
    return "\n".join(notes)


def _is_said(kind: Logical) -> bool:
    """Whether Protobuf's own type says all of it."""
    match kind:
        case Integer(bits):
            return bits >= 32
        case Sequence(item, size):
            return size is None and _is_said(item)
        case Mapping(_, value):
            return _is_said(value)
        case _:
            return isinstance(kind, Text | Boolean | Date | Real | Struct | Enumeration)


def _check_values(values: tuple[str, ...], path: str) -> None:
    """protoc takes two values for one that read alike as words in capitals, whatever their case was."""
    seen = {_UNSPECIFIED.capitalize(): _UNSPECIFIED}
    for value in values:
        if not _VALUE.fullmatch(value):
            raise _refused(path, f"has no enum values like {value!r}", "Use letters, digits and underscores.")
        alike = "".join(map(str.capitalize, value.split("_")))
        if alike in seen:
            raise _refused(path, f"takes the enum values {seen[alike]!r} and {value!r} for one", "Rename one of them.")
        seen[alike] = value


def _check_json_names(fields: tuple[str, ...], path: str) -> None:
    seen: dict[str, str] = {}
    for field in fields:
        other = seen.setdefault(json_name(field), field)
        if other != field:
            raise _refused(path, f"takes the names {other!r} and {field!r} for one", "Rename one of them.")


def _name(name: str, path: str) -> str:
    if not _NAME.fullmatch(name):
        raise _refused(path, f"has no names like {name!r}", "Use letters, digits and underscores.")
    return name


def _refused(path: str, message: str, hint: str) -> Exception:
    return unrepresentable("Protobuf", path, message, hint)
