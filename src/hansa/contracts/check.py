"""Checks plain data against a contract where no author's class is at hand: ingestion, tests, the server's own doors."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from hansa.contracts.types import class_name, record_type, singular
from hansa.model.product import OutputPortSpec
from hansa.sdk.encode import Encoded, RecordEncoder, Violation


class Validator:
    """The compiled contract of one port. Records are dicts, or of the class `record`."""

    def __init__(self, port: OutputPortSpec) -> None:
        self._port = port

    @cached_property
    def record(self) -> type[Any]:
        """The class of the port's records."""
        return record_type(class_name(singular(self._port.name)), self._port.contract)

    @cached_property
    def _encoder(self) -> RecordEncoder:
        contract = self._port.contract
        return RecordEncoder(
            self._port.id, self.record, contract.key, partitions=self._port.partitions, subject=contract.subject
        )

    def validate(self, records: Iterable[object]) -> list[Violation]:
        """Every violation of every record; none where all keep the contract."""
        return self._encoder.validate(records)

    def encode(self, records: Iterable[object]) -> list[Encoded]:
        """The records as entries of the log; raises `ContractViolation` with every violation."""
        return self._encoder.encode(records)
