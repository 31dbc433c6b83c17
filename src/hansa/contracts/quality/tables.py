"""A contract's rules over a whole table: one fused aggregate, by Polars for a frame in memory, by DuckDB for a file.

What counts as bad, and what a bound means, is that of `rules`: verdicts do not depend on the engine. Over a table, each
rule is measured over all of it; uniqueness is that within the table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import reduce
from operator import and_, or_
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hansa.contracts.quality.items import ELEMENTS, VALUES, item_rules, steps_of
from hansa.contracts.quality.items import METRIC as ITEMS
from hansa.contracts.quality.limits import BROKEN, limit_rules
from hansa.contracts.quality.limits import METRIC as LIMITS
from hansa.contracts.quality.queries import answered
from hansa.contracts.quality.rules import listed_values, unique_fields, why_skipped
from hansa.contracts.quality.threshold import accepts
from hansa.errors import CallerError, OperatorError
from hansa.model.product import ContractSpec, RuleSpec
from hansa.model.run import CheckResult

if TYPE_CHECKING:
    import polars as pl

_READERS: Final = {
    ".parquet": "read_parquet", ".csv": "read_csv", ".json": "read_json", ".ndjson": "read_ndjson",
    ".jsonl": "read_ndjson",
}  # fmt: skip


_COMPARED_MAX: Final = 4


class _Measured(NamedTuple):
    rows: int
    counts: Sequence[int]


def check_frame(contract: ContractSpec, frame: pl.DataFrame) -> list[CheckResult]:
    """What each rule comes to over the frame. Raises `OperatorError("library.missing")`."""
    with _needed():
        import polars
    rules = table_rules(contract)
    found = frame.lazy().select(polars.len(), *(_polars(rule, contract, str(at)) for at, rule in enumerate(rules)))
    rows, *counts = found.collect().row(0)
    return _results(contract, rules, _Measured(rows, counts))


def check_file(contract: ContractSpec, path: Path) -> list[CheckResult]:
    """What each rule comes to over a Parquet, CSV, JSON or NDJSON file. Raises `CallerError` (`file.unknown_format`,
    `file.unreadable`), `OperatorError("library.missing")`."""
    with _needed():
        import duckdb
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        hint = f"It reads {', '.join(sorted(_READERS))}."
        raise CallerError("file.unknown_format", f"{path.name} is of no format that is read", hint=hint)
    rules, values = table_rules(contract), list[Any]()
    counts = ", ".join(["count(*)", *(_duckdb(rule, contract, values) for rule in rules)])
    try:
        with duckdb.connect() as db:
            if any(isinstance(value, datetime) for value in values):
                db.execute("SET TimeZone = 'UTC'")
            row = db.execute(f"SELECT {counts} FROM {reader}(?)", [*values, str(path)]).fetchone()
        answers = answered(contract, path, reader)
    except duckdb.Error as failure:
        told = str(failure).partition("\n")[0]
        raise CallerError("file.unreadable", f"{path.name} cannot be checked: {told}") from failure
    assert row is not None
    found = _results(contract, rules, _Measured(row[0], row[1:]))
    return [answers.get(result.rule, result) for result in found]


def table_rules(contract: ContractSpec) -> list[RuleSpec]:
    """The rules that are carried out over a table: those of the contract's library, and what `unique` says."""
    listed = [rule for rule in contract.rules if why_skipped(rule) is None]
    said = [
        RuleSpec(f"{field.name}.unique", field.name, "library", "duplicateValues", operator="mustBe", operands=(0,))
        for field in contract.fields
        if field.unique and all(unique_fields(rule) != (field.name,) for rule in listed if _counts_twice(rule))
    ]
    return [*listed, *said, *limit_rules(contract), *item_rules(contract)]


def _counts_twice(rule: RuleSpec) -> bool:
    return rule.metric == "duplicateValues"


