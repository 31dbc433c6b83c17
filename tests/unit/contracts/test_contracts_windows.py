"""Windows in a product's files: what two versions must have in common, and what their translators are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from versions import NEW, OLD, WINDOW, contract, scale

from hansa.contracts.document import Document
from hansa.contracts.mapping import is_name, mapping
from hansa.contracts.odps import read_product
from hansa.contracts.windows import examples_of
from hansa.errors import AuthorError, PlanError


def refused(folder: Path) -> tuple[str, str]:
    with pytest.raises(PlanError) as failure:
        read_product(folder)
    return failure.value.code, failure.value.message


def test_a_window_is_carried_with_its_contract(tmp_path: Path) -> None:
    spec = read_product(scale(tmp_path, (1, 2)))
    assert [(older.id, newer.id) for older, newer in spec.windows()] == [(OLD, NEW)]
    assert (successor := spec.successor(OLD)) is not None
    assert successor.id == NEW
    assert spec.successor(NEW) is None


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"window": {**WINDOW, "previous": 3}}, "window.previous", "weights@3"),
        ({"window": {**WINDOW, "upgrade": "{ kg"}}, "translator.jsonata", "neither a name nor JSONata"),
        (
            {"dates": {1: {"endOfLife": "2026-01-01"}, 2: {"generalAvailability": "2026-02-01"}}},
            "window.dates",
            "ends (2026-01-01) before",
        ),
    ],
)
def test_what_a_window_cannot_mean_is_refused(tmp_path: Path, options: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(PlanError) as failure:
        scale(tmp_path, (1, 2), **options)
    assert (failure.value.code, words in failure.value.message) == (code, True)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("orderingKey", ["id", "grams"], "identified by id and id, grams"),
        ("partitions", 4, "1 and 4 partitions"),
        ("subject", "id", "names the person"),
    ],
)
def test_versions_that_no_translator_can_bridge_are_refused(
    tmp_path: Path, before: str, after: object, words: str
) -> None:
    from hansa.contracts.write import yaml_text

    folder = scale(tmp_path, (1, 2))
    text = yaml_text(contract(2, window=WINDOW, **{before: after}))
    (folder / "contracts" / "weights@2.odcs.yaml").write_text(text)
    code, message = refused(folder)
    assert (code, words in message) == ("window.unlike", True)


def test_examples_are_records_by_their_rows() -> None:
    found = examples_of(Document("c", contract(1), {}))
    assert found == [{"id": "a", "kg": 1}, {"id": "b", "kg": 2}]
    assert examples_of(Document("c", {"schema": [{"properties": [{"name": "id", "required": True}]}]}, {})) == []


def test_a_translator_is_a_name_or_jsonata() -> None:
    assert is_name("to_grams")
    assert not is_name('{"id": id}')
    assert mapping('{"id": id, "grams": kg * 1000}')({"id": "a", "kg": 2}) == {"id": "a", "grams": 2000}
    with pytest.raises(AuthorError) as wrong:
        mapping("{ kg")
    assert wrong.value.code == "translator.jsonata"
