"""Fields from a Python type: a dataclass, a `msgspec.Struct`, a `TypedDict`, whatever msgspec knows as a record.

Limits of `msgspec.Meta` become those of the contract; a field that takes None is not required; a default that JSON can
say becomes the contract's. The values of a Literal
and the members of a TypedDict stand in the order of the alphabet, which is how msgspec tells them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import inspect

from hansa.contracts.scaffold.draft import Draft, Trail, unreadable
from hansa.model.product import FieldSpec

_Record: TypeAlias = inspect.StructType | inspect.DataclassType | inspect.TypedDictType
_LISTS: Final = (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType, inspect.CollectionType)
_RANGE: Final = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_LENGTH: Final = {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"}
_ITEMS: Final = {"min_length": "minItems", "max_length": "maxItems"}


def read(kind: type[Any]) -> Draft:
    """Raises `AuthorError`: `source.unreadable` where the type is no record, `schema.recursive`."""
    try:
        found = inspect.type_info(kind)
    except (TypeError, NameError) as failure:
        raise unreadable(str(kind), str(failure), "Give types that msgspec knows, all importable.") from failure
    if not isinstance(found, _Record):
        raise unreadable(str(kind), "it is no record", "Give a dataclass, a msgspec.Struct or a TypedDict.")
    trail = Trail()
    fields = _members(found, trail)
    return Draft(kind.__name__, fields, _docstring(kind), tuple(trail.notes))


def _members(kind: _Record, trail: Trail) -> tuple[FieldSpec, ...]:
    inner = trail.within(kind.cls.__name__)
    return tuple(_member(field, inner.at(field.encode_name)) for field in kind.fields)


def _member(field: inspect.Field, trail: Trail) -> FieldSpec:
    found = _field(field.encode_name, field.type, trail)
    is_nullable = _is_nullable(field.type)
    default = field.default if field.default is not msgspec.NODEFAULT else None
    options = found.options
    if default is not None and found.type not in ("array", "map", "object", "any"):
        options = {**options, "default": msgspec.to_builtins(default)}
    has_default = field.default is not msgspec.NODEFAULT or field.default_factory is not msgspec.NODEFAULT
    is_always_there = field.required or has_default
    return replace(found, required=is_always_there and not is_nullable, options=options)


def _is_nullable(kind: inspect.Type) -> bool:
    kind = kind.type if isinstance(kind, inspect.Metadata) else kind
    if isinstance(kind, inspect.UnionType):
        return any(isinstance(one, inspect.NoneType) for one in kind.types)
    return isinstance(kind, inspect.NoneType | inspect.AnyType)


def _field(name: str, kind: inspect.Type, trail: Trail) -> FieldSpec:
    match kind:
        case inspect.Metadata(type=inner):
            description = (kind.extra_json_schema or {}).get("description", "")
            return replace(_field(name, inner, trail), description=description)
        case inspect.UnionType(types=types):
            others = [one for one in types if not isinstance(one, inspect.NoneType)]
            return (
                _field(name, others[0], trail) if len(others) == 1 else trail.open(name, "it is one of several types")
            )
        case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType():
            return FieldSpec(name, "object", description=_docstring(kind.cls), fields=_members(kind, trail))
        case inspect.DictType(key_type=key, value_type=value):
            keys = _field("key", key, trail)
            return FieldSpec(name, "map", items=_field("value", value, trail.at("{}")), keys=keys)
        case inspect.EnumType(cls=cls):
            return _enumerated(name, [member.value for member in cls], trail)
        case inspect.LiteralType(values=values):
            return _enumerated(name, list(values), trail)
        case _ if isinstance(kind, _LISTS):
            options = {**_limits(kind, _ITEMS), **_unique(kind)}
            return FieldSpec(name, "array", items=_field(name, kind.item_type, trail.at("[]")), options=options)
        case _:
            return _single(name, kind, trail)


def _single(name: str, kind: inspect.Type, trail: Trail) -> FieldSpec:
    match kind:
        case inspect.StrType():
            return FieldSpec(name, "string", options=_limits(kind, _LENGTH))
        case inspect.BoolType():
            return FieldSpec(name, "boolean")
        case inspect.IntType():
            return FieldSpec(name, "integer", options=_limits(kind, {**_RANGE, "multiple_of": "multipleOf"}))
        case inspect.FloatType():
            return FieldSpec(name, "number", options=_limits(kind, {**_RANGE, "multiple_of": "multipleOf"}))
        case inspect.DecimalType():
            trail.notes.append(f"{trail.path}: give its precision and scale, physicalType decimal(p, s)")
            return FieldSpec(name, "number", options={"physicalType": "decimal"})
        case inspect.UUIDType():
            return FieldSpec(name, "string", options={"format": "uuid"})
        case inspect.DateType():
            return FieldSpec(name, "date")
        case inspect.TimeType(tz=tz) | inspect.DateTimeType(tz=tz):
            word = "time" if isinstance(kind, inspect.TimeType) else "timestamp"
            if tz is None:
                trail.notes.append(f"{trail.path}: say with 'timezone' whether it has a zone; here it has none")
            return FieldSpec(name, word, options={"timezone": bool(tz)})
        case inspect.BytesType() | inspect.ByteArrayType():
            return FieldSpec(name, "string", options={"format": "byte"})
        case _:
            return trail.open(name, f"{type(kind).__name__.removesuffix('Type')} has no type in ODCS")


def _enumerated(name: str, values: list[Any], trail: Trail) -> FieldSpec:
    values = [value for value in values if value is not None]
    if all(isinstance(value, str) for value in values):
        return FieldSpec(name, "string", options={"enum": values})
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return FieldSpec(name, "integer", options={"enum": values})
    return trail.open(name, "its values are of several types")


def _limits(kind: inspect.Type, names: dict[str, str]) -> dict[str, Any]:
    return {theirs: value for ours, theirs in names.items() if (value := getattr(kind, ours, None)) is not None}


def _unique(kind: inspect.Type) -> dict[str, Any]:
    return {"uniqueItems": True} if isinstance(kind, inspect.SetType | inspect.FrozenSetType) else {}


def _docstring(kind: Any) -> str:
    """The type's own words; those that `dataclass` makes up say nothing."""
    text = " ".join((kind.__dict__.get("__doc__") or "").split())
    return "" if text.startswith(f"{kind.__name__}(") else text
