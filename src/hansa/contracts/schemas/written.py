"""A contract's schema as the text of a file, in each format that has one."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from hansa.contracts.schemas import Format, avro, json_schema, protobuf, sql
from hansa.contracts.schemas.contract import record_of
from hansa.model.product import ContractSpec

_PACKAGE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def schema_text(contract: ContractSpec, form: Format, *, previous: str | None = None) -> str:
    """The text. Names are those of the contract's id: `operations.flights.departures` has the record `Departure` in the
    namespace `operations.flights`, and the table `departures` with the contract's key. `previous` is the .proto file
    that was published last.

    Raises `AuthorError("schema.unrepresentable")`.
    """
    record = record_of(contract)
    namespace, table = namespace_of(contract), contract.id.rpartition(".")[2]
    match form:
        case "avro":
            return _json(avro.derive(record, namespace=namespace))
        case "json-schema" | "json-schema-open":
            return _json(json_schema.derive(record, model="open" if form == "json-schema-open" else "closed"))
        case "protobuf":
            return protobuf.derive(record, package=namespace, previous=previous)
        case "postgresql" | "duckdb":
            return sql.derive(record, form, table, key=contract.key)


def namespace_of(contract: ContractSpec) -> str:
    """What stands before the last dot of the contract's id, where formats can have it as a package; else nothing."""
    namespace = contract.id.rpartition(".")[0]
    return namespace if _PACKAGE.fullmatch(namespace) else ""


def _json(schema: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"
