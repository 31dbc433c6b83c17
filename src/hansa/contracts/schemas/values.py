"""Records as plain values of Python, checked against their types, and the walk that turns them into each format's.

The plain form of a record is a dict by the contract's names: str, int, float, bool, list, dict, `Decimal` with its
scale, `UUID`, `date`, `time`, `datetime` (in UTC where the type has a zone, else without one) and None. Each codec
takes and gives that; `msgspec.convert(plain, record_class)` makes the author's class of it.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import struct
from collections.abc import Callable
from typing import Any, Final, TypeAlias, assert_never
from uuid import UUID

import msgspec

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
)
from hansa.errors import AuthorError

Convert: TypeAlias = Callable[[Any], Any]
Leaf: TypeAlias = Callable[[Logical], Convert | None]
"""How single values of a type are converted; None leaves them as they are."""

_PLAIN: Final = (dt.datetime, dt.date, dt.time, decimal.Decimal, UUID, bytes)
_STEPS_US: Final = {"s": 1_000_000, "ms": 1000, "us": 1}
_EXACT: Final = decimal.Context(prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)


class Unfit(Exception):
    """A value that its type does not hold. `path` grows on the way out."""

    def __init__(self, message: str, hint: str = "Mend the record, or the type in a new version of the contract."):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = ""

    def at(self, step: str) -> Unfit:
        self.path = f"{step}.{self.path}" if self.path and not self.path.startswith(("[", "{")) else step + self.path
        return self

    def error(self) -> AuthorError:
        path = self.path or "The record"
        details = {"path": self.path}
        return AuthorError("value.unrepresentable", f"{path}: {self.message}", hint=self.hint, details=details)


def checker(record: Struct) -> Convert:
    """Takes a record (of an author's class, or a dict) to its plain form.

    Raises `AuthorError("value.unrepresentable")` with the path of the first value that its type does not hold, of a
    field that is missing, null or unknown.
    """
    return refusing(converter(record, _checked, is_open=False), msgspec_plain)


def check_value(kind: Logical, value: Any) -> Any:
    """One value in its plain form; raises `Unfit`."""
    return converter(kind, _checked)(value)


def refusing(convert: Convert, prepare: Convert | None = None) -> Convert:
    """The conversion with `Unfit` as the error that callers see."""

    def converted(value: Any) -> Any:
        try:
            return convert(value if prepare is None else prepare(value))
        except Unfit as unfit:
            raise unfit.error() from None

    return converted


def msgspec_plain(record: Any) -> Any:
    """Structs as dicts by their encoded names; single values as they are."""
    return record if isinstance(record, dict) else msgspec.to_builtins(record, builtin_types=_PLAIN)


def converter(kind: Logical, leaf: Leaf, *, key: Leaf | None = None, is_open: bool = True) -> Convert:
    """The walk through values of the type, with `leaf` at their ends and `key` (unless given: `leaf`) at the keys of
    maps. Built once, it holds no state.

    A field that is left out gets its default, or null. Members that the type does not have are left away where
    `is_open`, and else refused. Raises `Unfit`.
    """

    def inner(of: Logical) -> Convert:
        return converter(of, leaf, key=key, is_open=is_open)

    match kind:
        case Struct(_, fields):
            return _struct([(field, inner(field.type)) for field in fields], is_open)
        case Sequence(item, size):
            return _sequence(inner(item), size)
        case Mapping(of_key, of_value):
            return _mapping((key or leaf)(of_key) or _same, inner(of_value))
        case _:
            return leaf(kind) or _same


def _struct(members: list[tuple[Field, Convert]], is_open: bool) -> Convert:
    names = {field.name for field, _ in members}
    named = [(field.name, inner, field) for field, inner in members]

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Unfit(f"{_short(value)} is no object")
        if not is_open and not names.issuperset(value):
            raise Unfit("The contract has no such field").at(str(next(iter(set(value) - names))))
        found, name = {}, ""
        try:
            for name, inner, field in named:
                member = value.get(name)
                found[name] = _absent(field, value, inner) if member is None else inner(member)
        except Unfit as unfit:
            raise unfit.at(name) from None
        return found

    return convert


def _absent(field: Field, value: dict[str, Any], convert: Convert) -> Any:
    """What stands for a member that is null or left out."""
    found = None if field.name in value else field.default
    if found is None and field.is_required:
        raise Unfit("The field is required, and there is no value")
    return found if found is None or field.has_default else convert(found)


def _sequence(convert: Convert, size: int | None) -> Convert:
    def converted(value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise Unfit(f"{_short(value)} is no list")
        if size is not None and len(value) != size:
            raise Unfit(f"A vector of {len(value)} elements, where the type has {size}")
        return [_element(convert, item, f"[{index}]") for index, item in enumerate(value)]

    return converted


def _mapping(key: Convert, convert: Convert) -> Convert:
    def converted(value: Any) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise Unfit(f"{_short(value)} is no map")
        steps = [(name, item, f"{{{name}}}") for name, item in value.items()]
        return {_element(key, name, step): _element(convert, item, step) for name, item, step in steps}

    return converted


def _element(convert: Convert, value: Any, step: str) -> Any:
    if value is None:
        raise Unfit("Elements of lists and maps are never null").at(step)
    try:
        return convert(value)
    except Unfit as unfit:
        raise unfit.at(step) from None


def _same(value: Any) -> Any:
    return value


def _checked(kind: Logical) -> Convert | None:
    match kind:
        case Text():
            return _text
        case Boolean() | Uuid() | Date():
            return _of_class({Boolean: bool, Uuid: UUID, Date: dt.date}[type(kind)])
        case Integer():
            return _whole(kind)
        case Real(bits):
            return lambda value: _real(bits, value)
        case Decimal(precision, scale):
            return lambda value: _decimal(precision, scale, value)
        case Enumeration(_, values):
            return lambda value: _one_of(values, value)
        case Time() | Timestamp():
            return lambda value: _time(kind, value)
        case Anything():
            return None
        case Struct() | Sequence() | Mapping():
            raise TypeError(kind)
        case _:
            assert_never(kind)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit(f"{_short(value)} is no text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as failure:
            raise Unfit(f"The text is not Unicode at position {failure.start}") from None
    return value


def _of_class(wanted: type[Any]) -> Convert:
    def checked(value: Any) -> Any:
        if type(value) is not wanted:
            raise Unfit(f"{_short(value)} is no {wanted.__name__}")
        return value

    return checked


def _whole(kind: Integer) -> Convert:
    low, high = kind.minimum, kind.maximum

    def checked(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unfit(f"{_short(value)} is no whole number")
        if not low <= value <= high:
            raise Unfit(f"{value} does not fit into {kind.bits} bits", "Choose a wider format in the contract.")
        return value

    return checked


def _real(bits: int, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Unfit(f"{_short(value)} is no number")
    try:
        found = float(value)
        if bits == 64:
            return found
        return float(struct.unpack("<f", struct.pack("<f", found))[0])
    except OverflowError:
        raise Unfit(f"{value} does not fit into {bits} bits", "Use format f64, or a decimal.") from None


def _decimal(precision: int | None, scale: int | None, value: Any) -> decimal.Decimal:
    if not isinstance(value, decimal.Decimal) or not value.is_finite():
        raise Unfit(f"{_short(value)} is no decimal number")
    if precision is None or scale is None:
        return value
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and value and value.adjusted() >= precision - scale:
        raise Unfit(f"{value} has more than {precision - scale} digits before the point", "Widen the decimal.")
    found = value.quantize(decimal.Decimal(1).scaleb(-scale), context=_EXACT.copy())
    if found != value:
        raise Unfit(f"{value} has more than {scale} digits behind the point", "Round it, or widen the decimal.")
    return found


def _one_of(values: tuple[str, ...], value: Any) -> Any:
    if value not in values:
        raise Unfit(f"{_short(value)} is none of {', '.join(values[:10])}")
    return str(value)


def _time(kind: Time | Timestamp, value: Any) -> Any:
    wanted = dt.datetime if isinstance(kind, Timestamp) else dt.time
    if type(value) is not wanted:
        raise Unfit(f"{_short(value)} is no {wanted.__name__}")
    if (value.tzinfo is not None) is not kind.has_zone:
        hint = "'timezone' of the property's logicalTypeOptions says which of them it is."
        raise Unfit(f"{value.isoformat()} {'has a' if value.tzinfo else 'has no'} zone", hint)
    if value.microsecond % _STEPS_US[kind.unit]:
        raise Unfit(f"{value.isoformat()} is finer than {kind.unit}", "Round it, or choose a finer unit.")
    try:
        return value.astimezone(dt.UTC) if isinstance(value, dt.datetime) and kind.has_zone else value
    except OverflowError:
        raise Unfit(f"{value.isoformat()} is out of range in UTC") from None


def is_finite(value: float) -> float:
    """The number; raises `Unfit` for infinities and what is no number, which text formats do not have."""
    if not math.isfinite(value):
        raise Unfit(f"{value} is no number of this format", "Leave the field out, or use null.")
    return value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
