"""A verdict on Protobuf schemas is kept by real bytes: what a reader may read means what was written."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hansa.contracts.compatibility.proto_source import ProtoFiles
from hansa.contracts.compatibility.protobuf import breaks

TYPES = descriptor_pb2.FieldDescriptorProto
WHOLE = {
    TYPES.TYPE_INT32: (-(2**31), 2**31 - 1),
    TYPES.TYPE_INT64: (-(2**63), 2**63 - 1),
    TYPES.TYPE_UINT32: (0, 2**32 - 1),
    TYPES.TYPE_UINT64: (0, 2**64 - 1),
    TYPES.TYPE_SINT32: (-(2**31), 2**31 - 1),
    TYPES.TYPE_SINT64: (-(2**63), 2**63 - 1),
    TYPES.TYPE_FIXED32: (0, 2**32 - 1),
    TYPES.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    TYPES.TYPE_FIXED64: (0, 2**64 - 1),
    TYPES.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
}
OTHER = [TYPES.TYPE_BOOL, TYPES.TYPE_STRING, TYPES.TYPE_BYTES, TYPES.TYPE_DOUBLE, TYPES.TYPE_ENUM]
Field = tuple[int, bool, bool]
"""Type, repeated, in the oneof."""
FIELDS = st.dictionaries(
    st.integers(1, 4),
    st.tuples(st.sampled_from([*WHOLE, *OTHER]), st.booleans(), st.booleans()),
    min_size=1,
)


def file_of(fields: dict[int, Field]) -> ProtoFiles:
    """A file with one message; a repeated field stands in no oneof."""
    file = descriptor_pb2.FileDescriptorProto(name="schema.proto", package="p", syntax="proto3")
    enum = file.enum_type.add(name="E")
    for number in range(3):
        enum.value.add(name=f"V{number}", number=number)
    message = file.message_type.add(name="M")
    for number, (kind, is_repeated, in_oneof) in fields.items():
        field = message.field.add(name=f"f{number}", number=number, type=kind, label=3 if is_repeated else 1)
        if kind == TYPES.TYPE_ENUM:
            field.type_name = ".p.E"
        if in_oneof and not is_repeated:
            field.oneof_index = 0
    if any(in_oneof and not is_repeated for _, is_repeated, in_oneof in fields.values()):
        message.oneof_decl.add(name="choice")
    return ProtoFiles(file, {file.name: file})


def class_of(files: ProtoFiles) -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(files.main)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("p.M"))


def value_of(kind: int) -> st.SearchStrategy[Any]:
    if kind in WHOLE:
        return st.one_of(st.integers(*WHOLE[kind]), st.sampled_from(WHOLE[kind]))
    return {
        TYPES.TYPE_BOOL: st.booleans(),
        TYPES.TYPE_STRING: st.text(max_size=3),
        TYPES.TYPE_BYTES: st.binary(max_size=3),
        TYPES.TYPE_DOUBLE: st.floats(allow_nan=False),
        TYPES.TYPE_ENUM: st.integers(0, 2),
    }[kind]


def meaning(value: Any) -> Any:
    """Numbers, booleans and numbers of an enumeration by their number, texts by their bytes."""
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes | float) else int(value)


def meanings(value: Any, is_repeated: bool) -> Any:
    return [meaning(one) for one in value] if is_repeated else meaning(value)


@st.composite
def related(draw: st.DrawFn) -> tuple[dict[int, Field], dict[int, Field]]:
    """Fields, and the same with some changed, so that many pairs are compatible."""
    old = draw(FIELDS)
    new = {**old, **draw(FIELDS)} if draw(st.booleans()) else dict(old)
    for number in draw(st.lists(st.sampled_from(sorted(new)), max_size=2)):
        new[number] = draw(st.tuples(st.sampled_from([*WHOLE, *OTHER]), st.just(new[number][1]), st.booleans()))
    return old, new


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(related(), st.data())
def test_what_a_compatible_reader_reads_is_what_was_written(pair: tuple[Any, Any], data: st.DataObject) -> None:
    old, new = (file_of(fields) for fields in pair)
    if list(breaks(old, new)):
        return
    written = class_of(old)()
    for number, (kind, is_repeated, _) in pair[0].items():
        if is_repeated:
            getattr(written, f"f{number}").extend(data.draw(st.lists(value_of(kind), max_size=3)))
        elif data.draw(st.booleans()):
            setattr(written, f"f{number}", data.draw(value_of(kind)))
    read = class_of(new).FromString(written.SerializeToString())
    for number in pair[0].keys() & pair[1].keys():
        name, is_repeated = f"f{number}", pair[0][number][1]
        assert meanings(getattr(read, name), is_repeated) == meanings(getattr(written, name), is_repeated), name
