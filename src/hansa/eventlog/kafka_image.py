"""The image of a log in Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hansa.eventlog.image import MARK, MARK_KEY, MARK_SCOPE, PORTION_BYTES, Fact, Image, Numbered
from hansa.eventlog.kafka import KafkaLog


class KafkaImage(KafkaLog, Image):
    """As a `KafkaLog`, whose owner it is from then on: whoever had it before is fenced off."""

    def facts(self, kind: str) -> Iterator[Fact]:
        return (fact for fact in self._copy.facts(kind) if fact[0] != MARK)

    def batches(self, behind: int) -> Iterator[Numbered]:
        while found := self._numbered(behind, PORTION_BYTES):
            yield from found
            behind = found[-1][0]

    def reached(self) -> int:
        return self._copy.seq

    def take(self, batches: Sequence[Numbered], facts: Sequence[Fact]) -> None:
        """As the interface says, but that topics are declared one by one, before the rest."""
        with self._writing:
            for (kind, name, *_), value in facts:
                if kind == "topic":
                    self.declare(name, value)
            self._write(list(batches), [fact for fact in facts if fact[0][0] != "topic"])
            self._time_us = max(self._time_us, self._copy.time_us)

    def marked(self) -> bytes | None:
        return self.get(MARK_SCOPE, MARK_KEY)

    def close(self) -> None:
        self.stop()
