"""The verdict on a new schema: what differs from earlier ones, who is hit, and whether the mode permits it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from hansa.contracts.compatibility.kinds import KINDS
from hansa.model.product import CompatibilityMode

RULES: Final = "2"
"""The version of the rule set. It goes up when a pair of schemas gets another verdict."""
_HIT: Final = ("what was written before no longer fits", "readers that have the old schema break")

Schema = TypeVar("Schema")


class Format(StrEnum):
    """What the compared texts are written in."""

    CONTRACT = "contract"
    AVRO = "avro"
    JSON_SCHEMA = "json_schema"
    PROTOBUF = "protobuf"


class Direction(StrEnum):
    """Who is hit: readers with the new schema at old data, or readers that have the old schema at new data."""

    READERS_OF_OLD_DATA = "readers_of_old_data"
    OLD_READERS = "old_readers"


def protected(mode: CompatibilityMode) -> frozenset[Direction]:
    """Whom a change may not hit under a mode."""
    kind = mode.partition("_")[0]
    backward = {Direction.READERS_OF_OLD_DATA} if kind in ("BACKWARD", "FULL") else set()
    forward = {Direction.OLD_READERS} if kind in ("FORWARD", "FULL") else set()
    return frozenset(backward | forward)


@dataclass(frozen=True, slots=True)
class SchemaText:
    """A schema as it is written. `references` are the texts that it names: Avro and Protobuf by name or path, JSON
    Schema by URI; those that others need come first."""

    text: str
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Break:
    """What keeps a reader from the data of a writer, or changes what the data means to it.

    `path` names fields with dots, `[]` the elements of a list, `{}` the values of a map; it is empty for the whole.
    `written` and `read` say what the two schemas have there. `evidence` is the rule, or a library's own words.
    """

    path: str
    kind: str
    written: str
    read: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between an earlier schema and the new one. `hits` is empty where nobody breaks.

    `against` is the label of the earlier schema; `kind` is a code of `KINDS`, stable and documented.
    """

    path: str
    kind: str
    hits: frozenset[Direction]
    old: str
    new: str
    evidence: str = ""
    against: str = ""

    @property
    def change(self) -> str:
        """What changes, in the words of people, without who is hit."""
        kind = KINDS[self.kind]
        only_forward = self.hits == {Direction.OLD_READERS}
        text = kind.forward if only_forward else kind.backward
        return text.format(path=self.path or "the schema", old=self.old or "nothing", new=self.new or "nothing")

    @property
    def sentence(self) -> str:
        """What changes and who breaks, in one sentence."""
        hit = [who for direction, who in zip(Direction, _HIT, strict=True) if direction in self.hits]
        return f"{self.change}: {', and '.join(hit)}" if hit else self.change


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that differs, and the judgement under a mode.

    `against` names the earlier schemas that were compared; `rules` is the version of the rule set, so that a verdict
    that was kept can be told from one by later rules.
    """

    format: Format
    mode: CompatibilityMode
    against: tuple[str, ...]
    differences: tuple[Difference, ...]
    rules: str = RULES

    @property
    def breaking(self) -> tuple[Difference, ...]:
        """The differences that hit someone whom the mode protects."""
        return tuple(one for one in self.differences if one.hits & protected(self.mode))

    @property
    def is_compatible(self) -> bool:
        return not self.breaking

    @property
    def sentences(self) -> tuple[str, ...]:
        """What breaks, in the words of people."""
        return tuple(one.sentence for one in self.breaking)


def judge(
    form: Format,
    mode: CompatibilityMode,
    history: Mapping[str, Schema],
    new: Schema,
    compare: Callable[[Schema, Schema], Iterable[Difference]],
) -> Verdict:
    """Compares `new` with the last schema of `history` (oldest first), or with each one in a transitive mode."""
    labels = tuple(history) if mode.is_transitive else tuple(history)[-1:]
    found: dict[Difference, None] = {}
    for label in labels:
        for one in compare(history[label], new):
            found[Difference(one.path, one.kind, one.hits, one.old, one.new, one.evidence, label)] = None
    return Verdict(form, mode, labels, tuple(found))


def both_ways(old: Schema, new: Schema, breaks: Callable[[Schema, Schema], Iterable[Break]]) -> Iterator[Difference]:
    """The differences by who reads what: `breaks(writer, reader)` asked of the new reader and of the old one."""
    backward = {(b.path, b.kind, b.written, b.read): b.evidence for b in breaks(old, new)}
    forward = {(b.path, b.kind, b.read, b.written): b.evidence for b in breaks(new, old)}
    for place in {**backward, **forward}:
        hits = {Direction.READERS_OF_OLD_DATA} if place in backward else set()
        hits |= {Direction.OLD_READERS} if place in forward else set()
        yield Difference(*place[:2], frozenset(hits), *place[2:], backward.get(place) or forward.get(place, ""))
