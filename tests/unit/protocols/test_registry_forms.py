from __future__ import annotations

import base64

import pytest

from hansa.contracts.compatibility.verdict import SchemaText
from hansa.errors import HansaError
from hansa.protocols.schema_registry import forms
from hansa.registry.values import SchemaType

PROTO = 'syntax = "proto3"; message A { string a = 1; int32 b = 2; }'


@pytest.mark.parametrize(
    ("form", "one", "other"),
    [
        ("AVRO", '{"type": "fixed", "name": "A", "size": 2}', '{"size":2,"name":"A",\n"type":"fixed"}'),
        ("JSON", '{"type": "object", "title": "ä"}', '{"title":"\\u00e4","type":"object"}'),
        ("PROTOBUF", PROTO, 'syntax = "proto3";\n// b first\nmessage A {\n  int32 b = 2;\n  string a = 1;\n}\n'),
    ],
)
def test_texts_that_differ_in_how_they_are_written_are_one_schema(form: SchemaType, one: str, other: str) -> None:
    assert forms.normal(form, SchemaText(one)) == forms.normal(form, SchemaText(other))
    assert forms.normalised(form, SchemaText(one)) == forms.normalised(form, SchemaText(other))


def test_a_descriptor_in_base64_is_written_out() -> None:
    sent = forms.serialised(SchemaText(PROTO))
    text = forms.readable("PROTOBUF", sent, {})
    assert text.startswith('syntax = "proto3";\nmessage A {')
    assert forms.normal("PROTOBUF", SchemaText(text)) == forms.normal("PROTOBUF", SchemaText(PROTO))


def test_a_descriptor_whose_text_would_lose_something_is_refused() -> None:
    extended = 'syntax = "proto2"; message A { optional string a = 1; extensions 100 to 200; }'
    assert code_of("PROTOBUF", forms.serialised(SchemaText(extended))) == "schema.malformed"


def test_the_bare_name_of_an_avro_type_is_a_schema() -> None:
    assert forms.readable("AVRO", " string ", {}) == '"string"'


def code_of(form: SchemaType, text: str) -> str:
    with pytest.raises(HansaError) as refused:
        forms.check(form, SchemaText(forms.readable(form, text, {})))
    return refused.value.code


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("AVRO", "{"), ("AVRO", '{"type": "nothing"}'), ("AVRO", "7"), ("AVRO", ""),
        ("AVRO", "[" * 5000), ("AVRO", '{"type": "record", "name": "A"}'),
        ("JSON", "{"), ("JSON", "[1]"), ("JSON", "7"), ("JSON", '{"type": 5}'), ("JSON", '{"minimum": "a"}'),
        ("JSON", '{"properties": 3}'), ("JSON", '{"allOf": [1]}'), ("JSON", "{" * 5000),
        ("JSON", '{"items": ' * 3000 + "{}" + "}" * 3000),
        ("PROTOBUF", "message"), ("PROTOBUF", 'syntax = "proto3"; import "gone.proto";'),
        ("PROTOBUF", base64.b64encode(b"\xff" * 12).decode()),
    ],
)  # fmt: skip
def test_what_is_no_schema_is_refused(form: SchemaType, text: str) -> None:
    assert code_of(form, text) == "schema.malformed"


def test_a_schema_of_a_megabyte_is_refused_before_it_is_read() -> None:
    assert code_of("AVRO", '"' + "ä" * (1 << 20) + '"') == "schema.too_large"
    assert code_of("AVRO", "ä" * (forms.SCHEMA_MAX_BYTES // 2 + 1)) == "schema.too_large"
