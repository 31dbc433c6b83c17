"""Tries translators before they are published: on real records of both versions, or on the examples of their contracts
where there are none. Nothing is committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from hansa.contracts.check import Validator
from hansa.contracts.document import Document
from hansa.contracts.windows import examples_of
from hansa.eventlog.interface import Log
from hansa.lifecycle.filling import Translator, spans
from hansa.model.product import OutputPortSpec
from hansa.runtime import wire
from hansa.sdk.encode import ContractViolation
from hansa.sdk.finding import Finding
from hansa.triggers.batches import batches

SAMPLES_MAX: Final = 1_000
"""Records of one version, the last ones of each partition."""
READ_BYTES: Final = 1 << 20


class Samples(NamedTuple):
    """Records of one version of a port. `are_real`: they come from the log, and have positions; else they are examples
    of the contract, counted from 1."""

    port: str
    parts: Sequence[wire.Records]
    are_real: bool

    def place(self, part: wire.Records, index: int) -> str:
        """Where a sample stands, in words."""
        if not self.are_real:
            return f"example {index + 1} in the contract of {self.port}"
        return f"{self.port}, position {part.base + index} of partition {part.partition}"


class Refused(NamedTuple):
    """A sample that has no form in another version."""

    place: str
    code: str
    message: str


async def tried(
    log: Log, translator: Translator, older: OutputPortSpec, newer: OutputPortSpec, files: Mapping[str, Document]
) -> list[Finding]:
    """Why the translators of a window must not be published. What they make of the older samples is tried, too."""
    found: list[Refused] = []
    try:
        before, after = _samples(log, older, files[older.id]), _samples(log, newer, files[newer.id])
    except ContractViolation as broken:
        return [Finding("window.example", f"An example breaks its contract: {broken.message}", broken.hint)]
    made: list[wire.Records] = []
    for part in before.parts:
        done = await translator.translate(newer, part)
        found += _refused(before, part, done)
        made += _as_records(part, newer.id, done.effects)
    for part in made:
        found += [_and_back(one) for one in _refused(before, part, await translator.translate(older, part))]
    lost: list[Refused] = []
    for part in after.parts:
        lost += _refused(after, part, await translator.translate(older, part))
    if after.are_real and len(lost) < sum(part.count for part in after.parts):
        lost = [refused for refused in lost if refused.code != "translator.raised"]  # withheld, as it is meant
    return [_finding(files[newer.id], refused) for refused in (*found, *lost)]


def _samples(log: Log, port: OutputPortSpec, contract: Document) -> Samples:
    real = list(_latest(log, port)) if port.id in log.topics() else []
    if real:
        return Samples(port.id, real, are_real=True)
    encoded = Validator(port).encode(examples_of(contract))
    parts = [wire.Records(port.id, part.partition, 0, part.count, 0, part.entries) for part in encoded]
    return Samples(port.id, parts, are_real=False)


def _latest(log: Log, port: OutputPortSpec) -> Iterator[wire.Records]:
    for partition in range(log.topics()[port.id].partitions):
        first, end = log.bounds(port.id, partition)
        position = max(first, end - SAMPLES_MAX // port.partitions)
        for batch in batches(log.read(port.id, partition, position, max_bytes=READ_BYTES), position, SAMPLES_MAX, None):
            for span in spans(batch.records, batch.begin, batch.behind):
                if not isinstance(span, int):
                    yield span


def _refused(samples: Samples, part: wire.Records, done: wire.Done) -> list[Refused]:
    return [Refused(samples.place(part, index), error.code, error.message) for index, _, error in done.refused]


def _as_records(part: wire.Records, port: str, effects: Sequence[wire.Effect]) -> Iterator[wire.Records]:
    """What the newer version's records are, at the places of those that they were made of."""
    base = part.base
    for effect in effects:
        if effect.entries:
            yield wire.Records(port, part.partition, base, effect.count, part.time_us, effect.entries)
        base += effect.count


def _and_back(refused: Refused) -> Refused:
    return refused._replace(message=f"translated up, and down again: {refused.message}")


def _finding(file: Document, refused: Refused) -> Finding:
    hint = "Mend the translator that the window of this contract names."
    return Finding(refused.code, f"{refused.place}: {refused.message}", hint, file.file)
