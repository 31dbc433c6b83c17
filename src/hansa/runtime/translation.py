"""Records of one version of a port become records of another, in the worker that publishes or fills.

Every record that goes in has its place in what comes out, in the same order: one that cannot be translated, would break
the other version's contract or change its key is **withheld**, and keeps its place.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import msgspec

from hansa.contracts.check import Validator
from hansa.contracts.mapping import is_name, record_mapping
from hansa.eventlog.interface import as_array
from hansa.model.product import OutputPortSpec
from hansa.model.run import RunError
from hansa.runtime import wire
from hansa.sdk.encode import Pair
from hansa.sdk.product import DataProduct
from hansa.sdk.translators import directions


class Translated(NamedTuple):
    """The pairs of the other version, one for each that went in, and why some are withheld, by their index."""

    pairs: list[Pair]
    withheld: dict[int, RunError]


class Translation:
    """One direction between two versions of a port. `takes` is the class of the records that go in."""

    def __init__(
        self, source: OutputPortSpec, target: OutputPortSpec, translate: Callable[[Any], Any], takes: type[Any]
    ) -> None:
        self.source = source.id
        self.target = target.id
        self.is_upgrade = target.previous == source.id
        self._key = ", ".join(target.contract.key)
        self._translate = translate
        self._entries = msgspec.msgpack.Decoder(list[tuple[str | None, takes]])  # type: ignore[valid-type]
        self._encoder = Validator(target).encoder

    def read(self, records: wire.Records) -> list[Pair]:
        """Entries of the log as records of the version that is translated."""
        return self._entries.decode(as_array(records.entries, records.count))

    def of(self, pairs: Sequence[Pair]) -> Translated:
        """The other version of each record. Never raises for what a record says or its translator does."""
        translate = self._translate
        try:
            found, broken = self._encoder.check([translate(record) for _, record in pairs])
            if not broken and [*map(self._encoder.key, found)] == [key for key, _ in pairs]:
                return Translated([(key, made) for (key, _), made in zip(pairs, found, strict=True)], {})
        except Exception:  # whichever record it was, and whatever its author's code raised, is found out below
            pass
        return self._one_by_one(pairs)

    def _one_by_one(self, pairs: Sequence[Pair]) -> Translated:
        found: list[Pair] = []
        withheld: dict[int, RunError] = {}
        for index, (key, record) in enumerate(pairs):
            made, error = (None, None) if record is None else self._one(key, record)
            found.append((key, made))
            if error is not None:
                withheld[index] = error
        return Translated(found, withheld)

    def _one(self, key: str | None, record: Any) -> tuple[Any, RunError | None]:
        """The record, or why it is withheld. No message has a value: it may be personal."""
        try:
            made = self._translate(record)
        except Exception as raised:
            return None, self._error("translator.raised", f"its translator raised {_where(raised)}")
        (checked,), violations = self._encoder.check([made])
        if violations:
            places = ", ".join(sorted({f"{found.path or 'the record'} ({found.code})" for found in violations}))
            return None, self._error("translator.contract", f"it would break the contract at {places}")
        if self._encoder.key(checked) != key:
            return None, self._error("translator.key", f"its translator changes the key ({self._key})")
        return checked, None

    def _error(self, code: str, why: str) -> RunError:
        message = f"A record of {self.source} has no form in {self.target}: {why}"
        return RunError(code, message, hint="Mend the translator, or what it is given.", details={"port": self.target})

    def effects(self, pairs: Sequence[Pair], partition: int | None = None) -> list[wire.Effect]:
        """What a run commits of records of the other version; all of it in `partition` where one is given."""
        return [
            wire.Effect(self.target, part.partition, part.count, part.entries, part.subject)
            for part in self._encoder.beside(pairs, partition)
        ]


def _where(raised: Exception) -> str:
    """The error's type, and the line of the author's that raised it."""
    frames = traceback.extract_tb(raised.__traceback__)[1:]
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return type(raised).__name__ + place


class Translations:
    """All directions of a product's windows."""

    def __init__(self, found: Sequence[Translation] = ()) -> None:
        self._from: dict[str, list[Translation]] = {}
        self._to: dict[tuple[str, str], Translation] = {}
        for translation in found:
            self._from.setdefault(translation.source, []).append(translation)
            self._to[translation.source, translation.target] = translation

    def of(self, port: str) -> Sequence[Translation]:
        """Those that take records of a port."""
        return self._from.get(port, ())

    def between(self, source: str, target: str) -> Translation:
        """That of one direction."""
        return self._to[source, target]


def translations(product: DataProduct, outputs: Sequence[OutputPortSpec]) -> Translations:
    """Those of a product that was planned without findings."""
    return Translations(list(_translations(product, outputs)))


def _translations(product: DataProduct, outputs: Sequence[OutputPortSpec]) -> Iterator[Translation]:
    ports = {port.id: port for port in outputs}
    for direction in directions(outputs):
        source, target = ports[direction.source], ports[direction.target]
        if is_name(direction.translator):
            function = product.translators[direction.translator]
            yield Translation(source, target, function, _takes(function))
        else:
            yield Translation(source, target, record_mapping(direction.translator), Validator(source).record)


def _takes(function: Callable[..., Any]) -> type[Any]:
    """The class of the records that a translator takes."""
    return get_type_hints(function)[next(iter(inspect.signature(function).parameters))]  # type: ignore[no-any-return]
