"""The contract's bite: records become entries of the log only after each was checked against its contract.

A record class carries its contract in its annotations (`Annotated[str, Meta(pattern=…)]`), so encoding a batch and
decoding it as that class checks all of it, at about 1 µs a record. What goes into the log is what was decoded: of which
class the rows are does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter, itemgetter
from typing import Any, Final
from uuid import UUID
from zlib import crc32

import msgspec
import msgspec.structs

from hansa.errors import AuthorError

_VALUE_LENGTH_MAX: Final = 100
_DETAILS_MAX: Final = 1000
_CODES: Final = (
    ("missing required field", "field.missing"),
    ("got `None`", "field.null"),
    ("matching regex", "field.pattern"),
    ("of length", "field.length"),
    (">", "field.range"),
    ("<", "field.range"),
    ("multiple of", "field.range"),
    ("nvalid enum value", "field.enum"),
    ("unknown field", "field.unknown"),
)
_PLACE: Final = re.compile(r" - at `\$(.*)`$", re.DOTALL)
_QUOTED: Final = re.compile(r" '.*'", re.DOTALL)
_UNFIT: Final = (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError)


Pair = tuple[str | None, Any]
"""A record's key and the record; None where that is withheld."""
_WITHHELD: Final = object()
_RECORD: Final = itemgetter(1)


class Encoded(msgspec.Struct, frozen=True):
    """`count` entries for one partition: msgpack `[key, body]`, one behind the other. `subject` is whom they speak
    of. Without `entries`: the places of records that are withheld."""

    partition: int
    subject: str | None
    count: int
    entries: bytes


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach of a contract: the record's index in its batch, the field's path, a code `field.*`, `record.*` or
    `rule.*`, and the value as short text, empty where it must not be shown. `rule` is the id of a quality rule."""

    index: int
    path: str
    code: str
    message: str
    value: str = ""
    rule: str = ""


class ContractViolation(AuthorError):
    """Records that break their contract. `violations` has all; `details["errors"]` the first thousand as plain
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
    """Checks and encodes the records of one port. Made once per port and worker; safe to share between threads.

    `hidden` are fields whose values no violation shows.
    """

    def __init__(
        self,
        port: str,
        record: type[msgspec.Struct],
        key: Sequence[str],
        *,
        partitions: int = 1,
        subject: str | None = None,
        hidden: Collection[str] = (),
    ) -> None:
        self._port = port
        self._fields = {field.encode_name: field for field in msgspec.structs.fields(record)}
        self._closed = bool(record.__struct_config__.forbid_unknown_fields)
        self._hidden = frozenset(hidden)
        self._partitions = partitions
        self.key = key_of([self._fields[name].name for name in key])
        self._subject = attrgetter(self._fields[subject].name) if subject else None
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[record]).decode  # type: ignore[valid-type]
        self._decode_one = msgspec.msgpack.Decoder(record).decode

    def encode(self, records: Iterable[object]) -> list[Encoded]:
        """The records in their order, per partition `crc32(key) % partitions` (0 without a key).

        Raises `ContractViolation` naming every violation; then nothing is encoded.
        """
        checked, violations = self.check(list(records))
        if violations:
            raise ContractViolation(self._port, violations)
        return self.entries([record for record in checked if record is not None])

    def check(self, rows: list[Any]) -> tuple[list[Any], list[Violation]]:
        """The rows as records of the class, None in place of each that is none, and every violation."""
        try:
            return self._decode(self._encode(rows)), []
        except _UNFIT:
            checked = [self._checked(row) for row in rows]
        wrong = ((index, row) for index, row in enumerate(rows) if checked[index] is None)
        violations = [found for index, row in wrong for found in self._violations(index, row) or [_unfit(index, row)]]
        return checked, violations

    def validate(self, records: Iterable[object]) -> list[Violation]:
        """Every violation of every record."""
        return self.check(list(records))[1]

    def entries(self, records: list[Any]) -> list[Encoded]:
        """Records that `check` gave as entries, as `encode` does."""
        if not records:
            return []
        pairs = list(zip(map(self.key, records), records, strict=True))
        if self._partitions == 1 and self._subject is None:
            return [Encoded(0, None, len(pairs), _entries(self._encode(pairs), len(pairs)))]
        return self._split(pairs)

    def _checked(self, row: Any) -> Any:
        try:
            return self._decode_one(self._encode(row))
        except _UNFIT:
            return None

    def beside(self, pairs: Sequence[Pair], partition: int | None = None) -> list[Encoded]:
        """Checked records under their keys, in their order, each beside a record of another port; those that are None
        are withheld and keep their place. All go to `partition` where one is given."""
        if (self._partitions == 1 or partition is not None) and self._subject is None and all(map(_RECORD, pairs)):
            return [Encoded(partition or 0, None, len(pairs), _entries(self._encode(pairs), len(pairs)))]
        return self._split(pairs, partition)

    def _split(self, pairs: Sequence[Pair], partition: int | None = None) -> list[Encoded]:
        """Entries of one partition and one subject go together as far as they follow each other within the
        partition."""
        lanes: dict[int, list[tuple[object, list[Pair]]]] = {}
        for pair in pairs:
            subject = self._subject_of(pair[1])
            lane = lanes.setdefault(self._partition_of(pair[0]) if partition is None else partition, [])
            if lane and lane[-1][0] == subject:
                lane[-1][1].append(pair)
            else:
                lane.append((subject, [pair]))
        return [
            self._group(number, subject, group) for number, lane in sorted(lanes.items()) for subject, group in lane
        ]

    def _group(self, partition: int, subject: object, group: list[Pair]) -> Encoded:
        if subject is _WITHHELD:
            return Encoded(partition, None, len(group), b"")
        person = None if subject is None else str(subject)
        return Encoded(partition, person, len(group), _entries(self._encode(group), len(group)))

    def _partition_of(self, key: str | None) -> int:
        return crc32(key.encode()) % self._partitions if key is not None else 0

    def _subject_of(self, record: object) -> object:
        """The person's name, None where there is none; `_WITHHELD` where there is no record."""
        if record is None:
            return _WITHHELD
        person = self._subject and self._subject(record)
        return None if person is None else str(person)

    def _violations(self, index: int, row: object) -> list[Violation]:
        values = plain(row)
        if values is None:
            return [_unfit(index, row)]
        found = [
            Violation(index, name, "field.missing", "Missing required field")
            for name, field in self._fields.items()
            if field.required and name not in values
        ]
        for name, value in values.items():
            if name in self._fields:
                found += self._field_violations(index, self._fields[name], value)
            elif self._closed:
                found.append(Violation(index, str(name), "field.unknown", "The contract has no such field"))
        return found

    def _field_violations(self, index: int, field: msgspec.structs.FieldInfo, value: object) -> Iterator[Violation]:
        try:
            msgspec.msgpack.decode(self._encode(value), type=field.type)
        except _UNFIT as failure:
            message, below = _message(failure)
            code = _code(message)
            if field.encode_name in self._hidden:
                yield Violation(index, field.encode_name + below, code, _QUOTED.sub("", message))
            else:
                yield Violation(index, field.encode_name + below, code, message, short(value))


