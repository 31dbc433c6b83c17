"""A verdict on JSON Schemas is kept by real documents: what the writer's schema accepts, the reader's accepts, too."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hansa.contracts.compatibility.json_schema import compatibility
from hansa.contracts.compatibility.verdict import SchemaText
from hansa.model.product import CompatibilityMode

DRAFT = "https://json-schema.org/draft/2020-12/schema"
NAMES = st.sampled_from(["a", "b", "ab"])
SMALL = st.integers(0, 3)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 4),
    st.sampled_from([0.5, 1.0, 2.5]),
    st.sampled_from(["", "a", "ab", "b1"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)


def optional(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=parts)


def kind(name: str, **parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return optional(**parts).map(lambda found: {"type": name, **found})


LEAVES = st.one_of(
    st.booleans(),
    st.just({}),
    optional(
        type=st.lists(
            st.sampled_from(["null", "string", "integer", "number", "object"]), min_size=1, max_size=3, unique=True
        )
    ),
    kind("integer", minimum=st.integers(-1, 2), exclusiveMaximum=st.integers(1, 4), multipleOf=st.sampled_from([1, 2])),
    kind("number", exclusiveMinimum=st.integers(-1, 2), maximum=SMALL, multipleOf=st.sampled_from([0.5, 1])),
    kind("string", minLength=SMALL, maxLength=SMALL, pattern=st.sampled_from(["^a", "b", "1$"])),
    st.lists(VALUES, min_size=1, max_size=3).map(lambda values: {"enum": values}),
    VALUES.map(lambda value: {"const": value}),
)


def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    branches = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        kind(
            "object",
            properties=st.dictionaries(NAMES, inner, max_size=2),
            required=st.lists(NAMES, max_size=2, unique=True),
            additionalProperties=inner,
            patternProperties=st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=1),
            minProperties=SMALL,
            maxProperties=SMALL,
            propertyNames=kind("string", maxLength=SMALL),
            dependentRequired=st.dictionaries(NAMES, st.lists(NAMES, min_size=1, max_size=1), max_size=1),
            dependentSchemas=st.dictionaries(NAMES, inner, max_size=1),
            unevaluatedProperties=inner,
        ),
        kind(
            "array",
            items=inner,
            prefixItems=branches,
            minItems=SMALL,
            maxItems=SMALL,
            uniqueItems=st.booleans(),
            contains=inner,
            minContains=st.integers(0, 2),
            unevaluatedItems=inner,
        ),
        st.tuples(st.sampled_from(["anyOf", "oneOf", "allOf"]), branches).map(lambda pair: {pair[0]: pair[1]}),
        inner.map(lambda schema: {"not": schema}),
        optional(then=inner, **{"else": inner, "if": inner}),
        st.tuples(inner, inner).map(lambda pair: {"$defs": {"x": pair[0]}, "anyOf": [pair[1], {"const": "b1"}]}),
    )


SCHEMAS = st.recursive(LEAVES, grown, max_leaves=6)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two schemas, the second often the first one with another part."""
    old = draw(SCHEMAS)
    new = draw(SCHEMAS)
    if isinstance(old, dict) and draw(st.booleans()):
        part = draw(SCHEMAS)
        new = draw(
            st.sampled_from(
                [
                    old,
                    {"anyOf": [old, part]},
                    {"oneOf": [old, part]},
                    {**old, **(part if isinstance(part, dict) else {})},
                ]
            )
        )
    return old, new


def accepts(schema: Any, value: Any) -> bool:
    return jsonschema_rs.Draft202012Validator(schema).is_valid(value)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs(), st.lists(VALUES, min_size=8, max_size=8))
def test_what_the_old_schema_accepts_a_compatible_new_one_accepts(pair: tuple[Any, Any], values: list[Any]) -> None:
    old, new = pair
    verdict = compatibility({"1": SchemaText(json.dumps(old))}, SchemaText(json.dumps(new)), CompatibilityMode.BACKWARD)
    if verdict.is_compatible:
        for value in values:
            assert accepts(new, value) or not accepts(old, value), (old, new, value)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCHEMAS)
def test_a_schema_is_compatible_with_itself(schema: Any) -> None:
    text = SchemaText(json.dumps(schema))
    assert compatibility({"1": text}, text, CompatibilityMode.FULL).differences == ()