def _results(contract: ContractSpec, rules: Sequence[RuleSpec], measured: _Measured) -> list[CheckResult]:
    found = [_result(contract, rule, measured.rows, bad) for rule, bad in zip(rules, measured.counts, strict=True)]
    told = [(rule.id, rule.path, reason) for rule in contract.rules if (reason := why_skipped(rule)) is not None]
    told += [(one.id, one.path, "it is about records of another port") for one in contract.references]
    return [*found, *(CheckResult("", rule, path, "skipped", note=reason) for rule, path, reason in told)]


def _result(contract: ContractSpec, rule: RuleSpec, rows: int, counted: int) -> CheckResult:
    value = counted if rule.unit == "rows" else 100 * counted / rows if rows else None
    action = rule.action or contract.on_violation
    is_kept = value is None or accepts(rule, value)
    state = "passed" if is_kept else "warning" if action == "warn" else "failed"
    return CheckResult("", rule.id, rule.path, state, rows, 0 if is_kept else counted, action, value)


def _polars(rule: RuleSpec, contract: ContractSpec, name: str) -> pl.Expr:
    import polars as pl

    if rule.metric == "rowCount":
        return pl.len().alias(name)
    if rule.metric == "duplicateValues":
        fields = [_column(path) for path in unique_fields(rule)]
        there = pl.all_horizontal(field.is_not_null() for field in fields)
        together = fields[0] if len(fields) == 1 else pl.struct(fields)
        return (there.sum() - together.filter(there).n_unique()).alias(name)
    if rule.metric == ITEMS:
        first, *steps = steps_of(rule.path)
        return _repeats(pl.col(first), steps).sum().alias(name)
    column = _column(rule.path)
    if rule.metric == "nullValues":
        return column.null_count().alias(name)
    if rule.metric == "missingValues":
        missing = listed_values(rule.arguments.get("missingValues", [None]), rule, contract)
        found = _is_among(column, missing).sum()
        return (found + column.null_count() if None in missing else found).alias(name)
    if rule.metric == LIMITS:
        return _is_beyond(column, rule).sum().alias(name)
    tests = []
    if "validValues" in rule.arguments:
        tests.append(_is_among(column, listed_values(rule.arguments["validValues"], rule, contract)))
    if "pattern" in rule.arguments:
        tests.append(column.cast(pl.String).str.contains(f"^(?:{rule.arguments['pattern']})$"))
    return (~reduce(and_, tests)).sum().alias(name)


def _repeats(column: pl.Expr, steps: Sequence[str]) -> pl.Expr:
    """Whether an array there has equal elements."""
    import polars as pl

    if not steps:
        return column.list.len() > column.list.n_unique()
    step, rest = steps[0], steps[1:]
    if step == ELEMENTS:
        return column.list.eval(_repeats(pl.element(), rest)).list.any()
    if step == VALUES:
        entries = column.to_physical()  # a list in every version of Polars; newer ones have a type for maps
        return entries.list.eval(_repeats(pl.element().struct.field("value"), rest)).list.any()
    return _repeats(column.struct.field(step), rest)


def _is_beyond(column: pl.Expr, rule: RuleSpec) -> pl.Expr:
    import polars as pl

    limits = [(BROKEN[name][1], limit) for name, limit in rule.arguments.items()]
    if any(isinstance(limit, datetime) for _, limit in limits):
        column = column.cast(pl.Datetime("us", "UTC"))
    found: pl.Expr = reduce(or_, [breaks(column, limit) for breaks, limit in limits])
    return found


def _is_among(column: pl.Expr, listed: Collection[Any]) -> pl.Expr:
    """Null for a null. A few comparisons take less than one search."""
    values = [value for value in listed if value is not None]
    if 0 < len(values) <= _COMPARED_MAX:
        found: pl.Expr = reduce(or_, [column == value for value in values])
        return found
    return column.is_in(values)


def _column(path: str) -> pl.Expr:
    import polars as pl

    first, *rest = path.split(".")
    found = pl.col(first)
    for name in rest:
        found = found.struct.field(name)
    return found


