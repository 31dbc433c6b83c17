"""What changed between two versions of a contract, in the words of people, each with what it rests on.

The schema is judged by `compatibility`; everything else of the two documents is compared by what it says: the SLA,
rules of quality, Hansa's own terms. What changes no promise is metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from hansa.contracts.compatibility.contract import differences
from hansa.contracts.compatibility.verdict import Difference, Direction
from hansa.contracts.dates import NAMES
from hansa.contracts.odcs import ContractFile, major_of
from hansa.contracts.part import VENDOR
from hansa.contracts.window_words import dates_changed, window_changed
from hansa.model.product import CompatibilityMode, ContractSpec
from hansa.model.window import NO_DATES

Kind = Literal["breaking", "added", "changed", "removed", "metadata"]
ORDER: Final[tuple[Kind, ...]] = ("breaking", "removed", "changed", "added", "metadata")
_NEW: Final = frozenset({"field.new", "reference.new"})
_GONE: Final = frozenset({"field.removed", "field.default_missing", "reference.removed"})
_NAMING: Final = frozenset({"name", "type", "metric"})
_TOLD_ELSEWHERE: Final = frozenset(["schema", "slaProperties", "customProperties", "version", "id", "kind", "status"])


class Said(NamedTuple):
    """A promise that came, went or changed: of which field, and the sentence, without a full stop."""

    kind: Literal["added", "changed", "removed"]
    path: str
    text: str


class ContractChange(msgspec.Struct, frozen=True):
    """One change. `text` says it in a sentence; `path` is the field, empty for the contract as a whole. `code` and
    `evidence` are those of the verdict (docs/reference/compatibility.md), `hits` who breaks; both empty where the
    schema is not concerned."""

    kind: Kind
    path: str
    text: str
    code: str = ""
    evidence: str = ""
    hits: list[Direction] = []


class ChangeLog(msgspec.Struct, frozen=True):
    """The changes from one version to another, those that break first. `mode` and `rules` are what it was judged by."""

    older: str
    newer: str
    mode: CompatibilityMode
    rules: str
    entries: list[ContractChange]

    @property
    def is_breaking(self) -> bool:
        """True where somebody whom the mode protects breaks."""
        return any(entry.kind == "breaking" for entry in self.entries)


def change_log(older: ContractFile, newer: ContractFile) -> ChangeLog:
    """Everything that differs from `older` to `newer`."""
    verdict = differences(older.spec, newer.spec)
    breaking = frozenset(verdict.breaking)
    entries = [_of_schema(one, one in breaking) for one in verdict.differences]
    entries += _of_document(older.document.data, newer.document.data)
    entries += _of_version(older.spec, newer.spec)
    entries.sort(key=lambda entry: (ORDER.index(entry.kind), entry.path))
    return ChangeLog(older.spec.version, newer.spec.version, verdict.mode, verdict.rules, entries)


def _of_schema(one: Difference, is_breaking: bool) -> ContractChange:
    hits = sorted(one.hits)
    return ContractChange(_kind(one, is_breaking), one.path, _sentence(one.sentence), one.kind, one.evidence, hits)


def _kind(one: Difference, is_breaking: bool) -> Kind:
    if is_breaking:
        return "breaking"
    if one.kind in _NEW:
        return "added"
    if one.kind in _GONE and not one.new:
        return "removed"
    return "metadata" if one.kind == "description.changed" else "changed"


def _of_version(old: ContractSpec, new: ContractSpec) -> Iterator[ContractChange]:
    """What differs in the dates and the window. Those of another major are its own, and did not become these."""
    is_same = major_of(old.version) == major_of(new.version)
    dates, window = (old.dates, old.window) if is_same else (NO_DATES, None)
    said = [
        *dates_changed("the version", dates, new.dates),
        *window_changed("the version", window, new.window, lambda major: f"major {major}"),
    ]
    yield from (ContractChange(kind, "", _sentence(text)) for kind, text in said)


def _of_document(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ContractChange]:
    if (was := old.get("status", "active")) != (now := new.get("status", "active")):
        yield ContractChange("changed", "", f"The status changes from {was} to {now}.")
    promises = [
        *_listed("the SLA", "", _named(old, "slaProperties"), _named(new, "slaProperties")),
        *_listed("the term", "", _terms(old), _terms(new)),
        *rules_changed(old, new),
    ]
    yield from (ContractChange(kind, path, _sentence(text)) for kind, path, text in promises)
    if sorted(unchecked_references(old)) != sorted(unchecked_references(new)):
        yield ContractChange("metadata", "", "References that nobody checks change.")
    for name in sorted({*old, *new} - _TOLD_ELSEWHERE):
        if old.get(name) != new.get(name):
            yield ContractChange("metadata", "", f"{_words(name)} {'comes' if name not in old else 'changes'}.")
    if _others(old) != _others(new):
        yield ContractChange("metadata", "", "Custom properties of other vendors change.")


def rules_changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Said]:
    """What differs in the rules of quality of two contracts' documents."""
    before, after = _rules(old), _rules(new)
    for path in sorted({*before, *after}):
        yield from _listed("the rule", path, before.get(path, {}), after.get(path, {}))


