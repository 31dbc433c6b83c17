"""An Arrow schema with the contract in its metadata, and records as batches.

Types are exact: widths of integers, decimals (128 or 256 bits), units of times, instants in UTC, uuids as the canonical
extension `arrow.uuid`, vectors as lists of a fixed size. An enumeration is text: a dictionary would be an encoding,
which says nothing of the values that there may be. The metadata of a field, also of a list's and a map's elements, has
`hansa.type` (the type in words) and, as far as there are any, `description`, `hansa.values` of an enumeration,
`hansa.default` and `hansa.personal`. There are no times of day with a zone, and no decimals of more than 76 digits
or without a precision: these are refused. Needs `pyarrow`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from hansa.contracts.schemas.library import needed
from hansa.contracts.schemas.logical import (
    Anything,
    Boolean,
    Date,
    Decimal,
    Enumeration,
    Field,
    Integer,
    Logical,
    Mapping,
    Real,
    Sequence,
    Struct,
    Text,
    Time,
    Timestamp,
    Uuid,
    spell,
    unrepresentable,
)
from hansa.contracts.schemas.values import Convert, checker, converter, refusing

if TYPE_CHECKING:
    import pyarrow as pa


def derive(record: Struct) -> pa.Schema:
    """The schema. Raises `AuthorError("schema.unrepresentable")` with the path of what Arrow does not have."""
    with needed():
        import pyarrow as pa

    metadata = {"description": record.description} if record.description else None
    return pa.schema([_field(field, field.name, is_stored=False) for field in record.fields], metadata=metadata)


class Codec:
    """Records to and from batches, and to and from the bytes of an Arrow stream."""

    def __init__(self, record: Struct) -> None:
        self.schema = derive(record)
        import pyarrow as pa

        self._stored = pa.schema([_field(field, field.name, is_stored=True) for field in record.fields])
        self._check = checker(record)
        self._to = converter(record, _to_arrow)
        self._from = refusing(converter(record, lambda kind: None))  # noqa: ARG005

    def batch(self, records: Iterable[object]) -> pa.RecordBatch:
        """The records as columns; raises `AuthorError("value.unrepresentable")` with the first one's path."""
        import pyarrow as pa

        rows = [self._to(self._check(record)) for record in records]
        columns = [
            pa.array([row[field.name] for row in rows], type=field.type).cast(self.schema.field(index).type)
            for index, field in enumerate(self._stored)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def records(self, batch: pa.RecordBatch) -> list[dict[str, Any]]:
        """The plain form of each row."""
        return [self.plain(row) for row in batch.to_pylist(maps_as_pydicts="strict")]

    def plain(self, row: dict[str, Any]) -> dict[str, Any]:
        """The plain form of a row that pyarrow read."""
        plain: dict[str, Any] = self._from(row)
        return plain

    def encode(self, records: Iterable[object]) -> bytes:
        """The records as an Arrow stream with the schema in front."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.schema) as writer:
            writer.write_batch(self.batch(records))
        return bytes(sink.getvalue().to_pybytes())

    def decode(self, data: bytes) -> list[dict[str, Any]]:
        """The plain form of the records of an Arrow stream."""
        import pyarrow as pa

        with pa.ipc.open_stream(data) as reader:
            return [record for batch in reader for record in self.records(batch)]


def _field(field: Field, path: str, *, is_stored: bool) -> pa.Field:
    import pyarrow as pa

    kind = _type(field.type, path, is_stored=is_stored)
    return pa.field(field.name, kind, nullable=not field.is_required, metadata=_metadata(field))


def _element(name: str, kind: Logical, path: str, *, is_stored: bool, is_nullable: bool = False) -> pa.Field:
    import pyarrow as pa

    return pa.field(name, _type(kind, path, is_stored=is_stored), is_nullable, metadata=_type_metadata(kind))


def _type_metadata(kind: Logical) -> dict[str, str]:
    values = {"hansa.values": msgspec.json.encode(kind.values).decode()} if isinstance(kind, Enumeration) else {}
    return {"hansa.type": spell(kind), **values}


def _metadata(field: Field) -> dict[str, str]:
    found = _type_metadata(field.type)
    if field.description:
        found["description"] = field.description
    if field.has_default:
        found["hansa.default"] = msgspec.json.encode(field.default).decode()
    return {**found, "hansa.personal": "true"} if field.is_personal else found


def _type(kind: Logical, path: str, *, is_stored: bool) -> pa.DataType:
    """The type, or where `is_stored` the one that pyarrow can build nested values of: uuids as 16 bytes."""
    import pyarrow as pa

    match kind:
        case Text() | Enumeration():
            return pa.utf8()
        case Boolean():
            return pa.bool_()
        case Date():
            return pa.date32()
        case Uuid():
            return pa.binary(16) if is_stored else pa.uuid()
        case Integer(bits, is_signed):
            return pa.type_for_alias(f"{'' if is_signed else 'u'}int{bits}")
        case Real(bits):
            return pa.float32() if bits == 32 else pa.float64()
        case Decimal(precision, scale):
            return _decimal(precision, scale, path)
        case Time(unit, has_zone):
            if has_zone:
                raise _refused(path, "has no times with a zone", "Use a timestamp, or a time without a zone.")
            return pa.time64(unit) if unit == "us" else pa.time32(unit)
        case Timestamp(unit, has_zone):
            return pa.timestamp(unit, tz="UTC" if has_zone else None)
        case Sequence(item, size):
            is_vector = size is not None  # one that is null has nulls in its places
            element = _element("item", item, f"{path}[]", is_stored=is_stored, is_nullable=is_vector)
            return pa.list_(element) if size is None else pa.list_(element, size)
        case Mapping(key, value):
            entry = _element("value", value, f"{path}{{}}", is_stored=is_stored)
            return pa.map_(_type(key, path, is_stored=is_stored), entry)
        case Struct(_, fields):
            return pa.struct([_field(field, f"{path}.{field.name}", is_stored=is_stored) for field in fields])
        case Anything(what):
            raise _refused(path, f"cannot carry {what}", "Say in the contract what it holds.")
        case _:
            assert_never(kind)


def _decimal(precision: int | None, scale: int | None, path: str) -> pa.DataType:
    import pyarrow as pa

    if precision is None or precision > 76:
        asked = "without a precision" if precision is None else f"of {precision} digits"
        raise _refused(path, f"has no decimals {asked}", "Give physicalType decimal(p, s) with p up to 76.")
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)


def _refused(path: str, message: str, hint: str) -> Exception:
    return unrepresentable("Arrow", path, message, hint)


def _to_arrow(kind: Logical) -> Convert | None:
    return (lambda value: value.bytes) if isinstance(kind, Uuid) else None
