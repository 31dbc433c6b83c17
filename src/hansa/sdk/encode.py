"""The contract's bite: records become entries of the log only after each was checked against its contract.

A record class carries its contract in its annotations (`Annotated[str, Meta(pattern=…)]`), so encoding a batch and
decoding it as that class checks all of it, at about 1 µs a record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any, Final
from uuid import UUID
from zlib import crc32

import msgspec
import msgspec.structs

from hansa.errors import AuthorError

_VALUE_LENGTH_MAX: Final = 100
_DETAILS_MAX: Final = 100
_CODES: Final = (
    ("missing required field", "field.missing"),
    ("got `None`", "field.null"),
    ("matching regex", "field.pattern"),
    ("of length", "field.length"),
    (">", "field.range"),
    ("<", "field.range"),
    ("multiple of", "field.range"),
    ("nvalid enum value", "field.enum"),
)
_PLACE: Final = re.compile(r" - at `\$(.*)`$", re.DOTALL)


class Encoded(msgspec.Struct, frozen=True):
    """`count` entries for one partition: msgpack `[key, body]`, one behind the other. `subject` is whom they speak
    of."""

    partition: int
    subject: str | None
    count: int
    entries: bytes


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach of a contract: the record's index in its batch, the field's path, a code `field.*` or `record.*`,
    and the value as short text."""

    index: int
    path: str
    code: str
    message: str
    value: str


class ContractViolation(AuthorError):
    """Records that break their contract. `violations` has all; `details["errors"]` the first hundred as plain
    values."""

    def __init__(self, port: str, violations: Sequence[Violation]) -> None:
        first = violations[0]
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        super().__init__(
            "contract.violated",
            f"Record {first.index} breaks the contract of {port} at {first.path}: {first.message}{more}",
            hint="Mend the logic that makes it, or propose a new contract version.",
            details={
                "port": port,
                "errors": [asdict(v) for v in violations[:_DETAILS_MAX]],
                "count": len(violations),
            },
        )
        self.port = port
        self.violations = tuple(violations)

    def __reduce__(self) -> tuple[Any, ...]:
        return ContractViolation, (self.port, self.violations)


class RecordEncoder:
    """Checks and encodes the records of one port. Made once per port and worker; safe to share between threads."""

    def __init__(
        self,
        port: str,
        record: type[msgspec.Struct],
        key: Sequence[str],
        *,
        partitions: int = 1,
        subject: str | None = None,
    ) -> None:
        self._port = port
        self._record = record
        self._fields = msgspec.structs.fields(record)
        self._attributes = {field.encode_name: field.name for field in self._fields}
        self._partitions = partitions
        self._key = _key_of([self._attributes[name] for name in key])
        self._subject = attrgetter(self._attributes[subject]) if subject else None
        self._encode = msgspec.msgpack.Encoder().encode
        self._check = msgspec.msgpack.Decoder(list[tuple[str | None, record]]).decode  # type: ignore[valid-type]

    def encode(self, records: Iterable[object]) -> list[Encoded]:
        """The records in their order, per partition `crc32(key) % partitions` (0 without a key).

        Raises `ContractViolation` naming every violation; then nothing is encoded.
        """
        rows = list(records)
        if not rows:
            return []
        try:
            pairs = self._pairs(rows)
            data = self._encode(pairs)
            self._check(data)
        except (msgspec.ValidationError, TypeError, ValueError, OverflowError) as failure:
            raise ContractViolation(self._port, self.validate(rows) or [_unexpected(failure)]) from None
        if self._partitions == 1 and self._subject is None:
            return [Encoded(0, None, len(rows), _entries(data, len(rows)))]
        return self._split(pairs)

    def validate(self, records: Iterable[object]) -> list[Violation]:
        """Every violation of every record; slower than `encode`, which calls it only where something is wrong."""
        return [violation for index, record in enumerate(records) for violation in self._violations(index, record)]

    def _pairs(self, rows: list[object]) -> list[tuple[str | None, object]]:
        if any(kind is not self._record for kind in set(map(type, rows))):
            rows = [msgspec.convert(row, self._record) for row in rows]
        return list(zip(map(self._key, rows), rows, strict=True))

    def _split(self, pairs: list[tuple[str | None, object]]) -> list[Encoded]:
        """Entries of one partition and one subject go together as far as they follow each other within the
        partition."""
        lanes: dict[int, list[tuple[str | None, list[tuple[str | None, object]]]]] = {}
        for pair in pairs:
            partition = crc32(pair[0].encode()) % self._partitions if pair[0] is not None else 0
            person = self._subject and self._subject(pair[1])
            subject = None if person is None else str(person)
            lane = lanes.setdefault(partition, [])
            if lane and lane[-1][0] == subject:
                lane[-1][1].append(pair)
            else:
                lane.append((subject, [pair]))
        return [
            Encoded(partition, subject, len(group), _entries(self._encode(group), len(group)))
            for partition, lane in sorted(lanes.items())
            for subject, group in lane
        ]

    def _violations(self, index: int, record: object) -> Iterator[Violation]:
        if isinstance(record, dict):
            missing = [f for f in self._fields if f.required and f.encode_name not in record]
            for field in missing:
                yield Violation(index, field.encode_name, "field.missing", "Missing required field", "")
            values = [(f, record[f.encode_name]) for f in self._fields if f.encode_name in record]
        elif type(record) is self._record:
            values = [(f, getattr(record, f.name)) for f in self._fields]
        else:
            message = f"Expected {self._record.__name__}, got {type(record).__name__}"
            yield Violation(index, "", "record.type", message, _short(record))
            return
        for field, value in values:
            yield from self._field_violations(index, field, value)

    def _field_violations(self, index: int, field: msgspec.structs.FieldInfo, value: object) -> Iterator[Violation]:
        try:
            msgspec.msgpack.decode(self._encode(value), type=field.type)
        except (msgspec.ValidationError, TypeError, ValueError, OverflowError) as failure:
            message, below = _message(failure)
            yield Violation(index, field.encode_name + below, _code(message), message, _short(value))


def _key_of(attributes: list[str]) -> Callable[[object], str | None]:
    """A record's key: the value of a single field of text or uuids as it stands, else the values as JSON."""
    if not attributes:
        return lambda record: None  # noqa: ARG005
    if len(attributes) > 1:
        values = attrgetter(*attributes)
        return lambda record: _encode_json(values(record)).decode()
    value_of = attrgetter(attributes[0])

    def single(record: object) -> str:
        value = value_of(record)
        if type(value) is str:
            return value
        return str(value) if isinstance(value, UUID) else _encode_json((value,)).decode()

    return single


_encode_json: Final = msgspec.json.Encoder().encode


def _entries(data: bytes, count: int) -> bytes:
    """msgpack of an array without its header (msgpack specification, section array format family)."""
    return data[1 if count < 16 else 3 if count < 65536 else 5 :]


def _message(failure: Exception) -> tuple[str, str]:
    """The failure in words, and the path below the field where it is."""
    text = str(failure)
    place = _PLACE.search(text)
    return (text[: place.start()], place[1]) if place else (text, "")


def _code(message: str) -> str:
    return next((code for sign, code in _CODES if sign in message), "field.type")


def _unexpected(failure: Exception) -> Violation:
    return Violation(0, "", "record.type", str(failure), "")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _VALUE_LENGTH_MAX else f"{text[: _VALUE_LENGTH_MAX - 1]}…"
