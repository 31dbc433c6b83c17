"""Any document reads, behind writing, as what it was: with Hansa's reader and with one of YAML 1.1."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from hansa.contracts.document import NUMBER_MAX, NUMBER_MIN, parse_document
from hansa.contracts.write import json_text, yaml_text

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
WORDS = st.sampled_from(
    ["NO", "on", "1.10", "12:30", "2013-01-01", "~", "null", "1e3", "0o7", "a: b", "x\ny\n", "=", "-"]
)
SCALARS = (
    st.none() | st.booleans() | st.integers(NUMBER_MIN, NUMBER_MAX) | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT | WORDS
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | WORDS, inner, max_size=4), max_leaves=12
)
DOCUMENTS = st.dictionaries(TEXT | WORDS, VALUES, max_size=5)


@given(DOCUMENTS)
def test_a_document_is_the_same_behind_yaml_and_json(data: dict[str, object]) -> None:
    written = yaml_text(data)
    assert parse_document(written, "x.yaml").data == data
    assert json.loads(json_text(data)) == data
    reader = YAML(typ="safe", pure=True)
    reader.version = (1, 1)  # type: ignore[assignment]
    assert reader.load(written) == data
