"""The contract's own compiled checks, for whoever does not rely on an author's class: the worker before it commits, the
server before it believes a worker, tests, ingestion.

Who writes is held to a closed schema: a field that the contract does not have is a violation, at any depth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any

from hansa.contracts.types import CLOSED, class_name, record_type, singular
from hansa.model.product import ContractSpec, FieldSpec, OutputPortSpec
from hansa.sdk.encode import Encoded, RecordEncoder, Violation


class Validator:
    """The compiled contract of one port. Rows are dicts, or records of any class."""

    def __init__(self, port: OutputPortSpec) -> None:
        self._port = port

    @cached_property
    def record(self) -> type[Any]:
        """The class of the port's records; it takes no field that the contract does not have."""
        return _class(self._port, patterns=True)

    @cached_property
    def encoder(self) -> RecordEncoder:
        """Checks rows, and makes entries of the log of them."""
        port, contract = self._port, self._port.contract
        return RecordEncoder(
            port.id, self.record, contract.key, partitions=port.partitions, subject=contract.subject,
            hidden=hidden_fields(contract),
        )  # fmt: skip

    def validate(self, rows: Iterable[object]) -> list[Violation]:
        """Every violation of every row; none where all keep the contract."""
        return self.encoder.validate(rows)

    def encode(self, rows: Iterable[object]) -> list[Encoded]:
        """The rows as entries of the log; raises `ContractViolation` with every violation."""
        return self.encoder.encode(rows)


def entry_type(port: OutputPortSpec) -> type[Any]:
    """The class of what stands in a port's entries, for the server. Patterns are left out: a regular expression takes
    as long as its author likes."""
    return _class(port, patterns=False)


def hidden_fields(contract: ContractSpec) -> frozenset[str]:
    """Fields whose values are never shown: what is personal or encrypted, and all of what a person's record holds."""
    return frozenset(field.name for field in contract.fields if contract.subject or _is_hidden(field))


def _is_hidden(field: FieldSpec) -> bool:
    inner = (*field.fields, *(one for one in (field.items, field.keys) if one is not None))
    return field.personal or "encryptedName" in field.options or any(map(_is_hidden, inner))


def _class(port: OutputPortSpec, *, patterns: bool) -> type[Any]:
    fields = tuple(_guarded(field, patterns=patterns) for field in port.contract.fields)
    return record_type(class_name(singular(port.name)), replace(port.contract, fields=fields), closed=True)


def _guarded(field: FieldSpec, *, patterns: bool) -> FieldSpec:
    options = {name: value for name, value in field.options.items() if patterns or name != "pattern"} | {CLOSED: True}
    items = None if field.items is None else _guarded(field.items, patterns=patterns)
    fields = tuple(_guarded(inner, patterns=patterns) for inner in field.fields)
    return replace(field, options=options, items=items, fields=fields)
