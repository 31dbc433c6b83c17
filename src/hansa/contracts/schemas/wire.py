"""A contract's schema in the form that its records have on the port's topic outside of Hansa: a text of one format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple

import msgspec

from hansa.contracts.schemas import avro, json_schema, protobuf
from hansa.contracts.schemas.contract import record_of
from hansa.contracts.schemas.logical import Struct, unrepresentable
from hansa.contracts.schemas.written import namespace_of
from hansa.contracts.types import class_name, singular
from hansa.errors import AuthorError
from hansa.model.product import ContractSpec, WireFormat

_UNKNOWN: Final = "google/type/decimal.proto"
"""Registry clients take all of google/type for known and resolve it themselves; they have all files but this one."""


_MAGIC: Final = b"\0"
_FIRST_MESSAGE: Final = b"\0"
"""Of a .proto file: the path to the message that a record is."""


class WireSchema(NamedTuple):
    """`text` is compact JSON, or a .proto file."""

    format: WireFormat
    text: str


def wire_schema(contract: ContractSpec, part: Literal["key", "value"], previous: str | None = None) -> WireSchema:
    """The schema of a record, or of its key: a record of the key's fields, in their order.

    The format is the contract's own; where it states none, Avro, or JSON where Avro cannot carry the record. `previous`
    is the .proto file that was published last. JSON Schemas are closed: they are what a producer keeps to.

    Raises `AuthorError("schema.unrepresentable")`.
    """
    if contract.wire_format is not None:
        return WireSchema(contract.wire_format, _derived(contract, part, contract.wire_format, previous))
    try:
        return WireSchema("avro", _derived(contract, part, "avro", None))
    except AuthorError as refusal:
        if refusal.code != "schema.unrepresentable":
            raise
        return WireSchema("json", _derived(contract, part, "json", None))


class WireCodec:
    """Records of a contract to what stands on its topic: the framing of schema registries (a zero byte, the schema's
    id in four bytes, for Protobuf which message it is), then the record as `schema` has it, which is what was
    published under that id. Needs the libraries of its format (`hansa[formats]`)."""

    def __init__(self, contract: ContractSpec, schema: WireSchema, number: int) -> None:
        record, namespace = _record(contract, "value"), namespace_of(contract)
        self._head = _MAGIC + number.to_bytes(4, "big") + (_FIRST_MESSAGE if schema.format == "protobuf" else b"")
        self._body: Callable[[object], bytes]
        if schema.format == "avro":
            self._body = avro.Codec(record, namespace=namespace, schema=msgspec.json.decode(schema.text)).encode
        elif schema.format == "json":
            self._body = json_schema.Codec(record).encode
        else:
            self._body = protobuf.Codec(record, package=namespace, previous=schema.text).encode

    def encode(self, record: object) -> bytes:
        """Raises `AuthorError("value.unrepresentable")`."""
        return self._head + self._body(record)


def _derived(contract: ContractSpec, part: str, form: WireFormat, previous: str | None) -> str:
    return _TEXTS[form](_record(contract, part), namespace_of(contract), previous)


def _record(contract: ContractSpec, part: str) -> Struct:
    if part == "value":
        return record_of(contract)
    name = class_name(singular(contract.id.rpartition(".")[2])) or "Record"
    fields = {field.name: field for field in contract.fields}
    key = tuple(replace(fields[field], required=True) for field in contract.key)
    return record_of(replace(contract, fields=key, description=""), f"{name}Key")


def _protobuf(record: Struct, namespace: str, previous: str | None) -> str:
    text = protobuf.derive(record, package=namespace, previous=previous)
    if f'import "{_UNKNOWN}"' in text:
        hint = "Use the wireFormat avro or json, or text for the number."
        raise unrepresentable("Protobuf on a topic", "", f"has no decimals: clients do not know {_UNKNOWN}", hint)
    return text


def _compact(schema: dict[str, Any]) -> str:
    return msgspec.json.encode(schema).decode()


_TEXTS: Final[dict[WireFormat, Callable[[Struct, str, str | None], str]]] = {
    "avro": lambda record, namespace, _: _compact(avro.derive(record, namespace=namespace)),
    "json": lambda record, _, __: _compact(json_schema.derive(record)),
    "protobuf": _protobuf,
}
