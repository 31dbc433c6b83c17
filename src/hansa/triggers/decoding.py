"""What stands in a message of another system: JSON, CloudEvents, or a record behind the framing of a schema registry.

Pure but for asking the registry for a schema, once for each id.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from hansa.contracts.compatibility import proto_source
from hansa.contracts.compatibility.verdict import SchemaText
from hansa.contracts.schemas.library import needed
from hansa.errors import CallerError, HansaError, OperatorError

Kind = Literal["json", "registry", "text", "bytes"]
Found = tuple[Any, dict[str, str]]
SchemaOf = Callable[[int], tuple[str, str]]
"""(type, text) of the schema of an id; type is AVRO, JSON or PROTOBUF. Raises `OperatorError` where the registry does
not answer, `CallerError` where it has no such schema."""
_HEAD: Final = 5
_STRUCTURED: Final = "application/cloudevents+json"
_json: Final = msgspec.json.Decoder().decode


class Decoding:
    """The messages of one trigger."""

    def __init__(self, kind: Kind, schema_of: SchemaOf | None) -> None:
        self._kind, self._schema_of = kind, schema_of
        self._readers: dict[int, Callable[[bytes], Any]] = {}

    def __call__(self, data: bytes, headers: dict[str, str]) -> Found:
        """The value, and the headers with those of an envelope. Raises `CallerError("kafka.undecodable")`,
        `OperatorError` where the schema cannot be had."""
        try:
            return self._decoded(data, headers)
        except HansaError:
            raise
        except Exception as failure:  # whatever a library says of bytes that are not what they should be
            raise undecodable(f"it is not {_WORDS[self._kind]} ({type(failure).__name__}: {failure})") from failure

    def _decoded(self, data: bytes, headers: dict[str, str]) -> Found:
        if self._kind == "bytes":
            return data, headers
        if self._kind == "text":
            return data.decode(), headers
        if self._kind == "registry":
            return self._framed(data), headers
        if headers.get("content-type", "").startswith(_STRUCTURED):
            return _unwrapped(_json(data), headers)
        return _json(data), headers

    def _framed(self, data: bytes) -> Any:
        if self._schema_of is None:
            raise OperatorError(
                "kafka.registry",
                "The connection names no schema registry",
                hint="Give it the setting schema.registry.url in connections.yaml.",
            )
        if len(data) < _HEAD or data[0]:
            raise undecodable("it does not begin with a zero byte and the id of a schema")
        number = int.from_bytes(data[1:_HEAD], "big")
        if number not in self._readers:
            self._readers[number] = _reader(*self._schema_of(number))
        return self._readers[number](data[_HEAD:])


_WORDS: Final = {"json": "JSON", "registry": "a record of its schema", "text": "text in UTF-8", "bytes": "bytes"}


def undecodable(why: str) -> CallerError:
    """That a message is not what its trigger says."""
    hint = "See the trigger's `value`; discard the dead letter, or have the message sent again as it should be."
    return CallerError("kafka.undecodable", f"The message cannot be decoded: {why}", hint=hint)


def _unwrapped(event: dict[str, Any], headers: dict[str, str]) -> Found:
    """The data of a CloudEvent in structured mode, its attributes as those of binary mode."""
    attributes = {f"ce_{name}": str(value) for name, value in event.items() if name not in ("data", "data_base64")}
    data = msgspec.convert(event["data_base64"], bytes) if "data_base64" in event else event.get("data")
    return data, {**headers, **attributes}


def _reader(form: str, text: str) -> Callable[[bytes], Any]:
    if form == "JSON":
        return _json
    return _avro(text) if form == "AVRO" else _protobuf(text)


def _avro(text: str) -> Callable[[bytes], Any]:
    with needed():
        import fastavro
    schema = fastavro.parse_schema(_json(text))
    return lambda data: fastavro.schemaless_reader(io.BytesIO(data), schema, None)


def _protobuf(text: str) -> Callable[[bytes], Any]:
    """Of a .proto file without references; as the JSON of Protobuf, by the names of the fields."""
    with needed():
        from google.protobuf import descriptor_pool, json_format, message_factory, timestamp_pb2
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    file = proto_source.compile_proto(SchemaText(text)).main
    pool.AddSerializedFile(file.SerializeToString())
    messages = pool.FindFileByName(file.name).message_types_by_name

    def read(data: bytes) -> Any:
        path, begin = _message_path(data)
        kind = list(messages.values())[path[0]]
        for index in path[1:]:
            kind = kind.nested_types[index]
        made = message_factory.GetMessageClass(kind).FromString(data[begin:])
        return json_format.MessageToDict(made, preserving_proto_field_name=True)

    return read


def _message_path(data: bytes) -> tuple[list[int], int]:
    """Which message of the file it is (Confluent's message indexes, zigzag varints; a single 0 is the first), and where
    it begins."""
    count, at = _varint(data, 0)
    path = []
    for _ in range(count):
        index, at = _varint(data, at)
        path.append(index)
    return path or [0], at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    value |= data[at] << shift
    return (value >> 1) ^ -(value & 1), at + 1
