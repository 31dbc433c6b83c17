"""The verdict over what is published at once: which records are kept, which are set aside, what is refused, and what
each rule came to. Pure: what stands in the log, of values that must be unique and of records that are referred to, is
asked of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from hansa.contracts.quality.rules import BatchRule, ReferenceRule, RowRule, Rules, UniqueRule, column_of, digest_of
from hansa.contracts.quality.threshold import accepts
from hansa.model.product import OnViolation, OutputPortSpec, ReferenceSpec
from hansa.model.run import CheckResult
from hansa.sdk.encode import Violation, short

_BEHIND_FIRST: Final = re.compile(r"[.\[{]")
SCHEMA: Final = "schema"
"""The rule that a record is of the contract's schema at all, in what is told of checks."""
_STOPS: Final[tuple[OnViolation, ...]] = ("refuse", "quarantine")
Fallen = dict[str, frozenset[int]]
"""By reference, the records that refer to none, where they might have referred to one of their own batch."""


class Standing(Protocol):
    """What stands in the log, and in what the run publishes beside it."""

    def owners(self, rule: str, digests: list[str]) -> dict[str, str]:
        """Whose the digests are that are taken already."""
        ...

    def absent(self, reference: ReferenceSpec, keys: list[str]) -> set[str]:
        """Which of these keys no record has that could be referred to."""
        ...


@dataclass(slots=True)
class Verdict:
    """`kept` and `aside` name rows by their index; `claims` are (rule, digest, owner) of values that are taken now."""

    kept: list[int] = field(default_factory=list)
    aside: dict[int, list[Violation]] = field(default_factory=dict)
    refused: list[Violation] = field(default_factory=list)
    claims: list[tuple[str, str, str]] = field(default_factory=list)
    results: list[CheckResult] = field(default_factory=list)


class Judge:
    """Decides over the batches of one port. `hidden` are the fields whose values no violation shows."""

    def __init__(
        self, port: OutputPortSpec, rules: Rules, key: Callable[[Any], str | None], hidden: frozenset[str]
    ) -> None:
        self._port = port.id
        self._contract = port.contract
        self._rules = rules
        self._key = key
        self._hidden = hidden
        self._to_own = [one for one in rules.references if one.spec.port == port.id]
        self._to_others = [one for one in rules.references if one.spec.port != port.id]

    def decide(self, records: Sequence[Any], broken: Sequence[Violation], standing: Standing) -> Verdict:
        """`records` has None for each row that is none, of which `broken` has the violations.

        A record that refers to one of its own batch falls with it. Then the others are decided anew, for it takes no
        value from them.
        """
        fallen: Fallen = {}
        while True:
            case = _Case(self, records, broken, standing, fallen)
            verdict = case.verdict()
            if case.orphans == fallen:
                return verdict
            fallen = case.orphans

    def strict(self, action: OnViolation) -> OnViolation:
        """What the schema's violations come to: it is never waived."""
        return "refuse" if action == "warn" else action


class _Values:
    """The values of a batch under one rule, and whose those are that are taken."""

    def __init__(
        self, rule: UniqueRule, port: str, values: list[Any], owners: Callable[[str, list[str]], dict[str, str]]
    ) -> None:
        self.rule = rule
        self.values = values
        self.digests = [None if value is None else digest_of(port, rule.id, value) for value in values]
        self.known = owners(rule.id, sorted({digest for digest in self.digests if digest is not None}))
        self.bad = 0

    def is_taken(self, at: int, owner: str) -> bool:
        digest = self.digests[at]
        return digest is not None and digest in self.known and not (owner and self.known[digest] == owner)


