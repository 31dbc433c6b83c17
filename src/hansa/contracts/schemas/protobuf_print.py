"""The text of a .proto file from its descriptor, as some clients send it instead of the text.

Comments and options are not in it, but for `packed`, `deprecated` and `allow_alias`; groups and extensions are not
written. Whoever needs to know whether all is there compiles the text and compares. Needs `protobuf`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import (
        DescriptorProto,
        EnumDescriptorProto,
        FieldDescriptorProto,
        FileDescriptorProto,
    )

_TYPES: Final = {
    1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 6: "fixed64", 7: "fixed32", 8: "bool", 9: "string",
    12: "bytes", 13: "uint32", 15: "sfixed32", 16: "sfixed64", 17: "sint32", 18: "sint64",
}  # fmt: skip
"""Words for the numbers of `FieldDescriptorProto.Type`; messages and enumerations have names."""
_LABELS: Final = {1: "optional", 2: "required", 3: "repeated"}
_ENUM_LAST: Final = 2**31 - 1
_FIELD_LAST: Final = 2**29


def proto_text(file: FileDescriptorProto) -> str:
    """The text, with the file's syntax, package and imports."""
    syntax = file.syntax or "proto2"
    lines = [f'syntax = "{syntax}";']
    lines += [f"package {file.package};"] if file.package else []
    public = set(file.public_dependency)
    lines += [f'import {"public " if n in public else ""}"{name}";' for n, name in enumerate(file.dependency)]
    for enum in file.enum_type:
        lines += _enum(enum)
    for message in file.message_type:
        lines += _message(message, syntax)
    for service in file.service:
        lines += [f"service {service.name} {{", *_indented(map(_method, service.method)), "}"]
    return "\n".join(lines) + "\n"


def _message(message: DescriptorProto, syntax: str) -> Iterator[str]:
    entries = {inner.name: inner for inner in message.nested_type if inner.options.map_entry}
    body = [*_reserved(message.reserved_range, message.reserved_name, end_excluded=1, last=_FIELD_LAST)]
    for enum in message.enum_type:
        body += _enum(enum)
    for inner in message.nested_type:
        if inner.name not in entries:
            body += _message(inner, syntax)
    joined: dict[int, list[str]] = {}
    for field in message.field:
        if field.HasField("oneof_index") and not field.proto3_optional:
            joined.setdefault(field.oneof_index, []).append(_field(field, entries, ""))
        else:
            body.append(_field(field, entries, _label(field, syntax)))
    for index, members in sorted(joined.items()):
        body += [f"oneof {message.oneof_decl[index].name} {{", *_indented(members), "}"]
    yield f"message {message.name} {{"
    yield from _indented(body)
    yield "}"


def _label(field: FieldDescriptorProto, syntax: str) -> str:
    if syntax == "proto3" and field.label == 1:
        return "optional " if field.proto3_optional else ""
    return f"{_LABELS[field.label]} "


def _field(field: FieldDescriptorProto, entries: dict[str, DescriptorProto], label: str) -> str:
    entry = entries.get(field.type_name.rpartition(".")[2]) if field.label == 3 else None
    if entry is not None:
        key, value = sorted(entry.field, key=lambda inner: inner.number)
        label, kind = "", f"map<{_kind(key)}, {_kind(value)}>"
    else:
        kind = _kind(field)
    told = [f"default = {_default(field)}"] if field.HasField("default_value") else []
    for option in ("packed", "deprecated"):
        if field.options.HasField(option):
            told.append(f"{option} = {str(getattr(field.options, option)).lower()}")
    return f"{label}{kind} {field.name} = {field.number}{' [' + ', '.join(told) + ']' if told else ''};"


def _kind(field: FieldDescriptorProto) -> str:
    return _TYPES.get(field.type) or field.type_name


def _default(field: FieldDescriptorProto) -> str:
    text = str(field.default_value)
    if field.type == 9:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if field.type in (9, 12) else text


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    body = ["option allow_alias = true;"] if enum.options.allow_alias else []
    body += _reserved(enum.reserved_range, enum.reserved_name, end_excluded=0, last=_ENUM_LAST)
    body += [f"{value.name} = {value.number};" for value in enum.value]
    yield f"enum {enum.name} {{"
    yield from _indented(body)
    yield "}"


def _reserved(ranges: Iterable[Any], names: Iterable[str], *, end_excluded: int, last: int) -> Iterator[str]:
    spans = [(span.start, span.end - end_excluded) for span in ranges]
    told = [f"{a}" if a == b else f"{a} to {'max' if b >= last - end_excluded else b}" for a, b in spans]
    if told:
        yield f"reserved {', '.join(told)};"
    if quoted := [f'"{name}"' for name in names]:
        yield f"reserved {', '.join(quoted)};"


def _method(method: Any) -> str:
    takes = f"{'stream ' if method.client_streaming else ''}{method.input_type}"
    gives = f"{'stream ' if method.server_streaming else ''}{method.output_type}"
    return f"rpc {method.name} ({takes}) returns ({gives});"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
