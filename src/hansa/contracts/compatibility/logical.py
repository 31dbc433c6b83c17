"""Logical types of Avro: what the same bytes mean.

Readers apply their own logical type to the writer's bytes, or the writer's: implementations differ, and none refuses.
So every pair that does not mean the same is a difference: another unit (millis and micros), another scale of a decimal,
a zone that comes or goes, a number that becomes a date. Two pairs are harmless: a decimal that may have more digits at
the same scale, and a uuid that is read as the text that it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class LogicalType(NamedTuple):
    """A logical type; `precision` and `scale` are those of a decimal."""

    name: str
    base: str
    precision: int | None = None
    scale: int | None = None

    def __str__(self) -> str:
        return f"{self.name}({self.precision}, {self.scale})" if self.name == "decimal" else self.name


_BASES = {
    "decimal": ("bytes", "fixed"),
    "big-decimal": ("bytes",),
    "uuid": ("string", "fixed"),
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "timestamp-millis": ("long",),
    "timestamp-micros": ("long",),
    "timestamp-nanos": ("long",),
    "local-timestamp-millis": ("long",),
    "local-timestamp-micros": ("long",),
    "local-timestamp-nanos": ("long",),
    "duration": ("fixed",),
}
"""Where a logical type of the standard may stand; elsewhere it is ignored, as the standard says."""


def logical_type(schema: Any) -> LogicalType | None:
    """The logical type of an Avro schema; None where there is none, or one that does not fit its type.

    A name that the standard does not know counts: whoever wrote it means something by it.
    """
    name = schema.props.get("logicalType") or schema.other_props.get("logicalType")
    if not isinstance(name, str) or schema.type not in _BASES.get(name, (schema.type,)):
        return None
    if name != "decimal":
        return LogicalType(name, schema.type)
    precision = schema.props.get("precision") or schema.other_props.get("precision")
    scale = schema.props.get("scale") or schema.other_props.get("scale") or 0
    fits = isinstance(precision, int) and isinstance(scale, int) and 0 <= scale <= precision
    return LogicalType(name, schema.type, precision, scale) if fits else None


def difference(written: LogicalType | None, read: LogicalType | None) -> str | None:
    """Why data of one logical type does not mean the same to a reader of the other; None where it does."""
    if written == read:
        return None
    if written is None or read is None:
        is_text = written is not None and written.name == "uuid" and written.base == "string"
        return None if is_text else "a logical type comes or goes: the value is another thing"
    if written.name != read.name:
        return "another logical type reads the same bytes as another value"
    if written.scale != read.scale:
        return "another scale moves the decimal point"
    if (written.precision or 0) > (read.precision or 0):
        return "fewer digits are permitted than were written"
    return None
