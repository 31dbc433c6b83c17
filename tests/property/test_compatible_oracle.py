"""Verdicts on JSON Schemas beside those of `jsonsubschema`, an independent checker, with real documents as referee.

`docs/reference/compatibility.md` counts each class of cases where the two differ, and says why; it is held to that.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import pytest
from json_schema_corpus import FAMILIES, cases, documents
from json_schema_oracle import verdicts

from hansa.contracts.compatibility.json_document import load
from hansa.contracts.compatibility.json_schema import breaks
from hansa.contracts.compatibility.verdict import SchemaText

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "compatibility.md"
DRAFT = {"$schema": "http://json-schema.org/draft-07/schema#"}
DOCUMENTS = documents()
ROW = re.compile(r"^\| (\w+) \| ([a-z ]+) \| (\d+) \|", re.MULTILINE)


class Case(NamedTuple):
    family: str
    old: Any
    new: Any
    ours: bool
    oracle: bool | None
    witness: Any
    """A document that the old schema accepts and the new one refuses, where there is one."""

    @property
    def difference(self) -> str | None:
        """In what the two verdicts differ, and who is right as far as documents tell."""
        if self.ours == self.oracle:
            return None
        if self.oracle is None:
            return "oracle has no answer"
        if self.ours:
            return "oracle too strict"
        return "oracle too lax" if self.witness is not NONE else "ours not proven"


NONE = object()


def accepted() -> dict[tuple[str, int], list[bool]]:
    validators = {
        (family, number): jsonschema_rs.Draft7Validator(schema, validate_formats=True)
        for family, schemas in FAMILIES.items()
        for number, schema in enumerate(schemas)
    }
    return {place: [one.is_valid(document) for document in DOCUMENTS] for place, one in validators.items()}


def judged() -> Iterator[Case]:
    fits = accepted()
    known = verdicts([(old, new) for *_, old, new in cases()])
    for (family, i, j, old, new), oracle in zip(cases(), known, strict=True):
        witnesses = (d for d, a, b in zip(DOCUMENTS, fits[family, i], fits[family, j], strict=True) if a and not b)
        texts = [SchemaText(json.dumps({**DRAFT, **schema})) for schema in (old, new)]
        ours = not list(breaks(load(texts[0], "v0"), load(texts[1], "new")))
        yield Case(family, old, new, ours, oracle, next(witnesses, NONE))


@pytest.fixture(scope="module")
def found() -> list[Case]:
    return list(judged())


def test_no_document_refutes_a_verdict_compatible(found: list[Case]) -> None:
    assert [case for case in found if case.ours and case.witness is not NONE] == []


def test_a_verdict_incompatible_has_a_witness_or_stands_in_the_docs(found: list[Case]) -> None:
    """Those without are cases where nothing is proven; the oracle knows better, or limits say so in the docs."""
    unproven = [case for case in found if not case.ours and case.witness is NONE]
    assert len(unproven) <= len(found) // 50
    assert {case.family for case in unproven} <= {"numbers", "strings", "objects", "unions"}


def test_each_difference_to_the_oracle_is_written_down(found: list[Case]) -> None:
    counted = Counter((case.family, case.difference) for case in found if case.difference)
    written = {(family, kind): int(count) for family, kind, count in ROW.findall(PAGE.read_text("utf-8"))}
    assert written == counted
