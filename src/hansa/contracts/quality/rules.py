"""A contract's rules, compiled: what can be decided of each record, of a batch, and over all that was ever published.

Rules work on columns: the values of one field in a batch, in its order. A null is no invalid value (only `nullValues`
and `missingValues` count it) and no duplicate. Of duplicates, each behind the first counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final

import msgspec

from hansa.contracts.quality.items import METRIC as ITEMS
from hansa.contracts.quality.items import item_rules, repeating
from hansa.contracts.quality.limits import BROKEN, comparable, limit_rules
from hansa.contracts.quality.limits import METRIC as LIMITS
from hansa.contracts.quality.threshold import allows_none, wanted
from hansa.contracts.types import python_name, value_type
from hansa.model.product import ContractSpec, FieldSpec, OnViolation, ReferenceSpec, RuleSpec
from hansa.sdk.encode import key_text

Column = Callable[[list[Any]], list[Any]]
Scan = Callable[[list[Any]], list[int]]
_UNHASHABLE: Final = frozenset({"array", "map", "object", "vector", "any"})
_OF_SCHEMA: Final = {LIMITS: "field.range", ITEMS: "field.items"}
"""The codes of violations of the schema."""
_MESSAGES: Final = {
    "nullValues": "is null",
    "missingValues": "counts as missing",
    "invalidValues": "is not a valid value",
    "duplicateValues": "is there already",
}


@dataclass(frozen=True, slots=True)
class RowRule:
    """Bad are the records at the indexes that `scan` gives for the values of the rule's field."""

    spec: RuleSpec
    action: OnViolation
    column: Column
    scan: Scan

    @property
    def code(self) -> str:
        """What its violations are called."""
        return _OF_SCHEMA.get(self.spec.metric) or f"rule.{self.spec.metric}"

    @property
    def message(self) -> str:
        return self.spec.description or f"{self.spec.path} {_MESSAGES[self.spec.metric]}"


@dataclass(frozen=True, slots=True)
class BatchRule:
    """A batch is bad where what `count` counts among the values is not what the contract wants."""

    spec: RuleSpec
    action: OnViolation
    column: Column
    count: Callable[[list[Any]], int]

    def measured(self, values: list[Any]) -> float | None:
        """Rows or percent; None for a percentage of nothing."""
        if self.spec.unit == "rows":
            return self.count(values)
        return 100 * self.count(values) / len(values) if values else None

    def message(self, measured: float) -> str:
        unit = " percent" if self.spec.unit == "percent" else ""
        text = f"{self.spec.metric} is {measured:g}{unit}, {wanted(self.spec)}"
        return f"{text}: {self.spec.description}" if self.spec.description else text


@dataclass(frozen=True, slots=True)
class UniqueRule:
    """The values of `fields` together belong to one record, or, where `is_keyed`, to the records of one key."""

    id: str
    fields: tuple[str, ...]
    action: OnViolation
    column: Column
    is_keyed: bool

    @property
    def path(self) -> str:
        return ", ".join(self.fields)


@dataclass(frozen=True, slots=True)
class ReferenceRule:
    """The values of `spec.fields` name a record of the port `spec.port` by its key: `keys` gives it as the log has it,
    None where one of the values is null."""

    spec: ReferenceSpec
    action: OnViolation
    keys: Callable[[list[Any]], list[str | None]]


@dataclass(frozen=True, slots=True)
class SkippedRule:
    """A rule that is kept and told, and not carried out: why."""

    spec: RuleSpec
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of one contract version."""

    rows: tuple[RowRule, ...] = ()
    batch: tuple[BatchRule, ...] = ()
    unique: tuple[UniqueRule, ...] = ()
    references: tuple[ReferenceRule, ...] = ()
    skipped: tuple[SkippedRule, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rows or self.batch or self.unique or self.references or self.skipped)


def compile_rules(contract: ContractSpec) -> Rules:
    """Compiles what `read_rules` has read and checked."""
    rows = [RowRule(spec, spec.action or "refuse", repeating(spec.path), _those) for spec in item_rules(contract)]
    batch: list[BatchRule] = []
    unique = [rule for rule in _from_schema(contract) if not _is_key(rule.fields, contract)]
    skipped: list[SkippedRule] = []
    for spec in (*contract.rules, *limit_rules(contract)):
        action = spec.action or contract.on_violation
        if (reason := why_skipped(spec)) is not None:
            skipped.append(SkippedRule(spec, reason))
        elif spec.metric == "duplicateValues" and allows_none(spec):
            fields = unique_fields(spec)
            if not _is_key(fields, contract) and all(rule.fields != fields for rule in unique):
                unique.append(_unique(spec.id, fields, contract, action))
        elif spec.metric in _SCANS and allows_none(spec):
            rows.append(RowRule(spec, action, column_of([spec.path]), _SCANS[spec.metric](spec, contract)))
        else:
            batch.append(BatchRule(spec, action, *_counted(spec, contract)))
    references = tuple(
        ReferenceRule(one, one.action or contract.on_violation, _keys_of(column_of(one.fields), len(one.fields) > 1))
        for one in contract.references
    )
    return Rules(tuple(rows), tuple(batch), tuple(unique), references, tuple(skipped))


def _keys_of(column: Column, is_composite: bool) -> Callable[[list[Any]], list[str | None]]:
    def keys(records: list[Any]) -> list[str | None]:
        values = column(records)
        return [None if v is None else key_text(v if is_composite else (v,)) for v in values]

    return keys


def why_skipped(spec: RuleSpec) -> str | None:
    """Why a rule is not carried out, None where it is."""
    if not spec.operator and spec.kind in ("library", "sql"):
        return "it says no mustBe…"
    if spec.kind == "library":
        return None
    return {
        "text": "it is a text for people",
        "sql": "its SQL is over a whole table: `hansa contract check` carries it out over a file",
        "custom": f"it is for another engine ({spec.arguments.get('engine', '')})",
    }[spec.kind]


def _from_schema(contract: ContractSpec) -> list[UniqueRule]:
    """What `unique` and the primary key say."""
    action = contract.on_violation
    found = [_unique(f"{f.name}.unique", (f.name,), contract, action) for f in contract.fields if f.unique]
    primary = primary_key(contract)
    if primary and all(rule.fields != primary for rule in found):
        found.append(_unique("primaryKey", primary, contract, action))
    return found


def primary_key(contract: ContractSpec) -> tuple[str, ...]:
    """The names of the primary key's fields, in its order."""
    keyed = [(f.primary_key_position, f.name) for f in contract.fields if f.primary_key_position is not None]
    return tuple(name for _, name in sorted(keyed, key=lambda pair: pair[0]))