def _duckdb(rule: RuleSpec, contract: ContractSpec, values: list[Any]) -> str:
    """The SQL that counts; what it compares with goes into `values`, in the order of the places for it."""
    if rule.metric == "rowCount":
        return "count(*)"
    if rule.metric == "duplicateValues":
        fields = [_quoted(path) for path in unique_fields(rule)]
        there = " AND ".join(f"{field} IS NOT NULL" for field in fields)
        return f"count(*) FILTER ({there}) - count(DISTINCT ({', '.join(fields)})) FILTER ({there})"
    if rule.metric == "nullValues":
        return f"count(*) - count({_quoted(rule.path)})"
    return f"count(*) FILTER ({_bad(rule, contract, values)})"


def _bad(rule: RuleSpec, contract: ContractSpec, values: list[Any]) -> str:
    if rule.metric == ITEMS:
        first, *steps = steps_of(rule.path)
        return _repeated(f"CAST({_quoted(first)} AS JSON)", steps)
    column = _quoted(rule.path)
    if rule.metric == "missingValues":
        missing = listed_values(rule.arguments.get("missingValues", [None]), rule, contract)
        return f"{_among(column, missing, values)}" + (f" OR {column} IS NULL" if None in missing else "")
    if rule.metric == LIMITS:
        values += rule.arguments.values()
        return " OR ".join(_beyond(column, name, limit) for name, limit in rule.arguments.items())
    tests = []
    if "validValues" in rule.arguments:
        tests.append(_among(column, listed_values(rule.arguments["validValues"], rule, contract), values))
    if "pattern" in rule.arguments:
        tests.append(f"regexp_full_match(CAST({column} AS VARCHAR), ?)")
        values.append(str(rule.arguments["pattern"]))
    return f"{column} IS NOT NULL AND NOT ({' AND '.join(tests)})"


def _among(column: str, listed: Any, values: list[Any]) -> str:
    """A text is searched once for each entry of a column's dictionary, where `IN` joins all rows with the list."""
    known = [value for value in listed if value is not None]
    values += known
    places = ", ".join("?" * len(known))
    if known and all(isinstance(value, str) for value in known):
        return f"list_contains([{places}], CAST({column} AS VARCHAR))"
    return f"{column} IN ({places})" if known else "false"


def _repeated(value: str, steps: Sequence[str]) -> str:
    """Whether an array there has equal elements; `value` is JSON, for so all files can say arrays and maps."""
    if not steps:
        listed = f"CAST({value} AS JSON[])"
        texts = f"list_transform({listed}, lambda element: coalesce(CAST(element AS VARCHAR), 'null'))"
        return f"coalesce(len({listed}) > list_unique({texts}), false)"
    step, rest = steps[0], steps[1:]
    if step in (ELEMENTS, VALUES):
        inner = f"inner_{len(rest)}"
        listed = f"CAST({value} AS JSON[])" if step == ELEMENTS else f"map_values(CAST({value} AS MAP(VARCHAR, JSON)))"
        return f"coalesce(list_bool_or(list_transform({listed}, lambda {inner}: {_repeated(inner, rest)})), false)"
    pointer = step.replace("~", "~0").replace("/", "~1").replace("'", "''")
    return _repeated(f"json_extract({value}, '/{pointer}')", rest)


def _beyond(column: str, name: str, limit: Any) -> str:
    kind = "TIMESTAMPTZ" if isinstance(limit, datetime) else "DATE" if isinstance(limit, date) else "TIME"
    return f"CAST({column} AS {kind}) {BROKEN[name][0]} CAST(? AS {kind})"


def _quoted(path: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in path.split("."))


@contextmanager
def _needed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as failure:
        raise OperatorError(
            "library.missing", f"The library {failure.name} is not installed",
            hint="Install it with: pip install 'hansa[quality]'.",
        ) from failure  # fmt: skip
