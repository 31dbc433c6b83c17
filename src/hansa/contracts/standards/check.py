"""Compares a document with the grammar of its standard: unknown, newer and missing fields, and values of another kind.

Every finding has file, line, code and hint. What a finding says of a value, the published JSON Schema says, too;
`tests/clients` holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from hansa.contracts.document import Document, Place
from hansa.contracts.part import VENDOR
from hansa.contracts.standards.grammar import NAMES, Grammar, Version, shown, version_of, words
from hansa.model.ids import did_you_mean
from hansa.sdk.finding import Finding

_GENERAL: Final = frozenset({"field.choice", "document.standard"})


def check_document(document: Document, grammar: Grammar) -> list[Finding]:
    """What the standard does not allow in the document, in its order; empty where it is valid.

    The document is held against the version in its `apiVersion`; one that the grammar does not know is a finding
    itself, and the rest is held against the newest.
    """
    said = document.data.get("apiVersion")
    version = version_of(str(said))
    checker = _Checker(document, grammar, version if version in grammar.versions else grammar.newest)
    if isinstance(said, str) and version not in grammar.versions:
        known = ", ".join(shown(one) for one in grammar.versions)
        hint = f"Write 'apiVersion: {shown(grammar.newest)}'; {known} are read."
        checker.report("document.standard", f"{grammar.name} has no version {said!r}", hint, ("apiVersion",))
    checker.mapping(document.data, (), grammar.root)
    return checker.findings


def merged(allowed: Sequence[Finding], meant: Sequence[Finding]) -> list[Finding]:
    """The findings of a standard's grammar and those of what Hansa reads, by line; where both say the same of one
    line, the latter, whose codes say more."""
    said = {(finding.code, finding.line) for finding in meant}
    lines = {finding.line for finding in meant}
    kept = [
        finding
        for finding in allowed
        if (finding.code, finding.line) not in said and not (finding.code in _GENERAL and finding.line in lines)
    ]
    return sorted([*kept, *meant], key=lambda finding: finding.line)


class _Checker:
    """One document's walk through the grammar."""

    def __init__(self, document: Document, grammar: Grammar, version: Version) -> None:
        self.findings: list[Finding] = []
        self._document = document
        self._grammar = grammar
        self._version = version

    def report(self, code: str, message: str, hint: str | None, place: Place) -> None:
        document = self._document
        self.findings.append(Finding(code, message, hint, document.file, document.line(place)))

    def mapping(self, value: dict[str, Any], place: Place, shape: str) -> None:
        members = self._grammar.members(shape, value)
        undecided = self._grammar.undecided(shape, value, self._version)
        self._custom(value.get("customProperties"), (*place, "customProperties"), f"{VENDOR}:{shape}")
        for name, inner in value.items():
            member = members.get(name)
            if name in undecided:
                continue
            if member is None:
                self._unknown(name, place, shape, members)
            elif self._grammar.is_open(shape, self._version) or self._is_known(name, member.since, (*place, name)):
                self._value(inner, (*place, name), member.kinds)
        for member in members.values():
            if member.required and member.name not in value and member.since <= self._version:
                hint = f"{_indefinite(shape)} has one in {self._grammar.name}."
                self.report("file.key_missing", f"{member.name!r} is missing", hint, place)

    def _custom(self, items: object, place: Place, shape: str) -> None:
        """Hansa's own properties, whose names and values nobody else checks."""
        known = self._grammar.members(shape, {}) if shape in self._grammar.shapes else {}
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if not isinstance(item, dict) or item.get("vendor") != VENDOR or "value" not in item:
                continue
            name, at = str(item.get("property")), (*place, index)
            if name in known:
                self._value(item["value"], (*at, "value"), known[name].kinds, name)
                continue
            hint = did_you_mean(name, known) or f"Here it has {', '.join(known) or 'none'}."
            self.report("custom.unknown", f"Hansa has no property {name!r} here", hint, (*at, "property"))

    def _unknown(self, name: str, place: Place, shape: str, members: Iterable[str]) -> None:
        if self._grammar.is_open(shape, self._version):
            return
        hint = did_you_mean(name, members) or "Remove it, or put it into customProperties."
        message = f"{_indefinite(shape)} has no {name!r} in {self._grammar.name}"
        self.report("field.unknown", message, hint, (*place, name))

    def _is_known(self, name: str, since: Version, place: Place) -> bool:
        """Whether the document's version has a field or a word; reported where it has not."""
        if since <= self._version:
            return True
        message = f"{name!r} came with {self._grammar.name} {shown(since)}"
        self.report("field.newer", message, f"Write 'apiVersion: {shown(self._grammar.newest)}'.", place)
        return False

    def _value(self, value: object, place: Place, kinds: tuple[str, ...], name: str = "") -> None:
        """Reports a value that is none of `kinds`, and what is wrong within one that is; `name` is what it is called,
        where that is not its key."""
        for kind in kinds:
            if self._fits(value, kind):
                self._within(value, place, kind)
                return
        called = str(place[-1]) if isinstance(place[-1], str) else f"{place[-2]}[{place[-1]}]"
        self._misfit(value, place, kinds, name or called)

    def _fits(self, value: object, kind: str) -> bool:
        """Whether a value is such a thing at all; what stands within it is looked at after."""
        if kind.startswith("["):
            return isinstance(value, list)
        if kind.startswith("="):
            return isinstance(value, str) and value in words(kind)
        types = NAMES.get(kind, (dict,))
        return isinstance(value, types) and (kind in ("flag", "any", "scalar") or not isinstance(value, bool))

    def _within(self, value: Any, place: Place, kind: str) -> None:
        if kind.startswith("["):
            for index, item in enumerate(value):
                self._value(item, (*place, index), (kind[1:-1],))
        elif kind.startswith("="):
            self._is_known(value, words(kind)[value], place)
        elif kind in self._grammar.shapes:
            self.mapping(value, place, kind)

    def _misfit(self, value: object, place: Place, kinds: tuple[str, ...], name: str) -> None:
        written = self._document.written.get(place)
        if "text" in kinds and written is not None and value is not None:
            message = f"{name} is {written}, which reads as {value!r} and not as text"
            self.report("yaml.unquoted", message, f'Put it in quotes: {name}: "{written}".', place)
            return
        if kinds[0].startswith("=") and isinstance(value, str):
            known = words(kinds[0])
            hint = did_you_mean(value, known) or f"Use one of {', '.join(known)}."
            self.report("field.choice", f"{name}: {value!r} is not known", hint, place)
            return
        empty = "Remove it, or give a value." if value is None else None
        self.report("file.wrong_type", f"{name} is {_short(value)}, not {_wanted(kinds)}", empty, place)


def _short(value: object) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "empty" if value is None else repr(value)


_WANTED: Final = {
    "flag": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "scalar": "a single value",
}


def _wanted(kinds: tuple[str, ...]) -> str:
    return " or ".join(dict.fromkeys(_named(kind) for kind in kinds))


def _named(kind: str) -> str:
    if kind.startswith("["):
        return "a list"
    if kind.startswith("="):
        return "one of " + ", ".join(words(kind))
    return "text" if kind == "text" else _WANTED.get(kind, "a mapping")


def _indefinite(shape: str) -> str:
    return f"{'An' if shape[0] in 'aeiou' else 'A'} {shape}"
