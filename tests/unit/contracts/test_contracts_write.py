"""Documents out: what was read and is written reads as the same, here and with a reader of YAML 1.1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from corpora import examples, require_corpora
from ruamel.yaml import YAML

from hansa.contracts.document import parse_document, read_document
from hansa.contracts.standards.check import check_document
from hansa.contracts.standards.odcs import ODCS
from hansa.contracts.standards.odps import ODPS
from hansa.contracts.write import json_text, yaml_text

PUBLISHED = examples("od?s/docs/examples/**/*.yaml")

NEWER = {
    "all-data-types.odcs.yaml": {"'timestamp' came with ODCS v3.1.0", "'time' came with ODCS v3.1.0"},
}
"""What published examples of 3.0 have from 3.1; their own schema refuses them, too."""
AMBIGUOUS = """
    NO y on null ~ 1.10 1e3 0x1f 0o17 017 1_000 12:30:45 190:20 .5 +1 - 2013-01-01 2013-01-01T10:00:00Z = << *all &all
    !tag [a {a %a @a `a 'a' münchen 🚲 --- ... | > true False Null .inf .NaN 0b11 1e-07 -1 +.inf
"""


def read(text: str) -> dict[str, Any]:
    return parse_document(text, "x.yaml").data


def read_as_1_1(text: str) -> Any:
    """As most tools read YAML: `NO` is false there, and dates are no text."""
    reader = YAML(typ="safe", pure=True)
    reader.version = (1, 1)  # type: ignore[assignment]
    return reader.load(text)


def test_the_corpora_have_their_examples() -> None:
    require_corpora()
    assert len(PUBLISHED) >= 19


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.name)
def test_a_published_example_is_the_same_behind_import_and_export(file: Path) -> None:
    document = read_document(file)
    assert read(yaml_text(document.data)) == document.data
    assert json.loads(json_text(document.data)) == document.data
    assert read_as_1_1(yaml_text(document.data)) == document.data


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.name)
def test_a_published_example_has_what_its_file_says(file: Path) -> None:
    """The data is that of a reader nobody here wrote, but for times, which the standards have as text."""
    reader = YAML(typ="safe", pure=True)
    reader.constructor.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)
    assert read_document(file).data == reader.load(file)


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.name)
def test_nothing_in_a_published_example_is_unknown(file: Path) -> None:
    found = check_document(read_document(file), ODPS if "odps" in file.name else ODCS)
    assert {finding.message for finding in found} == NEWER.get(file.name, set())


@pytest.mark.parametrize(
    "text",
    [*AMBIGUOUS.split(), "", " ", "a: b", "a #b", "- a", '"a"', "? a", "a\nb", "a\n", "\na", "a\n\n", "  a\nb",
     "a \n b", "a\tb", "\t", "\n", "a\r\nb", "\u0007", "\u0085", "\u2028a", "\ufeffa", "x" * 500],
)  # fmt: skip
def test_text_stays_text_for_every_reader(text: str) -> None:
    data = {"value": text, "list": [text, {"deep": text}], text or "empty": 1}
    written = yaml_text(data)
    assert read(written) == data
    assert read_as_1_1(written) == data


def test_what_is_no_text_stays_what_it_is() -> None:
    data = {"a": [True, False, None, 0, -1, 2**63, 1.0, -0.5, 1e300, 1e-7], "b": {}, "c": [], "d": [[], {}, [[1]]]}
    assert read(yaml_text(data)) == data
    assert read_as_1_1(yaml_text(data)) == data
    assert [type(item) for item in read(yaml_text(data))["a"]] == [type(item) for item in data["a"]]


def test_the_same_value_in_two_places_is_written_twice() -> None:
    shared = ["a"]
    assert read(yaml_text({"one": shared, "two": shared})) == {"one": ["a"], "two": ["a"]}


def test_lines_stay_lines() -> None:
    assert yaml_text({"note": "one\ntwo\n", "id": "orders"}) == "note: |\n  one\n  two\nid: orders\n"
