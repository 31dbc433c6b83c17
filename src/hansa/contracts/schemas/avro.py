"""Avro 1.12: a record with logical types, and its binary encoding.

Integers take the narrowest of int and long that holds them; nullable fields are unions with null. There are no times
with a zone, no unsigned 64-bit integers, no decimals without a precision, and maps have text as keys; names of fields
and symbols of enumerations are `[A-Za-z_][A-Za-z0-9_]*`. What needs more is refused.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from typing import Any, Final, assert_never

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
from hansa.contracts.schemas.values import checker, converter, refusing

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TIMES: Final = {"s": ("int", "time-millis"), "ms": ("int", "time-millis"), "us": ("long", "time-micros")}
_PARTS: Final = {"s": "millis", "ms": "millis", "us": "micros"}
_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001  the origin of local timestamps, too
_STEPS: Final = {"millis": dt.timedelta(milliseconds=1), "micros": dt.timedelta(microseconds=1)}


def derive(record: Struct, *, namespace: str = "") -> dict[str, Any]:
    """The schema as plain values, ready for `json.dumps` and for any Avro library.

    Raises `AuthorError("schema.unrepresentable")` with the path of what Avro does not have.
    """
    found = _Derivation().struct(record, "")
    return {**found, "namespace": namespace} if namespace else found


class Codec:
    """Records to and from Avro's binary encoding, without a container or framing. Needs `fastavro`. `schema` is what
    was derived of the record before, where that is to hold."""

    def __init__(self, record: Struct, *, namespace: str = "", schema: dict[str, Any] | None = None) -> None:
        with needed():
            import fastavro

        self.schema = derive(record, namespace=namespace) if schema is None else schema
        self._parsed = fastavro.parse_schema(self.schema)
        self._write, self._read = fastavro.schemaless_writer, fastavro.schemaless_reader
        self._check = checker(record)
        self._plain = refusing(converter(record, lambda kind: None))  # noqa: ARG005

    def encode(self, record: object) -> bytes:
        """Raises `AuthorError("value.unrepresentable")`."""
        buffer = io.BytesIO()
        self._write(buffer, self._parsed, self._check(record))
        return buffer.getvalue()

    def decode(self, data: bytes) -> dict[str, Any]:
        """The plain form of the record that was written with this schema."""
        plain: dict[str, Any] = self._plain(self._read(io.BytesIO(data), self._parsed, None))
        return plain


class _Derivation:
    """One schema in the making: Avro has one space of names for all types of a schema."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def struct(self, kind: Struct, path: str) -> dict[str, Any]:
        doc = {"doc": kind.description} if kind.description else {}
        named = {"type": "record", "name": self._named(kind.name, path), **doc}
        return {**named, "fields": [self._field(field, f"{path}.{field.name}".lstrip(".")) for field in kind.fields]}

    def _field(self, field: Field, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {"name": _name(field.name, path)}
        kind = self._type(field.type, path)
        found["type"] = kind if field.is_required else ["null", kind]
        if field.has_default:
            found["type"] = kind if field.is_required else [kind, "null"]
            found["default"] = _default(field.type, field.default)
        elif not field.is_required:
            found["default"] = None
        return {**found, "doc": field.description} if field.description else found

    def _type(self, kind: Logical, path: str) -> Any:
        match kind:
            case Text():
                return "string"
            case Boolean():
                return "boolean"
            case Uuid():
                return {"type": "string", "logicalType": "uuid"}
            case Date():
                return {"type": "int", "logicalType": "date"}
            case Integer():
                return _integer(kind, path)
            case Real(bits):
                return "float" if bits == 32 else "double"
            case Decimal(precision, scale):
                if precision is None:
                    raise _refused(path, "has no decimals without a precision", "Give physicalType decimal(p, s).")
                return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
            case Time(unit, has_zone):
                if has_zone:
                    raise _refused(path, "has no times with a zone", "Use a timestamp, or a time without a zone.")
                return {"type": _TIMES[unit][0], "logicalType": _TIMES[unit][1]}
            case Timestamp():
                return {"type": "long", "logicalType": _timestamp(kind)}
            case Enumeration(name, values):
                symbols = [_symbol(value, path) for value in values]
                return {"type": "enum", "name": self._named(name, path), "symbols": symbols}
            case Sequence(item):
                return {"type": "array", "items": self._type(item, f"{path}[]")}
            case Mapping(key, value):
                if isinstance(key, Integer):
                    raise _refused(path, f"has no maps with keys of {spell(key)}", "Use string keys.")
                return {"type": "map", "values": self._type(value, f"{path}{{}}")}
            case Struct():
                return self.struct(kind, path)
            case Anything(what):
                raise _refused(path, f"cannot carry {what}", "Say in the contract what it holds.")
            case _:
                assert_never(kind)

    def _named(self, name: str, path: str) -> str:
        if name in self._names:
            raise _refused(path, f"would have two types called {name}", "Rename one of the two properties.")
        self._names.add(name)
        return _name(name, path)


def _refused(path: str, message: str, hint: str) -> Exception:
    return unrepresentable("Avro", path, message, hint)


def _name(name: str, path: str) -> str:
    if not _NAME.fullmatch(name):
        raise _refused(path, f"has no names like {name!r}", "Use letters, digits and underscores.")
    return name


def _symbol(value: str, path: str) -> str:
    if not _NAME.fullmatch(value):
        raise _refused(path, f"has no symbols like {value!r}", "Use letters, digits and underscores, or no enum.")
    return value


def _integer(kind: Integer, path: str) -> str:
    if kind.maximum >= 2**63:
        raise _refused(path, "has no unsigned integers of 64 bits", "Use format i64, or decimal(20, 0).")
    return "int" if kind.maximum < 2**31 else "long"


def _timestamp(kind: Timestamp) -> str:
    return f"{'' if kind.has_zone else 'local-'}timestamp-{_PARTS[kind.unit]}"


def _default(kind: Logical, value: Any) -> Any:
    """A default as Avro writes it: the value under the logical type (Avro 1.12, section complex types, records)."""
    match kind:
        case Date():
            return (value - _EPOCH.date()).days
        case Timestamp(unit):
            return (value.replace(tzinfo=None) - _EPOCH) // _STEPS[_PARTS[unit]]
        case Time(unit):
            since = dt.datetime.combine(_EPOCH, value) - _EPOCH
            return since // _STEPS[_PARTS[unit]]
        case Decimal(_, scale):
            number = int(value.scaleb(scale or 0))
            return number.to_bytes((number.bit_length() // 8) + 1, "big", signed=True).decode("latin-1")
        case Uuid():
            return str(value)
        case _:
            return value
