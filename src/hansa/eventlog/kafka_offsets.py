"""Where records will stand in Kafka, as far as the only one who writes there can know it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hansa.eventlog.kafka_client import Record

_END: Final = 1
"""Kafka gives the end of a transaction an offset in each partition that it has written to."""


class Offsets:
    """Expects that nobody else writes, and that each transaction is committed; whoever goes by it compares with what
    Kafka tells. A partition is known from the first transaction that has written to it."""

    def __init__(self) -> None:
        self._next: dict[tuple[str, int], int] = {}

    def expected(self, records: Sequence[Record]) -> list[int] | None:
        """Where these will stand, written in this order by the next transaction; None where that is not known."""
        ahead: dict[tuple[str, int], int] = {}
        expected = []
        for topic, partition, *_ in records:
            place = (topic, partition)
            offset = ahead.get(place, self._next.get(place))
            if offset is None:
                return None
            expected.append(offset)
            ahead[place] = offset + 1
        return expected

    def stand(self, records: Sequence[Record], offsets: Sequence[int]) -> None:
        """These were written there by a transaction that was committed."""
        for (topic, partition, *_), offset in zip(records, offsets, strict=True):
            self._next[topic, partition] = offset + 1 + _END

    def forget(self) -> None:
        """Nothing is known any more."""
        self._next.clear()
