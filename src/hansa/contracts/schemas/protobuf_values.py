"""Plain records into messages of Protobuf and back, for the layout that `protobuf.file_of` gives a type."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias
from uuid import UUID

from hansa.contracts.schemas.library import needed
from hansa.contracts.schemas.logical import (
    Date,
    Decimal,
    Enumeration,
    Field,
    Logical,
    Mapping,
    Sequence,
    Struct,
    Time,
    Timestamp,
    Uuid,
    spell,
)
from hansa.contracts.schemas.protobuf_file import ITEMS, File
from hansa.contracts.schemas.values import Convert, Unfit, check_value, converter

Fill: TypeAlias = Callable[[Any, Any], None]
"""Writes a value into what stands first: a message, a repeated field or a map."""
Descriptor: TypeAlias = Any
"""Of a message or a field; Protobuf has no types for them."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def loaded(file: File) -> Any:
    """The class of the file's message, from a pool of its own."""
    with needed():
        from google.protobuf import descriptor_pool, message_factory, timestamp_pb2
        from google.type import date_pb2, datetime_pb2, decimal_pb2, timeofday_pb2

    pool = descriptor_pool.DescriptorPool()
    for module in (timestamp_pb2, date_pb2, decimal_pb2, timeofday_pb2, datetime_pb2):
        for dependency in (*module.DESCRIPTOR.dependencies, module.DESCRIPTOR):
            pool.AddSerializedFile(dependency.serialized_pb)
    pool.AddSerializedFile(file.descriptor.SerializeToString())
    name = f"{file.package}.{file.message.name}".lstrip(".")
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def filler(kind: Struct, message: Descriptor) -> Fill:
    """Writes a plain record into a message of that type."""
    members = [(field.name, _writer(field, message.fields_by_name[field.name])) for field in kind.fields]

    def fill(into: Any, value: dict[str, Any]) -> None:
        for name, write in members:
            if value[name] is not None:
                write(into, value[name])

    return fill


def reader(kind: Struct, message: Descriptor) -> Convert:
    """The plain record in a message of that type; raises `Unfit`."""
    members = [
        (field.name, slot.has_presence, _reading(field.type, slot))
        for field in kind.fields
        for slot in [message.fields_by_name[field.name]]
    ]
    complete = converter(kind, lambda of: None)  # noqa: ARG005

    def read(found: Any) -> Any:
        present = [(name, get) for name, has_presence, get in members if not has_presence or found.HasField(name)]
        return complete({name: _at(name, get, getattr(found, name)) for name, get in present})

    return read


def _at(name: str, read: Convert, value: Any) -> Any:
    try:
        return read(value)
    except Unfit as unfit:
        raise unfit.at(name) from None


def _is_message(kind: Logical) -> bool:
    """Whether a value of the type is a message, which Protobuf cannot assign."""
    return isinstance(kind, Struct | Decimal | Date | Time | Timestamp | Sequence | Mapping)


def _writer(field: Field, slot: Descriptor) -> Fill:
    """Writes a value to a field of the message that is given."""
    name, kind = field.name, field.type
    if not _is_message(kind):
        single = _single(kind, slot)
        return lambda into, value: setattr(into, name, single(value))
    if isinstance(kind, Sequence | Mapping) and slot.is_repeated:
        fill_items = _items(kind, slot)
        return lambda into, value: fill_items(getattr(into, name), value)
    fill = _message(kind, slot.message_type)

    def write(into: Any, value: Any) -> None:
        target = getattr(into, name)
        target.SetInParent()
        fill(target, value)

    return write


def _message(kind: Logical, message: Descriptor) -> Fill:
    """Fills the message that a value of the type is."""
    match kind:
        case Struct():
            return filler(kind, message)
        case Sequence() | Mapping():
            fill = _items(kind, message.fields_by_name[ITEMS])
            return lambda into, value: fill(getattr(into, ITEMS), value)
        case Decimal():
            return lambda into, value: setattr(into, "value", str(value))
        case Date():
            return _fill_date
        case Time():
            return _fill_clock
        case Timestamp(_, has_zone):
            return _fill_instant if has_zone else _fill_local
        case _:
            raise TypeError(kind)


def _items(kind: Sequence | Mapping, slot: Descriptor) -> Fill:
    """Fills a repeated field or a map."""
    if isinstance(kind, Sequence):
        return _list(kind.item, slot)
    return _map(kind.value, slot.message_type.fields_by_name["value"])


