"""The one table of types that every format is derived from.

Each format matches over these classes and ends in `assert_never`: a type added here is decided in every format, or
the type checker says where it is not. What is no type but a limit (lengths, ranges, patterns, values of integers)
stands in `limits`, under its JSON Schema name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hansa.errors import AuthorError

Unit: TypeAlias = Literal["s", "ms", "us"]
Limits: TypeAlias = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Text:
    limits: Limits = ()


@dataclass(frozen=True, slots=True)
class Uuid:
    pass


@dataclass(frozen=True, slots=True)
class Boolean:
    pass


@dataclass(frozen=True, slots=True)
class Date:
    pass


@dataclass(frozen=True, slots=True)
class Integer:
    """Whole numbers of `bits` 8, 16, 32 or 64."""

    bits: int = 64
    is_signed: bool = True
    limits: Limits = ()

    @property
    def minimum(self) -> int:
        return -(2 ** (self.bits - 1)) if self.is_signed else 0

    @property
    def maximum(self) -> int:
        return int(2 ** (self.bits - self.is_signed)) - 1


@dataclass(frozen=True, slots=True)
class Real:
    """IEEE 754 binary numbers of `bits` 32 or 64. A value for 32 bits is rounded to the nearest one it has."""

    bits: int = 64
    limits: Limits = ()


@dataclass(frozen=True, slots=True)
class Decimal:
    """Exact numbers of at most `precision` digits, `scale` of them behind the point; any number where both are None."""

    precision: int | None = None
    scale: int | None = None


@dataclass(frozen=True, slots=True)
class Enumeration:
    """One of some texts. `name` is unique within a record."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day."""

    unit: Unit = "us"
    has_zone: bool = False


@dataclass(frozen=True, slots=True)
class Timestamp:
    """With a zone an instant, kept in UTC; without one what a calendar and a clock on the wall say."""

    unit: Unit = "us"
    has_zone: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """Values in order, none of them null; exactly `size` of them where that is given."""

    item: Logical
    size: int | None = None
    limits: Limits = ()


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys are texts or integers; no value is null."""

    key: Text | Integer
    value: Logical


@dataclass(frozen=True, slots=True)
class Field:
    """One member. Without `is_required` its value may be null; a record may leave it out where that is so, or where
    there is a default (`has_default`)."""

    name: str
    type: Logical
    is_required: bool = False
    description: str = ""
    has_default: bool = False
    default: Any = None
    is_personal: bool = False


@dataclass(frozen=True, slots=True)
class Struct:
    """A record or an object within it. `name` is unique within the record."""

    name: str
    fields: tuple[Field, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Anything:
    """What a contract says nothing about; `what` are the words for it."""

    what: str


Logical: TypeAlias = (
    Text
    | Uuid
    | Boolean
    | Date
    | Integer
    | Real
    | Decimal
    | Enumeration
    | Time
    | Timestamp
    | Sequence
    | Mapping
    | Struct
    | Anything
)


def unrepresentable(form: str, path: str, message: str, hint: str) -> AuthorError:
    """What a format cannot carry, or no format can. `path` leads to the field, `a.b[]{}` through lists and maps."""
    return AuthorError(
        "schema.unrepresentable",
        f"{path or 'The record'}: {form} {message}",
        hint=hint,
        details={"format": form, "path": path},
    )


def spell(kind: Logical) -> str:
    """A type in words, for people and for what a schema can only note: `decimal(10, 2)`, `timestamp(us, zone)`."""
    match kind:
        case Integer(bits, is_signed):
            return f"{'i' if is_signed else 'u'}{bits}"
        case Real(bits):
            return f"f{bits}"
        case Decimal(precision, scale):
            return "decimal" if precision is None else f"decimal({precision}, {scale})"
        case Time(unit, has_zone) | Timestamp(unit, has_zone):
            return f"{type(kind).__name__.lower()}({unit}{', zone' if has_zone else ''})"
        case Enumeration():
            return "enum"
        case Sequence(item, size):
            return f"list({spell(item)})" if size is None else f"vector({spell(item)}, {size})"
        case Mapping(key, value):
            return f"map({spell(key)}, {spell(value)})"
        case _:
            return {"Text": "string", "Anything": "any"}.get(type(kind).__name__, type(kind).__name__.lower())