def unique_fields(spec: RuleSpec) -> tuple[str, ...]:
    """The fields whose values `duplicateValues` counts together."""
    return (spec.path,) if spec.path else tuple(spec.arguments.get("properties", ()))


def _is_key(fields: Sequence[str], contract: ContractSpec) -> bool:
    """Records of one key are states of one thing: that there is one thing for each key holds by itself."""
    return set(fields) == set(contract.key)


def _unique(rule: str, fields: tuple[str, ...], contract: ContractSpec, action: OnViolation) -> UniqueRule:
    primary = primary_key(contract)
    is_keyed = bool(contract.key) and (not primary or _is_key(primary, contract))
    return UniqueRule(rule, fields, action, column_of(fields), is_keyed)


def column_of(paths: Sequence[str]) -> Column:
    """Gives the values at a dotted path; of several paths tuples, None where one of them is null."""
    getters = [_getter(path) for path in paths]
    if len(getters) == 1:
        get = getters[0]
        return lambda records: list(map(get, records))
    return lambda records: [
        None if None in values else values for values in zip(*(map(get, records) for get in getters), strict=True)
    ]


def _getter(path: str) -> Callable[[Any], Any]:
    names = [python_name(name) for name in path.split(".")]
    if len(names) == 1:
        return attrgetter(names[0])

    def get(record: Any) -> Any:
        for name in names:
            record = None if record is None else getattr(record, name)
        return record

    return get


def _those(values: list[Any]) -> list[int]:
    return [at for at, value in enumerate(values) if value is not None]


def _nulls(_: RuleSpec, __: ContractSpec) -> Scan:
    return lambda values: [at for at, value in enumerate(values) if value is None]


def _missing(spec: RuleSpec, contract: ContractSpec) -> Scan:
    missing = listed_values(spec.arguments.get("missingValues", [None]), spec, contract)
    return lambda values: [at for at, value in enumerate(values) if value in missing]


def _invalid(spec: RuleSpec, contract: ContractSpec) -> Scan:
    arguments = spec.arguments
    valid = listed_values(arguments["validValues"], spec, contract) if "validValues" in arguments else None
    if "pattern" not in arguments:
        return lambda values: [at for at, v in enumerate(values) if v is not None and v not in (valid or ())]
    match = re.compile(str(arguments["pattern"])).fullmatch
    if valid is None:
        return lambda values: [at for at, v in enumerate(values) if v is not None and match(str(v)) is None]
    return lambda values: [
        at for at, v in enumerate(values) if v is not None and (match(str(v)) is None or v not in valid)
    ]


def _limits(spec: RuleSpec, _: ContractSpec) -> Scan:
    limits = [(BROKEN[name][1], limit) for name, limit in spec.arguments.items()]
    return lambda values: [
        at
        for at, value in enumerate(values)
        if value is not None and any(breaks(comparable(value), limit) for breaks, limit in limits)
    ]


_SCANS: Final[dict[str, Callable[[RuleSpec, ContractSpec], Scan]]] = {
    "nullValues": _nulls,
    "missingValues": _missing,
    "invalidValues": _invalid,
    LIMITS: _limits,
}


def listed_values(listed: Iterable[Any], spec: RuleSpec, contract: ContractSpec) -> Collection[Any]:
    """The values that a rule lists, read as values of its field."""
    field = field_at(contract.fields, spec.path.split("."))
    values = [_converted(value, value_type("", field)) for value in listed]
    return values if field.type in _UNHASHABLE else frozenset(values)


def _converted(value: Any, kind: Any) -> Any:
    try:
        return value if value is None else msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:  # a record never holds it
        return str(value)


def field_at(fields: Sequence[FieldSpec], names: Sequence[str]) -> FieldSpec:
    """The field at a path through objects."""
    found = next(field for field in fields if field.name == names[0])
    return found if len(names) == 1 else field_at(found.fields, names[1:])


def _counted(spec: RuleSpec, contract: ContractSpec) -> tuple[Column, Callable[[list[Any]], int]]:
    if spec.metric == "rowCount":
        return (lambda records: records), len
    if spec.metric == "duplicateValues":
        return column_of(unique_fields(spec)), duplicates
    scan = _SCANS[spec.metric](spec, contract)
    return column_of([spec.path]), lambda values: len(scan(values))


def duplicates(values: list[Any]) -> int:
    """How many values were there before, nulls left out."""
    seen = [repr(value) for value in values if value is not None]
    return len(seen) - len(set(seen))


_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def digest_of(port: str, rule: str, value: Any) -> str:
    """What stands for a value that must be unique in the log: it is not told from this."""
    return blake2b(_encode(value), digest_size=16, key=blake2b(f"{port}/{rule}".encode()).digest()).hexdigest()
