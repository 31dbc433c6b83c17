"""Schemas of three formats: read, brought to one form, compared. Nothing here knows subjects or ids."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from hansa.contracts.compatibility import avro, json_document, json_schema, proto_source, protobuf
from hansa.contracts.compatibility.verdict import SchemaText, Verdict
from hansa.contracts.schemas.library import needed
from hansa.contracts.schemas.protobuf_print import proto_text
from hansa.errors import AuthorError, CallerError
from hansa.model.product import CompatibilityMode
from hansa.registry.values import SchemaType

SCHEMA_MAX_BYTES: Final = 256 * 1024
TYPES: Final[tuple[SchemaType, ...]] = ("AVRO", "JSON", "PROTOBUF")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}")
_PRIMITIVES: Final = frozenset(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
_COMPARED: Final[dict[SchemaType, Callable[[Mapping[str, SchemaText], SchemaText, CompatibilityMode], Verdict]]] = {
    "AVRO": avro.compatibility,
    "JSON": json_schema.compatibility,
    "PROTOBUF": protobuf.compatibility,
}


def readable(form: SchemaType, text: str, references: Mapping[str, str]) -> str:
    """The text as it is kept: Protobuf that comes as a descriptor in base64 is written out, a bare name of an Avro
    type is put in quotes.

    Raises `CallerError("schema.too_large")`, `AuthorError("schema.malformed")`.
    """
    if len(text) > SCHEMA_MAX_BYTES or len(text.encode()) > SCHEMA_MAX_BYTES:
        raise CallerError(
            "schema.too_large",
            f"The schema has {len(text.encode())} bytes; {SCHEMA_MAX_BYTES} are permitted",
            hint="Split it, and let its parts refer to each other.",
        )
    if form == "AVRO" and text.strip() in _PRIMITIVES:
        return f'"{text.strip()}"'
    return _written(text, references) if form == "PROTOBUF" and _BASE64.fullmatch(text.strip()) else text


def check(form: SchemaType, source: SchemaText) -> None:
    """Raises `AuthorError` (`schema.malformed`, `schema.reference_unknown`) where the text is no schema."""
    if form == "AVRO":
        avro.parse(source)
    elif form == "JSON":
        _check_json(source)
    else:
        proto_source.compile_proto(source)


def normal(form: SchemaType, source: SchemaText) -> str:
    """A text that is the same for schemas that differ in nothing but how they are written down: in the order of
    members and the space between them, in Protobuf in all that a compiler does not keep."""
    if form == "PROTOBUF":
        return _normal_proto(source.text, tuple(source.references.items())).hex()
    return json.dumps(json.loads(source.text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def normalised(form: SchemaType, source: SchemaText) -> str:
    """The text that `normalize=true` asks for."""
    if form == "PROTOBUF":
        return proto_text(_descriptor(_normal_proto(source.text, tuple(source.references.items()))))
    return normal(form, source)


def serialised(source: SchemaText) -> str:
    """A Protobuf schema as its descriptor in base64 (`format=serialized`)."""
    compiled = proto_source.compile_proto(source).main
    return base64.b64encode(compiled.SerializeToString(deterministic=True)).decode()


def compatibility(
    form: SchemaType, history: Mapping[str, SchemaText], new: SchemaText, mode: CompatibilityMode
) -> Verdict:
    """The verdict on `new` behind `history`, oldest first. Raises `AuthorError("schema.malformed")`."""
    try:
        return _COMPARED[form](history, new, mode)
    except (TypeError, ValueError, AttributeError, KeyError, ArithmeticError) as failure:
        raise _malformed(f"A keyword has a value that it cannot have ({failure})") from failure


def _check_json(source: SchemaText) -> None:
    """What is a JSON Schema is whatever can be compared with one that permits everything."""
    json_document.load(source, "new")
    compatibility("JSON", {"anything": SchemaText("{}")}, source, CompatibilityMode.FULL)


def _written(text: str, references: Mapping[str, str]) -> str:
    """A descriptor in base64 as text; one that says more than the text would is refused."""
    try:
        file = _descriptor(base64.b64decode(text.strip(), validate=True))
    except (binascii.Error, ValueError) as failure:
        raise _malformed(f"Not a Protobuf schema: neither a .proto file nor a descriptor ({failure})") from failure
    found = proto_text(file)
    if _normal_proto(found, tuple(references.items())) != _bare(file):
        raise _malformed(f"The descriptor of {file.name} has options or extensions that its text would lose")
    return found


@lru_cache(maxsize=512)
def _normal_proto(text: str, references: tuple[tuple[str, str], ...]) -> bytes:
    return _bare(proto_source.compile_proto(SchemaText(text, dict(references))).main)


def _bare(file: Any) -> bytes:
    """A descriptor without what says nothing of the data: names of the file and of JSON, options of the file, the order
    of fields and types."""
    found = type(file).FromString(file.SerializeToString())
    for name in ("name", "options", "source_code_info"):
        found.ClearField(name)
    _sort(found.message_type)
    return bytes(found.SerializeToString(deterministic=True))


def _sort(messages: Any) -> None:
    messages.sort(key=lambda message: message.name)
    for message in messages:
        for field in message.field:
            field.ClearField("json_name")
        message.field.sort(key=lambda field: field.number)
        _sort(message.nested_type)


def _descriptor(body: bytes) -> Any:
    with needed():
        from google.protobuf.descriptor_pb2 import FileDescriptorProto
        from google.protobuf.message import DecodeError
    try:
        return FileDescriptorProto.FromString(body)
    except DecodeError as failure:
        raise ValueError(str(failure)) from failure


def _malformed(why: str) -> AuthorError:
    return AuthorError(
        "schema.malformed", why, hint="Send the schema's text; `schemaType` is AVRO, JSON or PROTOBUF (Avro without)."
    )