def _list(item: Logical, slot: Descriptor) -> Fill:
    if not _is_message(item):
        single = _single(item, slot)
        return lambda items, value: items.extend(map(single, value))
    fill = _message(item, slot.message_type)

    def extend(items: Any, value: Iterable[Any]) -> None:
        for one in value:
            fill(items.add(), one)

    return extend


def _map(of: Logical, slot: Descriptor) -> Fill:
    if not _is_message(of):
        single = _single(of, slot)
        return lambda items, value: items.update({key: single(one) for key, one in value.items()})
    fill = _message(of, slot.message_type)

    def put(items: Any, value: dict[Any, Any]) -> None:
        for key, one in value.items():
            fill(items[key], one)

    return put


def _single(kind: Logical, slot: Descriptor) -> Convert:
    """A value as Protobuf assigns it."""
    if isinstance(kind, Uuid):
        return str
    if isinstance(kind, Enumeration):
        return dict(zip(kind.values, _numbers(kind, slot), strict=True)).__getitem__
    return lambda value: value


def _numbers(kind: Enumeration, slot: Descriptor) -> list[int]:
    values = slot.enum_type.values_by_name
    prefix = next(iter(slot.enum_type.values)).name.removesuffix("UNSPECIFIED")
    return [values[f"{prefix}{value}"].number for value in kind.values]


def _reading(kind: Logical, slot: Descriptor) -> Convert:
    """Reads what stands in a field: a value, a message, a repeated field or a map."""
    if isinstance(kind, Sequence | Mapping) and slot.is_repeated:
        return _reading_items(kind, slot)
    return _reading_one(kind, slot)


def _reading_items(kind: Sequence | Mapping, slot: Descriptor) -> Convert:
    if isinstance(kind, Sequence):
        read = _reading_one(kind.item, slot)
        return lambda items: [read(item) for item in items]
    read = _reading_one(kind.value, slot.message_type.fields_by_name["value"])
    return lambda items: {key: read(items[key]) for key in items}


def _reading_one(kind: Logical, slot: Descriptor) -> Convert:
    match kind:
        case Struct():
            return reader(kind, slot.message_type)
        case Sequence() | Mapping():
            read = _reading_items(kind, slot.message_type.fields_by_name[ITEMS])
            return lambda message: read(getattr(message, ITEMS))
        case Enumeration(_, values):
            texts = dict(zip(_numbers(kind, slot), values, strict=True))
            return lambda number: check_value(kind, texts.get(number, f"number {number}"))
        case Uuid():
            return _parsing(kind, UUID)
        case Decimal():
            return _parsing(kind, lambda message: decimal.Decimal(message.value))
        case Date():
            return _parsing(kind, lambda message: dt.date(message.year, message.month, message.day))
        case Time():
            return _parsing(kind, _clock)
        case Timestamp(_, has_zone):
            return _parsing(kind, _instant if has_zone else _local)
        case _:
            return lambda value: check_value(kind, value)


def _parsing(kind: Logical, parse: Convert) -> Convert:
    def parsed(value: Any) -> Any:
        try:
            return check_value(kind, parse(value))
        except (ValueError, OverflowError, decimal.InvalidOperation) as failure:
            raise Unfit(f"The message is no {spell(kind)}: {failure}") from None

    return parsed


def _fill_date(message: Any, value: dt.date) -> None:
    message.year, message.month, message.day = value.year, value.month, value.day


def _fill_clock(message: Any, value: dt.time | dt.datetime) -> None:
    message.hours, message.minutes, message.seconds = value.hour, value.minute, value.second
    message.nanos = value.microsecond * 1000


def _fill_local(message: Any, value: dt.datetime) -> None:
    _fill_date(message, value)
    _fill_clock(message, value)


def _fill_instant(message: Any, value: dt.datetime) -> None:
    since = value - _EPOCH
    message.seconds = since.days * 86400 + since.seconds
    message.nanos = since.microseconds * 1000


def _clock(message: Any) -> dt.time:
    return dt.time(message.hours, message.minutes, message.seconds, _microseconds(message))


def _local(message: Any) -> dt.datetime:
    if message.HasField("utc_offset") or message.HasField("time_zone"):
        raise ValueError("it has a zone")
    return dt.datetime.combine(dt.date(message.year, message.month, message.day), _clock(message))


def _instant(message: Any) -> dt.datetime:
    return _EPOCH + dt.timedelta(seconds=message.seconds) + _microseconds(message) * _MICROSECOND


def _microseconds(message: Any) -> int:
    """Python has no nanoseconds: a time that has some is refused, not cut."""
    whole, rest = divmod(int(message.nanos), 1000)
    if rest:
        raise ValueError(f"{message.nanos} ns is finer than a microsecond")
    return whole
