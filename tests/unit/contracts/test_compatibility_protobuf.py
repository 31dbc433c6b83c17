"""Protobuf: what a difference is called and where it stands; what bytes have to say; what is refused."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory

from hansa.contracts.compatibility.proto_source import ProtoFiles, compile_proto
from hansa.contracts.compatibility.protobuf import breaks, compare, compatibility
from hansa.contracts.compatibility.verdict import Direction, SchemaText
from hansa.errors import AuthorError
from hansa.model.product import CompatibilityMode

HEAD = 'syntax = "proto3"; package shop; '
BACKWARD, FORWARD = frozenset({Direction.READERS_OF_OLD_DATA}), frozenset({Direction.OLD_READERS})
BOTH = BACKWARD | FORWARD


def compiled(body: str, head: str = HEAD) -> ProtoFiles:
    return compile_proto(SchemaText(head + body))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("message O { int32 a = 1; }", "message O { int64 a = 1; }", [("O.a", "type.narrowed", FORWARD)]),
        ("message O { int32 a = 1; }", "message O { string a = 1; }", [("O.a", "type.changed", BOTH)]),
        ("message O { int32 a = 1; }", "message O { int32 b = 1; }", [("O.b", "field.renamed", frozenset())]),
        ("message O { int32 a = 1; }", "message O { repeated int32 a = 1; }", [("O.a", "label.changed", BOTH)]),
        ("message O { int32 a = 1; }", "message O { optional int32 a = 1; string b = 2; }", []),
        (
            "message O { int32 a = 1; string b = 2; }",
            "message O { oneof x { int32 a = 1; string b = 2; } }",
            [("O.x", "oneof.joined", BACKWARD)],
        ),
        (
            "message O { oneof x { int32 a = 1; string b = 2; } }",
            "message O { oneof x { int32 a = 1; } }",
            [("O.b", "oneof.field_removed", BACKWARD)],
        ),
        ("message O { int32 a = 1; }", "message O { oneof x { int32 a = 1; } }", []),
        (
            "message O { map<string, int32> m = 1; }",
            "message O { map<string, string> m = 1; }",
            [("O.m{}", "type.changed", BOTH)],
        ),
        (
            "message O { message I { int32 a = 1; } I i = 1; }",
            "message O { message I { string a = 1; } I i = 1; }",
            [("O.I.a", "type.changed", BOTH)],
        ),
        ("message O {} message P {}", "message O {}", [("P", "message.missing", BACKWARD)]),
        ("message O { reserved 2; }", "message O { int32 a = 2; }", [("O.a", "number.reused", BACKWARD)]),
        ("message O { int32 a = 2; }", "message O { reserved 2; }", []),
        ("enum E { A = 0; B = 1; }", "enum E { A = 0; }", []),
        (
            "enum E { A = 0; B = 1; C = 2; }",
            "enum E { A = 0; C = 1; }",
            [("E.B", "enum.number_moved", BACKWARD), ("E.C", "enum.number_moved", FORWARD)],
        ),
        (
            "message O {} service S { rpc Get(O) returns (O); rpc Put(O) returns (O); }",
            "message O {} service S { rpc Get(O) returns (stream O); }",
            [("S.Get", "method.changed", FORWARD), ("S.Put", "method.removed", FORWARD)],
        ),
        ("message O {} service S {}", "message O {}", [("S", "service.removed", FORWARD)]),
    ],
)
def test_a_difference_has_its_path_its_kind_and_who_is_hit(old: str, new: str, expected: list[Any]) -> None:
    assert [(one.path, one.kind, one.hits) for one in compare(compiled(old), compiled(new))] == expected


def test_another_package_is_the_one_difference() -> None:
    other = compiled("message P {}", 'syntax = "proto3"; package other; ')
    assert [(one.kind, one.old, one.new) for one in compare(compiled("message O {}"), other)] == [
        ("package.changed", "shop", "other")
    ]


def test_required_fields_and_closed_enumerations_of_proto2() -> None:
    head = 'syntax = "proto2"; package shop; '
    old = compiled("message O { optional int32 a = 1; } enum E { A = 0; B = 1; }", head)
    new = compiled("message O { required int32 a = 1; } enum E { A = 0; }", head)
    assert [(one.path, one.kind, one.hits) for one in compare(old, new)] == [
        ("O.a", "field.required", BACKWARD),
        ("E.B", "enum.symbol_missing", BACKWARD),
    ]


def test_types_come_from_imports() -> None:
    body = HEAD + 'import "shop/money.proto"; import "google/protobuf/timestamp.proto"; '
    body += "message O { Money price = 1; google.protobuf.Timestamp at = 2; }"
    texts = [
        SchemaText(body, {"shop/money.proto": f"{HEAD} message Money {{ {kind} cents = 1; }}"})
        for kind in ("int64", "string")
    ]
    verdict = compatibility({"1": texts[0]}, texts[1], CompatibilityMode.BACKWARD)
    assert [(one.path, one.kind) for one in verdict.breaking] == [("Money.cents", "type.changed")]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (SchemaText("message {"), "schema.proto:1"),
        (SchemaText(HEAD + 'import "missing.proto";'), "missing.proto"),
        (SchemaText(HEAD, {"../escape.proto": ""}), "../escape.proto"),
        (SchemaText(HEAD, {"/etc/x.proto": ""}), "/etc/x.proto"),
    ],
)
def test_what_is_no_schema_is_refused_in_the_compilers_words(source: SchemaText, said: str) -> None:
    with pytest.raises(AuthorError) as refused:
        compile_proto(source)
    assert refused.value.code == "schema.malformed"
    assert said in refused.value.message


SAMPLES: dict[str, list[Any]] = {
    "int32": [-1, 1, 2**31 - 1],
    "int64": [-1, 1, 2**63 - 1],
    "uint32": [1, 2**32 - 1],
    "uint64": [1, 2**64 - 1],
    "sint32": [-1, 1, 2**31 - 1],
    "sint64": [-1, 1, 2**63 - 1],
    "fixed32": [1, 2**32 - 1],
    "fixed64": [1, 2**64 - 1],
    "sfixed32": [-1, 1],
    "sfixed64": [-1, 1],
    "float": [0.5],
    "double": [0.1],
    "bool": [True],
    "string": ["a", "é"],
    "bytes": [b"a", b"\xff"],
    "E": [0, 1, -1],
}


def message(files: ProtoFiles) -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(files.main)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.O"))


def meaning(kind: str, value: Any) -> Any:
    """What a value says: a number of an enumeration that has no name says nothing."""
    if kind == "E" and value not in SAMPLES["E"]:
        return None
    return value.encode() if isinstance(value, str) else value


def keeps(old: ProtoFiles, new: ProtoFiles, kinds: tuple[str, str], value: Any) -> bool:
    try:
        read = message(new).FromString(message(old)(a=value).SerializeToString()).a
    except Exception:
        return False
    said, heard = meaning(kinds[0], value), meaning(kinds[1], read)
    return said == heard and isinstance(said, bytes) == isinstance(heard, bytes)


def test_each_pair_of_types_is_judged_as_its_bytes_fare() -> None:
    """A verdict "incompatible" has a witness among the samples, and "compatible" has none."""
    files = {kind: compiled(f"enum E {{ A = 0; B = 1; C = -1; }} message O {{ {kind} a = 1; }}") for kind in SAMPLES}
    wrong = [
        (old, new)
        for old, new in product(SAMPLES, SAMPLES)
        if {old, new} != {"bool", "E"}  # a truth value is no symbol, though the numbers are the same
        and all(keeps(files[old], files[new], (old, new), value) for value in SAMPLES[old])
        != (not list(breaks(files[old], files[new])))
    ]
    assert wrong == []


def test_the_last_field_of_a_oneof_wins() -> None:
    """The witness of `oneof.joined`."""
    old, new = (
        compiled(f"message O {{ {body} }}")
        for body in ("int32 a = 1; int32 b = 2;", "oneof x { int32 a = 1; int32 b = 2; }")
    )
    assert message(new).FromString(message(old)(a=1, b=2).SerializeToString()).a == 0
    assert [one.kind for one in breaks(old, new)] == ["oneof.joined"]
