"""The class of a contract's records: one mapping from ODCS to Python, used at run time and written down by `generate`.

    string str · integer int · number float (Decimal where decimal is asked for) · boolean bool · date date
    timestamp datetime · time time · object a nested record · array list · map dict · vector list[float]
    string with format uuid UUID

What ODCS limits (lengths, patterns, ranges, enumerations, time zones) stands in the annotations, so that msgspec
checks it. Limits of dates and times are rules (`quality.limits`), and so is `uniqueItems` (`quality.items`).
Required fields come first, then the optional ones, each in the contract's order: both can be given by position, and
an optional field added later breaks no call.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, cast
from uuid import UUID

import msgspec

from hansa.model.product import ContractSpec, FieldSpec
from hansa.sdk.ports import Record

CLOSED: Final = "closed"
"""An option of objects that no contract has: see `hansa.contracts.check`."""
_SIMPLE: Final[dict[str, Any]] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "date": date,
    "timestamp": datetime,
    "time": time,
    "vector": list[float],
}
_RANGE: Final = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}
_LENGTH: Final = {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"}
_ITEMS: Final = {"minItems": "min_length", "maxItems": "max_length"}
_LIMITS: Final = {"string": _LENGTH, "integer": _RANGE, "number": _RANGE, "array": _ITEMS}
_ROUND: Final[dict[str, Callable[[float], int]]] = {
    "ge": math.ceil,
    "lt": math.ceil,
    "gt": math.floor,
    "le": math.floor,
    "multiple_of": int,
}
_ZONED: Final = re.compile(r"tz\b|with(_local)?[ _]time[ _]zone", re.IGNORECASE)
_WIDTHS: Final = re.compile(r"([iu])(8|16|32)")
_TAKEN: Final = frozenset(
    [
        *("str", "int", "float", "bool", "list", "dict", "dt", "Decimal", "UUID"),
        *("Any", "Annotated", "Literal", "Meta", "field"),
    ]
)
_UNCHANGED: Final = frozenset({"news", "series", "species", "analytics"})


def record_type(name: str, contract: ContractSpec, *, closed: bool = False) -> type[Record]:
    """The class of the contract's records, as `generate_ports` writes it. A `closed` one takes no field that the
    contract does not have, and so do objects with the option `CLOSED` within it."""
    return struct_type(name, contract.fields, contract.description, closed=closed)


def struct_type(name: str, fields: Sequence[FieldSpec], description: str = "", *, closed: bool = False) -> type[Record]:
    """A record class with those fields; nested objects become classes of their own, named after owner and field."""
    made = msgspec.defstruct(
        name,
        [_member(name, field) for field in ordered(fields)],
        bases=(Record,),
        namespace={"__doc__": description or None},
        frozen=True,
        forbid_unknown_fields=closed,
    )
    return cast("type[Record]", made)


def _member(owner: str, field: FieldSpec) -> tuple[str, Any, Any]:
    options: dict[str, Any] = {} if must_be_given(field) else {"default": default_of(owner, field)}
    if python_name(field.name) != field.name:
        options["name"] = field.name
    return python_name(field.name), annotation_of(owner, field), msgspec.field(**options)


def ordered(fields: Sequence[FieldSpec]) -> list[FieldSpec]:
    """Fields that must be given first, then the others, each in the contract's order."""
    return sorted(fields, key=lambda field: not must_be_given(field))


def must_be_given(field: FieldSpec) -> bool:
    """Whether a record cannot leave the field out: it is required, and the contract has no default for it."""
    return field.required and "default" not in field.options


def default_of(owner: str, field: FieldSpec) -> Any:
    """The value of a record that leaves the field out. Raises `msgspec.ValidationError` where it is none of the
    field's."""
    if "default" not in field.options:
        return None
    return msgspec.convert(field.options["default"], annotation_of(owner, field))


def annotation_of(owner: str, field: FieldSpec) -> Any:
    """The type of a field of the class `owner`, optional ones with `None`."""
    annotation = value_type(owner, field)
    return annotation if field.required or annotation is Any else annotation | None


def value_type(owner: str, field: FieldSpec) -> Any:
    """The type of the values that are there, with what the contract limits."""
    values = field.options.get("enum")
    if values and all(isinstance(value, str | int) and not isinstance(value, bool) for value in values):
        return Literal[tuple(values)]
    annotation, limited = _plain_type(owner, field), limits(field)
    return (
        Annotated[annotation, msgspec.Meta(**limited)] if limited and annotation not in (Decimal, UUID) else annotation
    )


