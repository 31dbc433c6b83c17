from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hansa.contracts.compatibility.proto_source import compile_proto
from hansa.contracts.compatibility.verdict import SchemaText
from hansa.contracts.schemas.protobuf_print import proto_text
from hansa.contracts.schemas.wire import wire_schema
from hansa.errors import AuthorError
from hansa.model.product import ContractSpec, FieldSpec

ID = FieldSpec("id", "string", required=True)
NUMBER = FieldSpec("number", "integer")
ANYTHING = FieldSpec("more", "object")
PLAIN = ContractSpec("shop.orders", "1.0.0", (NUMBER, ID), key=("id", "number"))


def test_without_a_word_it_is_avro_and_json_where_avro_cannot() -> None:
    assert wire_schema(PLAIN, "value").format == "avro"
    assert wire_schema(replace(PLAIN, fields=(ID, ANYTHING), key=("id",)), "value").format == "json"


def test_what_the_contract_asks_for_is_not_replaced() -> None:
    with pytest.raises(AuthorError, match="Avro") as refused:
        wire_schema(replace(PLAIN, fields=(ANYTHING,), wire_format="avro"), "value")
    assert refused.value.code == "schema.unrepresentable"


def test_a_json_schema_is_that_of_producers() -> None:
    schema = json.loads(wire_schema(replace(PLAIN, wire_format="json"), "value").text)
    assert schema["additionalProperties"] is False


def test_a_key_is_a_record_of_the_keys_fields_in_their_order_and_all_are_there() -> None:
    schema = json.loads(wire_schema(PLAIN, "key").text)
    assert schema["name"] == "OrderKey"
    assert [(field["name"], field["type"]) for field in schema["fields"]] == [("id", "string"), ("number", "long")]


def test_numbers_of_protobuf_stay_as_they_were_published() -> None:
    first = wire_schema(replace(PLAIN, fields=(ID,), wire_format="protobuf"), "value").text
    second = wire_schema(replace(PLAIN, wire_format="protobuf"), "value", first).text
    assert "string id = 1;" in second
    assert "optional int64 number = 2;" in second


def test_protobuf_on_a_topic_has_no_decimals_since_clients_have_not_their_file() -> None:
    price = FieldSpec("price", "number", required=True, options={"physicalType": "decimal(10, 2)"})
    with pytest.raises(AuthorError, match=r"google/type/decimal\.proto"):
        wire_schema(replace(PLAIN, fields=(price,), wire_format="protobuf"), "value")


PROTO3 = """
syntax = "proto3";
package a.b;
import "google/type/date.proto";
import public "google/protobuf/timestamp.proto";
enum Top { reserved 5, 7 to max; TOP_UNSPECIFIED = 0; TOP_ONE = 1; }
enum Twice { option allow_alias = true; TWICE_A = 0; TWICE_B = 0; }
message Order {
  reserved 3, 7 to 9, 100 to max;
  reserved "gone";
  message Inner { string x = 1; enum K { K_A = 0; } K k = 2; }
  string id = 1;
  optional int64 number = 2;
  oneof what { string s = 4; Inner inner = 5 [deprecated = true]; }
  map<string, Inner> by = 6;
  repeated sint32 many = 10 [packed = false];
  google.type.Date date = 11;
  Top top = 12;
}
service Shop { rpc Get(Order) returns (stream Order); rpc Put(stream Order) returns (Order); }
"""
PROTO2 = r"""
syntax = "proto2";
message Old {
  required string a = 1 [default = "x\"y\\z"];
  optional int32 b = 2 [default = -5];
  optional bytes c = 3 [default = "a\001"];
  optional E e = 4 [default = E_B];
  enum E { E_A = 0; E_B = 1; }
}
"""


@pytest.mark.parametrize("text", [PROTO3, PROTO2])
def test_a_descriptor_written_out_compiles_to_itself(text: str) -> None:
    before = compile_proto(SchemaText(text)).main
    after = compile_proto(SchemaText(proto_text(before))).main
    for file in (before, after):
        for message in file.message_type:
            message.field.sort(key=lambda field: field.number)
    assert after == before