class _Case:
    """One batch. `orphans` are those that have `fallen` before, which take no value, and all that have fallen now."""

    def __init__(
        self,
        judge: Judge,
        records: Sequence[Any],
        broken: Sequence[Violation],
        standing: Standing,
        fallen: Fallen,
    ) -> None:
        self._judge = judge
        self._total = len(records)
        self._at = [at for at, record in enumerate(records) if record is not None]
        self._records = [records[at] for at in self._at]
        self._standing = standing
        self.orphans = dict(fallen)
        self._found: dict[OnViolation, list[Violation]] = {"refuse": [], "quarantine": [], "warn": []}
        self._verdict = Verdict()
        action = judge.strict(judge._contract.on_violation)
        self._found[action] += broken
        self._tell(SCHEMA, "", self._total, self._total - len(self._at), action)

    def verdict(self) -> Verdict:
        rules, verdict = self._judge._rules, self._verdict
        for row in rules.rows:
            self._row(row)
        for batch in rules.batch:
            self._batch(batch)
        for reference in self._judge._to_others:
            self._referred(reference, self._absent(reference))
        if rules.unique:
            self._unique(rules.unique)
        for reference in self._judge._to_own:
            self._referred(reference, self._orphaned(reference))
        for skipped in rules.skipped:
            result = CheckResult(self._judge._port, skipped.spec.id, skipped.spec.path, "skipped", note=skipped.reason)
            verdict.results.append(result)
        self._settle()
        return verdict

    def _row(self, rule: RowRule) -> None:
        values, path = rule.column(self._records), rule.spec.path
        bad = rule.scan(values)
        if bad:
            self._found[rule.action] += [
                self._violation(at, path, rule.code, rule.message, values[at], rule.spec.id) for at in bad
            ]
        self._tell(rule.spec.id, path, len(values), len(bad), rule.action)

    def _batch(self, rule: BatchRule) -> None:
        measured = rule.measured(rule.column(self._records))
        is_kept = measured is None or accepts(rule.spec, measured)
        if not is_kept:
            assert measured is not None
            message, code = rule.message(measured), f"rule.{rule.spec.metric}"
            self._found[rule.action].append(Violation(-1, rule.spec.path, code, message, f"{measured:g}", rule.spec.id))
        self._tell(rule.spec.id, rule.spec.path, len(self._records), int(not is_kept), rule.action, measured)

    def _lost(self) -> set[int]:
        """The rows that are not published."""
        return {violation.index for action in _STOPS for violation in self._found[action]}

    def _absent(self, rule: ReferenceRule) -> list[int]:
        """The records that refer to none, by what stands in the log."""
        keys = rule.keys(self._records)
        wanted = {key for key in keys if key is not None}
        absent = self._standing.absent(rule.spec, sorted(wanted)) if wanted else set()
        return [at for at, key in enumerate(keys) if key in absent]

    def _orphaned(self, rule: ReferenceRule) -> list[int]:
        """As `_absent`, where records of the batch may refer to each other, those that nothing else sets aside."""
        keys, own = rule.keys(self._records), [*map(self._judge._key, self._records)]
        bad, orphans = self._absent(rule), set(self.orphans.get(rule.spec.id, ()))
        lost, has_fallen = self._lost(), True
        there = {at for at in range(len(own)) if self._at[at] not in lost} - orphans
        while has_fallen:
            known = {own[at] for at in there}
            orphans |= {at for at in bad if keys[at] not in known}
            has_fallen = rule.action in _STOPS and not there.isdisjoint(orphans)
            there -= orphans
        if orphans and rule.action in _STOPS:
            self.orphans[rule.spec.id] = frozenset(orphans)
        return sorted(orphans)

    def _referred(self, rule: ReferenceRule, bad: list[int]) -> None:
        spec, message = rule.spec, f"{rule.spec.path} refers to no record of {rule.spec.port}"
        values = column_of(spec.fields)(self._records) if bad else []
        self._found[rule.action] += [
            self._violation(at, spec.path, "rule.foreignKey", message, values[at], spec.id) for at in bad
        ]
        self._tell(spec.id, spec.path, len(self._records), len(bad), rule.action)

    def _unique(self, rules: Sequence[UniqueRule]) -> None:
        """Record by record: one that nothing sets aside takes all of its values, any other none."""
        lost = self._lost() | {self._at[at] for fallen in self.orphans.values() for at in fallen}
        columns = [
            _Values(rule, self._judge._port, rule.column(self._records), self._standing.owners) for rule in rules
        ]
        for at in range(len(self._records)):
            if self._at[at] in lost:
                continue
            taken = [column for column in columns if column.is_taken(at, self._owner(column.rule, at))]
            for column in taken:
                self._twice(column, at)
            if all(column.rule.action == "warn" for column in taken):
                for column in columns:
                    self._take(column, at)
        for column in columns:
            rule = column.rule
            self._tell(rule.id, rule.path, len(column.values), column.bad, rule.action)

    def _twice(self, column: _Values, at: int) -> None:
        column.bad += 1
        rule, message = column.rule, f"{column.rule.path} is there already, and must be unique"
        found = self._violation(at, rule.path, "rule.duplicateValues", message, column.values[at], rule.id)
        self._found[rule.action].append(found)

    def _take(self, column: _Values, at: int) -> None:
        digest = column.digests[at]
        if digest is not None and digest not in column.known:
            column.known[digest] = owner = self._owner(column.rule, at)
            self._verdict.claims.append((column.rule.id, digest, owner))

    def _owner(self, rule: UniqueRule, at: int) -> str:
        """The key of the record whose states may all hold the value; empty where no two records may."""
        if not rule.is_keyed:
            return ""
        return digest_of(self._judge._port, "", self._judge._key(self._records[at]))

    def _violation(self, at: int, path: str, code: str, message: str, value: Any, rule: str) -> Violation:
        names = {_BEHIND_FIRST.split(name, maxsplit=1)[0] for name in path.split(", ")}
        shown = "" if names & self._judge._hidden else short(value)
        return Violation(self._at[at], path, code, message, shown, rule)

    def _tell(
        self, rule: str, path: str, checked: int, bad: int, action: OnViolation, measured: float | None = None
    ) -> None:
        state = "passed" if not bad else "warning" if action == "warn" else "failed"
        self._verdict.results.append(CheckResult(self._judge._port, rule, path, state, checked, bad, action, measured))

    def _settle(self) -> None:
        verdict, aside = self._verdict, self._found["quarantine"]
        if self._found["refuse"]:
            verdict.refused = in_order([*self._found["refuse"], *aside])
            verdict.claims = []
            return
        of_batch = [violation for violation in aside if violation.index < 0]
        for violation in in_order(aside):
            if violation.index >= 0:
                verdict.aside.setdefault(violation.index, []).append(violation)
        if of_batch or (verdict.aside and self._judge._contract.whole_batches):
            self._hold_all(of_batch)
        verdict.kept = [at for at in self._at if at not in verdict.aside]

    def _hold_all(self, of_batch: list[Violation]) -> None:
        """The batch is set aside as a whole: its records take no value."""
        verdict = self._verdict
        verdict.claims = []
        for at in range(self._total):
            held = Violation(at, "", "batch.held", "It was published with records that break the contract")
            verdict.aside.setdefault(at, of_batch or [held])


def in_order(violations: Iterable[Violation]) -> list[Violation]:
    """By record."""
    return sorted(violations, key=lambda violation: violation.index)