def plain(row: object) -> Mapping[str, Any] | None:
    """The fields of a row by the names that they have in the log; None for what is no row."""
    if isinstance(row, msgspec.Struct):
        return {field.encode_name: getattr(row, field.name) for field in msgspec.structs.fields(row)}
    return row if isinstance(row, Mapping) else None


def key_of(attributes: list[str]) -> Callable[[object], str | None]:
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


def key_text(values: Sequence[Any]) -> str:
    """A record's key as the log has it, of the values of its fields, as `key_of` makes it."""
    if len(values) == 1 and isinstance(values[0], str | UUID):
        return str(values[0])
    return _encode_json(tuple(values)).decode()


def reordered(text: str, names: Sequence[str], wanted: Sequence[str]) -> str:
    """The text of a key whose fields are `names`, as that of the same fields in the order `wanted`."""
    if len(wanted) < 2:
        return text
    parts = dict(zip(names, msgspec.json.decode(text, type=list[msgspec.Raw]), strict=True))
    return _encode_json([parts[name] for name in wanted]).decode()


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


def _unfit(index: int, row: object) -> Violation:
    return Violation(index, "", "record.type", f"Expected a record, got {type(row).__name__}")


def short(value: object) -> str:
    """A value as a violation shows it: at most a hundred characters."""
    text = repr(value)
    return text if len(text) <= _VALUE_LENGTH_MAX else f"{text[: _VALUE_LENGTH_MAX - 1]}…"
