"""The grammar of a standard: which fields each of its objects has, of what kind, and since which version.

A shape is written as one text, a word for each field:

    apiVersion! tags:[text] deprecated:flag^3.2 type:=library,sql port:integer|text

`!` is required; behind `:` stands the kind (text where there is none), alternatives with `|`: `text`, `flag`,
`integer`, `number`, `mapping`, `scalar` (no list and no mapping), `any`, `=a,b@3.2` (one of these
words, the second since 3.2), the name of a shape, or a list of any of them in brackets; behind `^` the version of the
standard that brought the field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from hansa.model.ids import did_you_mean

Version = tuple[int, int]
NAMES: Final[dict[str, tuple[type, ...]]] = {
    "text": (str,),
    "flag": (bool,),
    "integer": (int,),
    "number": (int, float),
    "scalar": (str, int, float, type(None)),
    "mapping": (dict,),
    "any": (object,),
}
"""The kinds that are no shapes. A boolean is no number here, whatever Python says."""
_WORD: Final = re.compile(r"(?P<name>\w+)(?P<required>!?)(?::(?P<kind>[^\s^]+))?(?:\^(?P<since>\d+\.\d+))?")


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a shape."""

    name: str
    kinds: tuple[str, ...]
    required: bool
    since: Version


@dataclass(frozen=True, slots=True)
class Grammar:
    """`shapes` by name; `variants` add fields to a shape by the value of one of its fields: (that field, fields by
    its value, and by "" where it is not there). A shape in `open_until` allows unknown fields up to that version."""

    name: str
    root: str
    shapes: Mapping[str, str]
    versions: tuple[Version, ...]
    variants: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    open_until: Mapping[str, Version] = field(default_factory=dict)

    @property
    def newest(self) -> Version:
        return self.versions[-1]

    def members(self, shape: str, value: Mapping[str, Any]) -> dict[str, Member]:
        """The fields that `value`, which is such a shape, may have."""
        found = _members(self.shapes[shape], self.versions[0])
        if shape not in self.variants:
            return found
        chooser, texts = self.variants[shape]
        return found | _members(texts.get(str(value.get(chooser, "")), ""), self.versions[0])

    def undecided(self, shape: str, value: Mapping[str, Any], version: Version) -> frozenset[str]:
        """The fields that nobody can judge, since the field that says which of them there are is misspelt or has a
        value that is no word of the standard: a finding of its own."""
        if shape not in self.variants or self.is_open(shape, version):
            return frozenset()
        (chooser, texts), own = self.variants[shape], _members(self.shapes[shape], self.versions[0])
        said = value.get(chooser)
        choices = [words(kind) for kind in own[chooser].kinds if kind.startswith("=")]
        is_wrong = bool(choices) and not any(str(said) in known for known in choices)
        chosen = frozenset(name for text in texts.values() for name in _members(text, self.versions[0]))
        is_misspelt = any(did_you_mean(name, [chooser]) for name in value.keys() - own.keys() - chosen)
        return chosen if (is_misspelt if said is None else is_wrong) else frozenset()

    def is_open(self, shape: str, version: Version) -> bool:
        """Whether the standard of that version leaves unknown fields alone."""
        return version <= self.open_until.get(shape, (0, 0))


@cache
def words(kind: str) -> Mapping[str, Version]:
    """The words of a kind that begins with `=`, each with the version that brought it."""
    pairs = (word.partition("@") for word in kind[1:].split(","))
    return {word: version_of(since) for word, _, since in pairs}


@cache
def _members(text: str, first: Version) -> dict[str, Member]:
    return {member.name: member for word in text.split() if (member := _member(word, first))}


def _member(word: str, first: Version) -> Member:
    match = _WORD.fullmatch(word)
    assert match is not None, f"not a field of a grammar: {word}"
    since = version_of(match["since"]) if match["since"] else first
    return Member(match["name"], tuple((match["kind"] or "text").split("|")), bool(match["required"]), since)


def version_of(text: str) -> Version:
    """`v3.1.0` and `3.1` as (3, 1); (0, 0) where the text is no version."""
    match = re.fullmatch(r"v?(\d+)\.(\d+)(\.\d+)?", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def shown(version: Version) -> str:
    """(3, 1) as `v3.1.0`."""
    return f"v{version[0]}.{version[1]}.0"
