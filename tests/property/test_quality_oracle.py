"""Quality rules against a naive reading of the standard: one record, one rule, one loop at a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema_rs
import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.contracts.check import Validator, hidden_fields
from hansa.contracts.quality.judge import Judge, Verdict
from hansa.contracts.quality.rules import compile_rules
from hansa.contracts.quality.tables import check_file, check_frame
from hansa.contracts.schemas import json_schema
from hansa.contracts.schemas.contract import record_of
from hansa.model.product import (
    ContractSpec,
    FieldSpec,
    OnViolation,
    OutputPortSpec,
    PortKind,
    ReferenceSpec,
    RuleSpec,
)
from hansa.sdk.encode import key_text

FIELDS = (
    FieldSpec("id", "integer", True),
    FieldSpec("kind", "string"),
    FieldSpec("code", "string", unique=True),
    FieldSpec("n", "integer"),
)
OPERATORS: dict[str, Callable[..., bool]] = {
    "mustBe": lambda v, a: v == a, "mustNotBe": lambda v, a: v != a, "mustBeGreaterThan": lambda v, a: v > a,
    "mustBeGreaterOrEqualTo": lambda v, a: v >= a, "mustBeLessThan": lambda v, a: v < a,
    "mustBeLessOrEqualTo": lambda v, a: v <= a, "mustBeBetween": lambda v, a, b: a <= v <= b,
    "mustNotBeBetween": lambda v, a, b: not a <= v <= b,
}  # fmt: skip
ROWS = st.lists(
    st.fixed_dictionaries({
        "id": st.integers(0, 3), "kind": st.sampled_from([None, "", "a", "b", "c"]),
        "code": st.sampled_from([None, "x", "y", "z"]), "n": st.sampled_from([None, -1, 0, 1, 10]),
    }),
    max_size=8,
)  # fmt: skip


@st.composite
def rules(draw: st.DrawFn) -> RuleSpec:
    path = draw(st.sampled_from(["kind", "n"]))
    metric = draw(st.sampled_from(["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"]))
    operator = draw(st.sampled_from(sorted(OPERATORS)))
    operands = sorted(draw(st.lists(st.integers(0, 4), min_size=2, max_size=2)))
    values = st.lists(st.sampled_from([None, "", "a", "b"] if path == "kind" else [None, -1, 0, 1]), min_size=1)
    arguments = {
        "missingValues": lambda: {"missingValues": draw(values)},
        "invalidValues": lambda: draw(st.sampled_from([{"pattern": "[ab]|1"}, {"validValues": draw(values)}])),
    }.get(metric, dict)()
    unit = "rows" if metric == "rowCount" else draw(st.sampled_from(["rows", "percent"]))
    return RuleSpec(
        "r", "" if metric == "rowCount" else path, "library", metric, arguments, operator,
        tuple(operands) if operator.endswith("Between") else (operands[0],), unit,
    )  # fmt: skip


def port(*specs: RuleSpec, action: OnViolation = "quarantine", **more: Any) -> OutputPortSpec:
    contract = ContractSpec("w", "1.0.0", FIELDS, rules=specs, on_violation=action, **more)
    return OutputPortSpec("shop.a/wares@1", "wares", "1.0.0", PortKind.STREAM, contract)


class Store:
    """A port with what stands in the log of values that must be unique."""

    def __init__(self, port: OutputPortSpec) -> None:
        self.encoder = Validator(port).encoder
        self.judge = Judge(port, compile_rules(port.contract), self.encoder.key, hidden_fields(port.contract))
        self.taken: dict[tuple[str, str], str] = {}
        self.keys: set[str] = set()

    def decide(self, rows: list[dict[str, Any]]) -> Verdict:
        records, broken = self.encoder.check(rows)
        return self.judge.decide(records, broken, self)

    def owners(self, rule: str, digests: list[str]) -> dict[str, str]:
        return {digest: self.taken[rule, digest] for digest in digests if (rule, digest) in self.taken}

    def absent(self, reference: ReferenceSpec, keys: list[str]) -> set[str]:
        return set(keys) - self.keys

    def commit(self, verdict: Verdict) -> None:
        for rule, digest, owner in verdict.claims:
            assert (rule, digest) not in self.taken
            self.taken[rule, digest] = owner


def is_bad(rule: RuleSpec, value: Any) -> bool:
    if rule.metric == "nullValues":
        return value is None
    if rule.metric == "missingValues":
        return any(value == one and type(value) is type(one) for one in rule.arguments["missingValues"])
    if value is None:
        return False
    if "pattern" in rule.arguments:
        return re.fullmatch(rule.arguments["pattern"], str(value)) is None
    return value not in rule.arguments["validValues"]


def counted(rule: RuleSpec, rows: list[dict[str, Any]]) -> float | None:
    """What the standard measures; None for a percentage of nothing."""
    values = [row.get(rule.path) for row in rows]
    if rule.metric == "rowCount":
        return len(rows)
    if rule.metric == "duplicateValues":
        seen = [value for value in values if value is not None]
        found = len(seen) - len(set(seen))
    else:
        found = sum(is_bad(rule, value) for value in values)
    if rule.unit == "rows":
        return found
    return 100 * found / len(rows) if rows else None


@given(rules(), ROWS)
def test_a_rule_holds_where_the_standard_says_so(rule: RuleSpec, rows: list[dict[str, Any]]) -> None:
    plain = tuple(replace(field, unique=False) for field in FIELDS)
    spec = port(rule, action="warn")
    spec = replace(spec, contract=replace(spec.contract, fields=plain))
    [result] = [one for one in Store(spec).decide(rows).results if one.rule == "r"]
    measured = counted(rule, rows)
    holds = measured is None or OPERATORS[rule.operator](measured, *rule.operands)
    assert result.state == ("passed" if holds else "warning")


@settings(deadline=None, max_examples=60)
@given(rules(), ROWS)
def test_engines_agree_over_a_table(rule: RuleSpec, rows: list[dict[str, Any]]) -> None:
    contract = replace(port(rule).contract, fields=tuple(replace(field, unique=False) for field in FIELDS))
    types = {"id": pl.Int64, "kind": pl.String, "code": pl.String, "n": pl.Int64}
    frame = pl.DataFrame(rows, schema=types)
    measured = counted(rule, rows)
    holds = measured is None or OPERATORS[rule.operator](measured, *rule.operands)
    [of_frame] = check_frame(contract, frame)
    assert (of_frame.state == "passed", of_frame.measured) == (holds, measured)
    with TemporaryDirectory() as folder:
        frame.write_parquet(path := Path(folder) / "rows.parquet")
        assert check_file(contract, path) == [of_frame]


@given(ROWS)
def test_good_and_bad_records_are_told_apart(rows: list[dict[str, Any]]) -> None:
    rule = RuleSpec("r", "kind", "library", "invalidValues", {"validValues": ["a", "b"]}, "mustBe", (0,))
    plain = tuple(replace(field, unique=False) for field in FIELDS)
    spec = port(rule)
    verdict = Store(replace(spec, contract=replace(spec.contract, fields=plain))).decide(rows)
    bad = {at for at, row in enumerate(rows) if row["kind"] not in (None, "a", "b")}
    assert (set(verdict.aside), verdict.kept) == (bad, [at for at in range(len(rows)) if at not in bad])


@given(st.lists(st.tuples(ROWS, st.booleans()), max_size=6))
def test_a_value_is_published_once_whatever_is_lost_on_the_way(
    batches: list[tuple[list[dict[str, Any]], bool]],
) -> None:
    """Batches whose commit is lost are worked again, as after a kill: nothing is lost, nothing is there twice."""
    store, published, aside = Store(port()), [], []
    for rows, is_lost in batches:
        verdict = store.decide(rows)
        if is_lost:
            verdict = store.decide(rows)
        store.commit(verdict)
        published += [rows[at]["code"] for at in verdict.kept if rows[at]["code"] is not None]
        aside += [rows[at]["code"] for at in verdict.aside]
    assert len(published) == len(set(published))
    everything = [row["code"] for rows, _ in batches for row in rows if row["code"] is not None]
    assert sorted(published + aside) == sorted(everything)
    assert set(published) == set(everything)


@given(ROWS)
def test_states_of_one_key_keep_its_value(rows: list[dict[str, Any]]) -> None:
    store, owner = Store(port(key=("id",))), dict[str, int]()
    verdict = store.decide(rows)
    for at, row in enumerate(rows):
        is_free = row["code"] is None or owner.setdefault(row["code"], row["id"]) == row["id"]
        assert (at in verdict.kept) == is_free


PEOPLE = st.lists(
    st.fixed_dictionaries({
        "id": st.integers(0, 6), "n": st.sampled_from([None, *range(8)]),
        "code": st.sampled_from([None, "x", "y", "z"]),
    }),
    max_size=8,
)  # fmt: skip
BOSS = ReferenceSpec("boss", ("n",), ("id",), "", "shop.a/wares@1")


@given(st.lists(PEOPLE, max_size=4))
def test_no_record_is_published_that_refers_to_none(batches: list[list[dict[str, Any]]]) -> None:
    """Records refer to each other, in their batch and before. Those that are published have their values; where nobody
    contends for one, all are published that can be."""
    store, codes = Store(port(references=(BOSS,), key=("id",))), set[str]()
    for rows in batches:
        verdict = store.decide(rows)
        store.commit(verdict)
        kept = [rows[at] for at in verdict.kept]
        there = store.keys | {key_text((row["id"],)) for row in kept}
        assert all(row["n"] is None or key_text((row["n"],)) in there for row in kept)
        if all(row["code"] is None for row in rows):
            assert not {at for at in verdict.aside if rows[at]["n"] is None or key_text((rows[at]["n"],)) in there}
        codes |= {row["code"] for row in kept} - {None}
        assert len(store.taken) == len(codes)
        store.keys = there


@given(PEOPLE, st.sets(st.integers(0, 7)))
def test_a_reference_holds_where_the_other_port_has_the_key(rows: list[dict[str, Any]], there: set[int]) -> None:
    store = Store(port(references=(replace(BOSS, port="shop.b/people@1"),), key=("id",)))
    store.keys = {key_text((n,)) for n in there}
    verdict = store.decide(rows)
    orphans = {at for at, row in enumerate(rows) if row["n"] is not None and row["n"] not in there}
    found = {at for at, all_of in verdict.aside.items() if any(one.rule == "boss" for one in all_of)}
    [result] = [one for one in verdict.results if one.rule == "boss"]
    assert (found, result.bad, result.checked) == (orphans, len(orphans), len(rows))


@given(ROWS)
def test_a_whole_batch_waits_for_its_worst_record(rows: list[dict[str, Any]]) -> None:
    verdict, single = Store(port(whole_batches=True)).decide(rows), Store(port()).decide(rows)
    is_held = bool(single.aside)
    assert (sorted(verdict.aside), bool(verdict.kept)) == (
        (list(range(len(rows))), False) if is_held else ([], bool(rows))
    )
    assert not (is_held and verdict.claims)


DATED = (
    FieldSpec("day", "date", options={"minimum": "2024-01-02", "exclusiveMaximum": "2024-01-05"}),
    FieldSpec(
        "at", "timestamp", options={"exclusiveMinimum": "2024-01-02T12:00:00Z", "maximum": "2024-01-04T00:00:00"}
    ),
    FieldSpec("hour", "time", options={"minimum": "08:00:00"}),
    FieldSpec("kind", "string"),
    FieldSpec("n", "integer"),
)
_DAYS, _HOURS = st.sampled_from([date(2024, 1, day) for day in range(1, 7)]), st.sampled_from([0, 8, 12])
DATED_ROWS = st.lists(
    st.fixed_dictionaries({
        "day": st.none() | _DAYS, "hour": st.none() | st.builds(time, _HOURS),
        "at": st.none() | st.builds(datetime.combine, _DAYS, st.builds(time, _HOURS)),
        "kind": st.sampled_from([None, "", "a", "b", "c"]), "n": st.sampled_from([None, -1, 0, 1, 10]),
    }),
    max_size=8,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(rules(), max_size=3), DATED_ROWS, st.booleans())
def test_what_is_decided_for_each_record_is_what_a_table_comes_to(
    specs: list[RuleSpec], rows: list[dict[str, Any]], has_zone: bool
) -> None:
    """The same bad records, counted one by one where they are published, and by two engines over all of them."""
    single = [s for s in specs if s.metric in ("nullValues", "missingValues", "invalidValues")]
    named = tuple(replace(s, id=f"r{at}", operator="mustBe", operands=(0,)) for at, s in enumerate(single))
    spec = port(*named)
    spec = replace(spec, contract=replace(spec.contract, fields=DATED))
    told = {one.rule: one for one in Store(spec).decide(rows).results if one.rule != "schema"}
    types = {"day": pl.Date, "at": pl.Datetime("us"), "hour": pl.Time, "kind": pl.String, "n": pl.Int64}
    frame = pl.DataFrame(rows, schema={name: types[name] for name in ("day", "hour", "at", "kind", "n")})
    frame = frame.with_columns(pl.col("at").dt.replace_time_zone("UTC")) if has_zone else frame
    with TemporaryDirectory() as folder:
        frame.write_parquet(path := Path(folder) / "rows.parquet")
        for found in (check_frame(spec.contract, frame), check_file(spec.contract, path)):
            assert {one.rule: (one.state, one.bad) for one in found} == {r: (o.state, o.bad) for r, o in told.items()}
    assert {"day.limits", "at.limits", "hour.limits"} <= told.keys()


UNIQUE = {"uniqueItems": True}
LISTED = (
    FieldSpec("id", "integer", True),
    FieldSpec("tags", "array", items=FieldSpec("tag", "string"), options=UNIQUE),
    FieldSpec("sizes", "array", items=FieldSpec("size", "number"), options=UNIQUE),
    FieldSpec(
        "legs",
        "array",
        options=UNIQUE,
        items=FieldSpec(
            "leg",
            "object",
            fields=(
                FieldSpec("to", "string"),
                FieldSpec("days", "array", items=FieldSpec("day", "date"), options=UNIQUE),
                FieldSpec(
                    "grid", "array", items=FieldSpec("row", "array", items=FieldSpec("n", "integer"), options=UNIQUE)
                ),
            ),
        ),
    ),
    FieldSpec("fees", "map", items=FieldSpec("fee", "array", items=FieldSpec("n", "integer"), options=UNIQUE)),
)
_FEW = st.lists(st.integers(0, 2), max_size=3)
LISTED_ROWS = st.lists(
    st.fixed_dictionaries({
        "id": st.integers(0, 3), "tags": st.none() | st.lists(st.sampled_from(["", "a", "b", "a, b"]), max_size=3),
        "sizes": st.none() | st.lists(st.sampled_from([0.0, 1.0, 1.5]), max_size=3),
        "legs": st.none() | st.lists(
            st.fixed_dictionaries({
                "to": st.sampled_from([None, "x"]), "grid": st.none() | st.lists(_FEW, max_size=2),
                "days": st.none() | st.lists(st.sampled_from([date(2024, 1, 1), date(2024, 1, 2)]), max_size=2),
            }),
            max_size=2,
        ),
        "fees": st.none() | st.dictionaries(st.sampled_from("ab"), _FEW, max_size=2),
    }),
    max_size=5,
)  # fmt: skip
LISTED_TYPES = {
    "id": pl.Int64, "tags": pl.List(pl.String), "sizes": pl.List(pl.Float64),
    "legs": pl.List(pl.Struct({"to": pl.String, "days": pl.List(pl.Date), "grid": pl.List(pl.List(pl.Int64))})),
    "fees": pl.List(pl.Struct({"key": pl.String, "value": pl.List(pl.Int64)})),
}  # fmt: skip


def is_repeating(values: list[Any] | None) -> bool:
    return any(one == other for at, one in enumerate(values or ()) for other in (values or ())[:at])


def repeats(row: dict[str, Any]) -> dict[str, bool]:
    """By rule, whether a row breaks it, by two loops."""
    legs = row["legs"] or []
    return {
        "tags.uniqueItems": is_repeating(row["tags"]),
        "sizes.uniqueItems": is_repeating(row["sizes"]),
        "legs.uniqueItems": is_repeating(legs),
        "legs[].days.uniqueItems": any(is_repeating(leg["days"]) for leg in legs),
        "legs[].grid[].uniqueItems": any(is_repeating(line) for leg in legs for line in leg["grid"] or ()),
        "fees{}.uniqueItems": any(map(is_repeating, (row["fees"] or {}).values())),
    }


@settings(deadline=None, max_examples=60)
@given(LISTED_ROWS)
def test_equal_elements_are_found_at_any_depth_by_every_engine(rows: list[dict[str, Any]]) -> None:
    spec = port()
    spec = replace(spec, contract=replace(spec.contract, fields=LISTED))
    verdict = Store(spec).decide(rows)
    broken = [repeats(row) for row in rows]
    assert set(verdict.aside) == {at for at, row in enumerate(broken) if any(row.values())}
    counted = {rule: sum(row[rule] for row in broken) for rule in repeats(dict.fromkeys(LISTED_TYPES))}
    assert {one.rule: one.bad for one in verdict.results if one.rule != "schema"} == counted
    closed = jsonschema_rs.validator_for(json_schema.derive(record_of(spec.contract)))
    assert [closed.is_valid(msgspec.to_builtins(row)) for row in rows] == [not any(row.values()) for row in broken]
    pairs = [
        {**row, "fees": None if row["fees"] is None else [{"key": k, "value": v} for k, v in row["fees"].items()]}
        for row in rows
    ]
    frame = pl.DataFrame(pairs, schema=LISTED_TYPES)
    assert {one.rule: one.bad for one in check_frame(spec.contract, frame)} == counted
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.ndjson"
        path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
        if rows:
            assert {one.rule: one.bad for one in check_file(spec.contract, path)} == counted


def test_equal_elements_are_found_in_maps_of_parquet_and_in_texts_of_csv(tmp_path: Path) -> None:
    contract = replace(port().contract, fields=(LISTED[1], LISTED[4]))
    fees = pa.array([[("a", [1, 1])], [("a", [1]), ("b", [1])], None], pa.map_(pa.string(), pa.list_(pa.int64())))
    pq.write_table(pa.table({"tags": [["a", "a"], ["a"], None], "fees": fees}), tmp_path / "rows.parquet")
    (tmp_path / "rows.csv").write_text('tags,fees\n"[""a"", ""a""]",\n,"{""a"": [1, 1], ""b"": [1]}"\n[],{}\n')
    frame = pl.read_parquet(tmp_path / "rows.parquet")
    for found in (
        check_frame(contract, frame),
        *(check_file(contract, tmp_path / f"rows.{f}") for f in ("parquet", "csv")),
    ):
        assert [(one.rule, one.bad) for one in found] == [("tags.uniqueItems", 1), ("fees{}.uniqueItems", 1)]


def test_limits_of_dates_are_told_as_a_range_and_never_waived() -> None:
    spec = port(action="warn")
    day, at, *others = DATED
    zoned = replace(at, options={**at.options, "timezone": True})
    store = Store(replace(spec, contract=replace(spec.contract, fields=(day, zoned, *others))))
    verdict = store.decide([{"day": "2024-01-02", "at": "2024-01-02T14:00:00+01:00"}, {"day": "2024-01-05"}])
    assert [(one.index, one.path, one.code, one.rule) for one in verdict.refused] == [
        (1, "day", "field.range", "day.limits"),
    ]  # fmt: skip


def test_equal_elements_are_told_as_a_breach_of_the_schema_and_personal_ones_not_shown() -> None:
    tags, legs = LISTED[1], LISTED[3]
    secret = replace(legs, personal=True, options={})
    spec = port(action="warn")
    store = Store(replace(spec, contract=replace(spec.contract, fields=(LISTED[0], tags, secret))))
    days = [{"days": ["2024-01-01", "2024-01-01"]}]
    verdict = store.decide([{"id": 1, "tags": ["a"]}, {"id": 2, "tags": ["b", "b"]}, {"id": 3, "legs": days}])
    assert [(one.index, one.path, one.code, one.rule, one.value) for one in verdict.refused] == [
        (1, "tags", "field.items", "tags.uniqueItems", "['b', 'b']"),
        (2, "legs[].days", "field.items", "legs[].days.uniqueItems", ""),
    ]
    assert verdict.refused[0].message == "tags has equal elements"


def test_true_is_not_one_and_nulls_are_equal() -> None:
    anything = FieldSpec("any", "array", items=FieldSpec("one", "any"), options=UNIQUE)
    spec = port()
    store = Store(replace(spec, contract=replace(spec.contract, fields=(LISTED[0], anything))))
    rows: list[list[Any]] = [
        [True, 1],
        [1, 1.0],
        [None, None],
        [None],
        [{"a": 1, "b": 2}, {"b": 2, "a": 1}],
        [[1], [2]],
    ]
    verdict = store.decide([{"id": 1, "any": row} for row in rows])
    assert sorted(verdict.aside) == [1, 2, 4]