def _listed(what: str, path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Said]:
    """What came, went and changed among promises that have names."""
    place = f" of {path}" if path else ""
    for name in sorted({*old, *new}):
        if name not in old:
            yield Said("added", path, f"{what} {name}{place} is new: {_value(new[name])}")
        elif name not in new:
            yield Said("removed", path, f"{what} {name}{place} is gone; it was {_value(old[name])}")
        elif old[name] != new[name]:
            told = f"{what} {name}{place} changes from {_value(old[name])} to {_value(new[name])}"
            yield Said("changed", path, told)


def _named(data: Mapping[str, Any], section: str) -> dict[str, Any]:
    """The items of a list of `{property, value, …}`, by property and element."""
    found: dict[str, Any] = {}
    for item in data.get(section) or ():
        if item.get("property") in NAMES:  # told as dates
            continue
        name = " of ".join(str(item[key]) for key in ("property", "element") if item.get(key))
        found[name] = {key: value for key, value in item.items() if key not in ("property", "element", "id")}
    return found


def _terms(data: Mapping[str, Any]) -> dict[str, Any]:
    """Hansa's own custom properties of a contract."""
    own = (item for item in data.get("customProperties") or () if item.get("vendor") == VENDOR)
    return {str(item.get("property")): item.get("value") for item in own if item.get("property") != "window"}


def _others(data: Mapping[str, Any]) -> list[Any]:
    return [item for item in data.get("customProperties") or () if item.get("vendor") != VENDOR]


def _rules(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Rules of quality by the field that they are about and by their names; "" is the whole."""
    found: dict[str, dict[str, Any]] = {"": rules_by_name(data.get("quality") or ())}
    for item in data.get("schema") or ():
        found[""] |= rules_by_name(item.get("quality") or ())
        for path, field in fields_with_paths(item):
            found[path] = rules_by_name(field.get("quality") or ())
    return found


def fields_with_paths(item: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(path, property) of every property of a schema object or property, at any depth."""
    for field in item.get("properties") or ():
        path = f"{within}{field.get('name')}"
        yield path, field
        yield from fields_with_paths(field, f"{path}.")
        if isinstance(items := field.get("items"), dict):
            yield from fields_with_paths(items, f"{path}[].")


def unchecked_references(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The relationships that nobody checks, by custom property `enforced`: of which fields, and where they lead."""
    for item in data.get("schema") or ():
        places = [("", item), *fields_with_paths(item)]
        for path, one in ((path, one) for path, place in places for one in place.get("relationships") or ()):
            if _terms(one).get("enforced") is False:
                yield path or _value(one.get("from")), _value(one.get("to"))


def rules_by_name(rules: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Rules by what they are called: their name, metric or kind, numbered where two share one."""
    found: dict[str, Any] = {}
    for rule in rules:
        name = str(rule.get("name") or rule.get("metric") or rule.get("rule") or rule.get("type") or "quality")
        count = sum(1 for known in found if known.partition(" #")[0] == name)
        found[f"{name} #{count + 1}" if count else name] = rule
    return found


def _value(value: Any) -> str:
    """A promise as people read it: `90 d`, or its parts."""
    if isinstance(value, dict):
        if value.keys() <= {"value", "unit"}:
            return " ".join(str(value[key]) for key in ("value", "unit") if key in value)
        return ", ".join(
            f"{key} {_value(inner)}" for key, inner in value.items() if key not in ("name", "type", "metric")
        )
    return ", ".join(map(_value, value)) if isinstance(value, list) else str(value)


def _words(name: str) -> str:
    """A key of ODCS as the beginning of a sentence: `Data product`."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced[:1].upper() + spaced[1:]


def _sentence(text: str) -> str:
    """The text with its first letter as it begins a sentence, unless that is a field's name."""
    begins = text.startswith(("the ", "what ", "readers "))
    return (text[:1].upper() + text[1:] if begins else text) + "."