def nested(owner: str, field: FieldSpec) -> tuple[str, FieldSpec] | None:
    """The object within a field of the class `owner` (the field itself or its elements) and the name of its class."""
    if field.type == "object" and field.fields:
        return owner + class_name(field.name), field
    if field.type not in ("array", "map") or field.items is None:
        return None
    if field.items.type == "object" and field.items.fields:
        return owner + class_name(singular(field.name)), field.items
    return nested(owner, field.items)


def _plain_type(owner: str, field: FieldSpec) -> Any:
    if field.type == "array":
        return list[_inner_type(owner, field)]  # type: ignore[misc]
    if field.type == "map":
        key = int if field.keys is not None and field.keys.type == "integer" else str
        return dict[key, _inner_type(owner, field)]  # type: ignore[misc,valid-type]
    if field.type == "number" and is_decimal(field):
        return Decimal
    if is_uuid(field):
        return UUID
    return _object_type(owner, field) if field.type == "object" else _SIMPLE.get(field.type, Any)


def _inner_type(owner: str, field: FieldSpec) -> Any:
    """The type of an array's elements, or of a map's values."""
    if field.items is None:
        return Any
    return _object_type(owner, field) if field.items.type == "object" else value_type(owner, field.items)


def _object_type(owner: str, field: FieldSpec) -> Any:
    found = nested(owner, field)
    if found is None:
        return dict[str, Any]
    inner = found[1]
    return struct_type(found[0], inner.fields, inner.description, closed=inner.options.get(CLOSED, False))


def is_uuid(field: FieldSpec) -> bool:
    return field.type == "string" and str(field.options.get("format", "")).lower() == "uuid"


def is_decimal(field: FieldSpec) -> bool:
    """Whether exact numbers are asked for."""
    asked = f"{field.options.get('format', '')} {field.options.get('physicalType', '')}".lower()
    return "decimal" in asked or "numeric" in asked


def has_zone(field: FieldSpec) -> bool:
    """Whether values of a time or timestamp say their zone: as `timezone` of its logicalTypeOptions says, else where
    its physicalType is one with a zone. One that has a zone is refused where there is to be none, and the other way
    round: what was meant cannot be known."""
    asked = field.options.get("timezone")
    return asked if isinstance(asked, bool) else bool(_ZONED.search(str(field.options.get("physicalType", ""))))


def limits(field: FieldSpec) -> dict[str, Any]:
    """What msgspec can check of `logicalTypeOptions`, in its words."""
    options = field.options
    found = {ours: options[theirs] for theirs, ours in _LIMITS.get(field.type, {}).items() if theirs in options}
    if field.type == "integer":
        found = {name: _ROUND[name](value) for name, value in found.items()}
        for name, value in _width(str(options.get("format", ""))).items():
            found.setdefault(name, value)
    if field.type == "vector" and isinstance(size := options.get("dimensions"), int):
        found = {"min_length": size, "max_length": size}
    if field.type in ("timestamp", "time"):
        found["tz"] = has_zone(field)
    return _narrowest(found)


def _narrowest(limits: dict[str, Any]) -> dict[str, Any]:
    """One lower and one upper limit: msgspec takes either the inclusive or the exclusive one."""
    if "gt" in limits and "ge" in limits:
        del limits["ge" if limits["gt"] >= limits["ge"] else "gt"]
    if "lt" in limits and "le" in limits:
        del limits["le" if limits["lt"] <= limits["le"] else "lt"]
    return limits


def _width(text: str) -> dict[str, int]:
    """The range of an integer format such as `i32` or `u8` (ODCS names them as Rust does)."""
    match = _WIDTHS.fullmatch(text)
    if not match:
        return {"ge": 0} if text in ("u64", "u128") else {}
    bits = int(match[2])
    return {"ge": 0, "le": 2**bits - 1} if match[1] == "u" else {"ge": -(2 ** (bits - 1)), "le": 2 ** (bits - 1) - 1}


def python_name(name: str) -> str:
    """The field's name in Python: other signs become `_`; a keyword, a type's name or a digit in front is mended with
    one.

    A field called like a type would hide that type from the fields behind it.
    """
    text = re.sub(r"\W", "_", name)
    if keyword.iskeyword(text) or text in _TAKEN or text.startswith("__") or not text.strip("_"):
        return f"{text.strip('_')}_"
    return f"_{text}" if text[0].isdigit() else text


def class_name(name: str) -> str:
    """`departure_weather` as `DepartureWeather`."""
    words = re.split(r"[\W_]+", name)
    return "".join(word[:1].upper() + word[1:] for word in words if word)


def singular(name: str) -> str:
    """`departures` as `departure`, as far as rules can say."""
    if name in _UNCHANGED or not name.endswith("s") or name.endswith(("ss", "us", "is")):
        return name
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    return name[:-2] if name.endswith(("sses", "shes", "ches", "xes", "zes", "tuses")) else name[:-1]
