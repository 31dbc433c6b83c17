"""What a verdict says: which differences break under a mode, against which schemas, in which words."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from hansa.contracts.compatibility.kinds import KINDS
from hansa.contracts.compatibility.verdict import Break, Difference, Direction, Format, Verdict, both_ways, judge
from hansa.model.product import CompatibilityMode

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "compatibility.md"
BACKWARD, FORWARD = Direction.READERS_OF_OLD_DATA, Direction.OLD_READERS
DIFFERENCES = (
    Difference("a", "type.changed", frozenset({BACKWARD, FORWARD}), "int", "string"),
    Difference("b", "field.default_missing", frozenset({BACKWARD}), "", "int"),
    Difference("c", "field.default_missing", frozenset({FORWARD}), "int", ""),
    Difference("d", "field.new", frozenset(), "", "int"),
)


@pytest.mark.parametrize(
    ("mode", "breaking"),
    [
        (CompatibilityMode.NONE, ""),
        (CompatibilityMode.BACKWARD, "ab"),
        (CompatibilityMode.BACKWARD_TRANSITIVE, "ab"),
        (CompatibilityMode.FORWARD, "ac"),
        (CompatibilityMode.FORWARD_TRANSITIVE, "ac"),
        (CompatibilityMode.FULL, "abc"),
        (CompatibilityMode.FULL_TRANSITIVE, "abc"),
    ],
)
def test_a_mode_says_which_differences_break(mode: CompatibilityMode, breaking: str) -> None:
    verdict = Verdict(Format.AVRO, mode, ("1",), DIFFERENCES)
    assert "".join(one.path for one in verdict.breaking) == breaking
    assert verdict.is_compatible == (not breaking)


def test_each_difference_is_one_sentence() -> None:
    assert [one.sentence for one in DIFFERENCES] == [
        "a changes from int to string: what was written before no longer fits, "
        "and readers that have the old schema break",
        "b is new and has no default: what was written before no longer fits",
        "c is gone and had no default: readers that have the old schema break",
        "d is new and may be missing",
    ]


def differ(old: str, new: str) -> list[Difference]:
    return [] if old == new else [Difference("", "type.changed", frozenset({BACKWARD}), old, new)]


@pytest.mark.parametrize(
    ("mode", "against", "compatible"),
    [
        (CompatibilityMode.BACKWARD, ("2",), True),
        (CompatibilityMode.BACKWARD_TRANSITIVE, ("1", "2"), False),
        (CompatibilityMode.FORWARD_TRANSITIVE, ("1", "2"), True),
    ],
)
def test_a_transitive_mode_looks_at_every_schema(
    mode: CompatibilityMode, against: tuple[str, ...], compatible: bool
) -> None:
    verdict = judge(Format.AVRO, mode, {"1": "x", "2": "y"}, "y", differ)
    assert (verdict.against, verdict.is_compatible) == (against, compatible)
    assert all(one.against == "1" for one in verdict.differences)


def test_a_first_schema_is_compatible() -> None:
    assert judge(Format.AVRO, CompatibilityMode.FULL, {}, "x", differ) == Verdict(
        Format.AVRO, CompatibilityMode.FULL, (), ()
    )


def test_what_hits_both_is_one_difference() -> None:
    def breaks(writer: int, reader: int) -> list[Break]:
        narrower = [Break("a", "limit.tightened", str(writer), str(reader))] if writer > reader else []
        return [Break("", "name.changed", str(writer), str(reader)), *narrower]

    assert list(both_ways(2, 1, breaks)) == [
        Difference("", "name.changed", frozenset({BACKWARD, FORWARD}), "2", "1"),
        Difference("a", "limit.tightened", frozenset({BACKWARD}), "2", "1"),
    ]


def test_every_kind_has_words_and_stands_in_the_docs() -> None:
    fields = {
        name for kind in KINDS.values() for said in kind[1:3] for _, name, _, _ in Formatter().parse(said) if name
    }
    assert fields <= {"path", "old", "new"}
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (.+?) \| (yes)? ?\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [(code, kind.meaning, "yes" if kind.is_ours else "") for code, kind in KINDS.items()]
