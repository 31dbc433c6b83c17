"""From what a logic publishes to what its run commits: check → encode → effects, port by port.

A worker has one `Publisher`; it makes the writer of a port at the first record for it and keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hansa.runtime import wire
from hansa.sdk.ports import OutputPort, Record


class Writer:
    """What happens to records of one port on their way into the log."""

    def __init__(self, port: OutputPort[Any]) -> None:
        self._port = port

    def write(self, rows: Iterable[Record]) -> list[wire.Effect]:
        """What a run commits of the rows. Raises `ContractViolation`; then nothing of them is."""
        return [
            wire.Effect(self._port.id, part.partition, part.count, part.entries, part.subject)
            for part in self._port.encode(rows)
        ]


class Publisher:
    """The writers of one product's ports."""

    def __init__(self, product: str) -> None:
        self._product = product
        self._writers: dict[str, Writer] = {}

    def write(self, port: OutputPort[Any], records: Record | Iterable[Record]) -> list[wire.Effect]:
        """What a run commits of the records. Raises `ContractViolation`, `AuthorError("port.not_own")`."""
        writer = self._writers.get(port.id)
        if writer is None:
            port.check_owner(self._product)
            writer = self._writers[port.id] = Writer(port)
        return writer.write([records] if isinstance(records, Record) else records)
