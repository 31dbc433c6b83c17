"""Each format's schema, read by a library of that format that nobody here wrote."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import avro.io
import avro.schema
import duckdb
import jsonschema_rs
import msgspec
import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.support.contracts import A_RECORD, EVERY_TYPE

from hansa.contracts.schemas import arrow, json_schema, protobuf, sql
from hansa.contracts.schemas import avro as avro_format
from hansa.contracts.schemas.contract import record_of
from hansa.contracts.schemas.protobuf import file_of
from hansa.errors import AuthorError, OperatorError
from hansa.model.product import ContractSpec, FieldSpec

RECORD = record_of(EVERY_TYPE)


def contract(*fields: FieldSpec) -> ContractSpec:
    return ContractSpec("operations.flights.departures", "1.0.0", fields)


def refused(form: Any, *fields: FieldSpec) -> AuthorError:
    with pytest.raises(AuthorError) as raised:
        form(record_of(contract(*fields)))
    assert raised.value.code == "schema.unrepresentable"
    return raised.value


def test_the_record_is_named_after_the_last_word_of_the_contract_id() -> None:
    assert RECORD.name == "Departure"
    assert record_of(EVERY_TYPE, "Flight").name == "Flight"


# Avro


@pytest.mark.filterwarnings("ignore:Unknown local-timestamp-micros")
def test_the_avro_package_reads_what_fastavro_wrote() -> None:
    """The package does not know local timestamps and gives their microseconds."""
    codec = avro_format.Codec(RECORD, namespace="operations.flights")
    schema = avro.schema.parse(json.dumps(codec.schema))
    found = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(codec.encode(A_RECORD))))
    assert found == {**A_RECORD, "planned_at": 1357017300000000, "run_id": str(A_RECORD["run_id"])}


def test_avro_has_every_logical_type_default_and_description() -> None:
    found = {field["name"]: field for field in avro_format.derive(RECORD)["fields"]}
    assert found["run_id"]["type"] == {"type": "string", "logicalType": "uuid"}
    assert found["state"]["type"] == {"type": "enum", "name": "DepartureState", "symbols": ["planned", "flown"]}
    assert found["day"]["type"] == {"type": "int", "logicalType": "date"}
    assert found["price"]["type"][1] == {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
    assert found["opens_at"]["type"][1] == {"type": "int", "logicalType": "time-millis"}
    assert found["planned_at"]["type"] == {"type": "long", "logicalType": "local-timestamp-micros"}
    assert found["left_at"]["type"][1] == {"type": "long", "logicalType": "timestamp-millis"}
    assert found["flight_id"]["doc"] == "Who flies when."
    assert found["source"]["default"] == "tower"
    assert found["delay_min"]["default"] is None


@pytest.mark.parametrize(
    ("field", "path", "words"),
    [
        (FieldSpec("n", "integer", options={"format": "u64"}), "n", "unsigned"),
        (FieldSpec("n", "number", options={"physicalType": "decimal"}), "n", "precision"),
        (FieldSpec("t", "time", options={"timezone": True}), "t", "zone"),
        (FieldSpec("e", "string", options={"enum": ["on time"]}), "e", "on time"),
        (FieldSpec("flight-id", "string"), "flight-id", "names"),
        (FieldSpec("o", "object"), "o", "an object without properties"),
        (FieldSpec("a", "any"), "a", "type any"),
        (FieldSpec("m", "map", keys=FieldSpec("k", "integer"), items=FieldSpec("v", "string")), "m", "keys of i64"),
        (FieldSpec("l", "array", items=FieldSpec("i", "time", options={"timezone": True})), "l[]", "zone"),
        (FieldSpec("s", "object", fields=(FieldSpec("x", "any"),)), "s.x", "type any"),
    ],
)
def test_avro_refuses_what_it_does_not_have(field: FieldSpec, path: str, words: str) -> None:
    error = refused(avro_format.derive, field)
    assert words in error.message
    assert error.details == {"format": "Avro", "path": path}
    assert error.hint


def test_avro_refuses_two_types_of_one_name() -> None:
    inner = FieldSpec("b", "object", fields=(FieldSpec("x", "string"),))
    error = refused(
        avro_format.derive, FieldSpec("a", "object", fields=(inner,)), FieldSpec("a_b", inner.type, fields=inner.fields)
    )
    assert "DepartureAB" in error.message


# JSON Schema


def plain_json() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(json_schema.Codec(RECORD).encode(A_RECORD))
    return found


def test_json_is_accepted_closed_and_open() -> None:
    for model in ("closed", "open"):
        schema = json_schema.derive(RECORD, model=model)  # type: ignore[arg-type]
        jsonschema_rs.meta.validate(schema)
        assert jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(plain_json())


def test_one_more_member_is_for_readers_only() -> None:
    more = plain_json() | {"gate": {"hall": "B", "floor": 2}}
    assert not jsonschema_rs.is_valid(json_schema.derive(RECORD), more)
    assert jsonschema_rs.is_valid(json_schema.derive(RECORD, model="open"), more)
    assert json_schema.Codec(RECORD).decode(msgspec.json.encode(more))["gate"] == {"hall": "B", "number": None}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flight_id", "u"),
        ("flight_id", None),
        ("run_id", "018f"),
        ("state", "late"),
        ("day", "2013-13-01"),
        ("seats", 32768),
        ("seats", 0),
        ("price", "99.905"),
        ("price", 99.9),
        ("opens_at", "04:30:00.1255"),
        ("planned_at", "2013-01-01T05:15:00Z"),
        ("left_at", "2013-01-01T05:15:00"),
        ("fees", {"bag": "12345.00"}),
        ("embedding", [0.5]),
        ("crew", [{"name": None}]),
    ],
)
def test_json_schema_refuses_without_looking_at_formats(name: str, value: object) -> None:
    """Validators need not look at `format` (2020-12, section 7.2.1)."""
    validator = jsonschema_rs.validator_for(json_schema.derive(RECORD), validate_formats=False)
    assert validator.is_valid(plain_json())
    assert not validator.is_valid(plain_json() | {name: value})


def test_json_has_no_infinities() -> None:
    with pytest.raises(AuthorError, match="delay_min: inf is no number of this format"):
        json_schema.Codec(RECORD).encode(A_RECORD | {"delay_min": float("inf")})


def test_json_of_another_type_is_refused_with_its_path() -> None:
    with pytest.raises(AuthorError) as raised:
        json_schema.Codec(RECORD).decode(msgspec.json.encode(plain_json() | {"fees": {"bag": 30}}))
    assert raised.value.code == "value.unrepresentable"
    assert raised.value.details == {"path": "fees{bag}"}


def test_keys_of_maps_that_are_numbers_come_back_as_numbers() -> None:
    record = record_of(
        contract(FieldSpec("m", "map", True, keys=FieldSpec("k", "integer"), items=FieldSpec("v", "string")))
    )
    codec = json_schema.Codec(record)
    assert codec.encode({"m": {-1: "a"}}) == b'{"m":{"-1":"a"}}'
    assert codec.decode(b'{"m":{"-1":"a"}}') == {"m": {-1: "a"}}
    assert not jsonschema_rs.is_valid(codec.schema, {"m": {"one": "a"}})


# Protobuf


def compiled(text: str) -> Any:
    """The descriptor that protoc makes of the text."""
    import google.type
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from grpc_tools import _protoc_compiler, protoc  # noqa: F401

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "it.proto").write_text(text, "utf-8")
        shared = str(Path(next(iter(google.type.__path__))).parent.parent)
        bundled = str(Path(protoc.__file__).parent / "_proto")
        made = Path(folder, "it.bin")
        status = protoc.main(["", f"-I{folder}", f"-I{shared}", f"-I{bundled}", f"-o{made}", "it.proto"])
        assert status == 0, text
        return FileDescriptorSet.FromString(made.read_bytes()).file[0]


def without_names_of_json(file: Any) -> str:
    """Text of a descriptor, without what only protoc adds."""
    lines = str(file).splitlines()
    return "\n".join(line for line in lines if "json_name" not in line and not line.startswith("name:"))


def test_protoc_makes_the_same_of_the_text_as_we_of_the_contract() -> None:
    file = file_of(RECORD, package="operations.flights")
    assert without_names_of_json(compiled(file.text)) == without_names_of_json(file.descriptor)


def test_protobuf_says_in_comments_what_it_has_no_types_for() -> None:
    text = protobuf.derive(RECORD)
    assert "  // Type: uuid\n  string run_id = 2;" in text
    assert "  // Type: decimal(10, 2)\n  optional .google.type.Decimal price = 8;" in text
    assert "  // Default: tower\n  optional string source = 17;" in text
    assert text.startswith('syntax = "proto3";\n')
    assert "// Every departure.\nmessage Departure {" in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ((FieldSpec("t", "time", options={"timezone": True}),), "zone"),
        ((FieldSpec("flight-id", "string"),), "names like"),
        ((FieldSpec("flight_id", "string"), FieldSpec("flightId", "string")), "for one"),
        ((FieldSpec("e", "string", options={"enum": ["on time"]}),), "on time"),
        ((FieldSpec("e", "string", options={"enum": ["a_b", "A_B"]}),), "for one"),
        ((FieldSpec("e", "string", options={"enum": ["unspecified"]}),), "for one"),
        ((FieldSpec("a", "any"),), "type any"),
    ],
)
def test_protobuf_refuses_what_it_does_not_have(fields: tuple[FieldSpec, ...], words: str) -> None:
    assert words in refused(protobuf.derive, *fields).message


def test_protoc_takes_the_names_that_we_take() -> None:
    fields = [FieldSpec(name, "string") for name in ("a", "A", "ab", "a_b")]
    values = FieldSpec("state", "string", options={"enum": ["a_b", "AB", "1st", "a1"]})
    assert compiled(protobuf.derive(record_of(contract(*fields, values)))).message_type[0].field[3].name == "a_b"


def test_protobuf_gives_the_default_for_what_is_not_there() -> None:
    before = record_of(contract(FieldSpec("id", "string", True)))
    after = record_of(
        contract(FieldSpec("id", "string", True), FieldSpec("n", "integer", True, options={"default": 7}))
    )
    assert protobuf.Codec(after).decode(protobuf.Codec(before).encode({"id": "a"})) == {"id": "a", "n": 7}


# Arrow


def test_arrow_has_exact_types_and_says_the_rest_in_metadata() -> None:
    schema = arrow.derive(RECORD)
    assert schema.field("run_id").type == pa.uuid()
    assert schema.field("price").type == pa.decimal128(10, 2)
    assert schema.field("left_at").type == pa.timestamp("ms", "UTC")
    assert schema.field("planned_at").type == pa.timestamp("us")
    assert schema.field("seats").type == pa.int16()
    assert schema.field("state").metadata == {b"hansa.type": b"enum", b"hansa.values": b'["planned","flown"]'}
    assert schema.field("flight_id").metadata[b"description"] == b"Who flies when."
    assert not schema.field("flight_id").nullable
    assert schema.field("crew").type.value_type.field("name").metadata[b"hansa.personal"] == b"true"


def test_arrow_survives_parquet() -> None:
    codec = arrow.Codec(RECORD)
    table = pa.Table.from_batches([codec.batch([A_RECORD])])
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    found = pyarrow.parquet.read_table(io.BytesIO(sink.getvalue()))
    assert [codec.plain(row) for row in found.to_pylist(maps_as_pydicts="strict")] == [A_RECORD]


def test_arrow_refuses_what_it_does_not_have() -> None:
    assert "zone" in refused(arrow.derive, FieldSpec("t", "time", options={"timezone": True})).message
    assert "77" in refused(arrow.derive, FieldSpec("d", "number", options={"physicalType": "decimal(77, 2)"})).message
    assert "type any" in refused(arrow.derive, FieldSpec("a", "any")).message


# SQL


def test_duckdb_holds_the_contract() -> None:
    with duckdb.connect() as database:
        database.execute(sql.derive(RECORD, "duckdb", "departures", key=["flight_id"]))
        described = {row[0]: row[1] for row in database.execute("DESCRIBE departures").fetchall()}
        comments = dict(database.execute("SELECT column_name, comment FROM duckdb_columns()").fetchall())
    assert described["state"] == "ENUM('planned', 'flown')"
    assert described["left_at"] == "TIMESTAMP WITH TIME ZONE"
    assert described["fees"] == "MAP(VARCHAR, DECIMAL(6,2))"
    assert described["embedding"] == "FLOAT[2]"
    assert described["gate"] == "STRUCT(hall VARCHAR, number BIGINT)"
    assert comments["flight_id"] == "Who flies when."


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t (gate, source) VALUES ({'hall': NULL, 'number': 1}, 'x')",
        "INSERT INTO t (gate, source) VALUES (NULL, NULL)",
    ],
)
def test_duckdb_refuses_nulls_where_the_contract_does(statement: str) -> None:
    fields = [field for field in EVERY_TYPE.fields if field.name in ("gate", "source")]
    with duckdb.connect() as database:
        database.execute(sql.derive(record_of(contract(*fields)), "duckdb", "t"))
        database.execute("INSERT INTO t (gate) VALUES (NULL), ({'hall': 'A', 'number': NULL})")
        assert database.execute("SELECT DISTINCT source FROM t").fetchall() == [("tower",)]
        with pytest.raises(duckdb.ConstraintException):
            database.execute(statement)


def test_names_are_quoted() -> None:
    record = record_of(contract(FieldSpec('say "hi"', "string", description="It's said.")))
    with duckdb.connect() as database:
        database.execute(sql.derive(record, "duckdb", "a table; --"))
        assert database.execute('SELECT "say ""hi""" FROM "a table; --"').fetchall() == []


def test_databases_refuse_what_they_do_not_have() -> None:
    nested = FieldSpec("l", "array", items=FieldSpec("i", "array", items=FieldSpec("x", "string")))
    assert "lists of lists" in refused(lambda r: sql.derive(r, "postgresql", "t"), nested).message
    wide = FieldSpec("d", "number", options={"physicalType": "decimal(39, 2)"})
    assert "39" in refused(lambda r: sql.derive(r, "duckdb", "t"), wide).message
    twins = (FieldSpec("a", "string"), FieldSpec("A", "string"))
    assert "one column" in refused(lambda r: sql.derive(r, "duckdb", "t"), *twins).message
    assert "63" in refused(lambda r: sql.derive(r, "postgresql", "t"), FieldSpec("n" * 64, "string")).message


# Values


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("price", A_RECORD["price"] / 7, "more than 2 digits behind"),
        ("price", A_RECORD["price"] * 10**8, "more than 8 digits before"),
        ("opens_at", A_RECORD["opens_at"].replace(microsecond=1), "finer than ms"),
        ("planned_at", A_RECORD["left_at"], "has a zone"),
        ("left_at", A_RECORD["planned_at"], "has no zone"),
        ("seats", 2**15, "16 bits"),
        ("seats", True, "no whole number"),
        ("state", "late", "none of planned, flown"),
        ("run_id", "018f3f2e-0000-7000-8000-000000000001", "no UUID"),
        ("flight_id", None, "required"),
        ("tags", ["a", None], "never null"),
        ("embedding", [1.0], "vector of 1"),
        ("height", 1, "no such field"),
    ],
)
@pytest.mark.parametrize("codec", [avro_format.Codec, json_schema.Codec, protobuf.Codec])
def test_a_value_that_its_type_does_not_hold_is_refused(codec: Any, name: str, value: object, words: str) -> None:
    with pytest.raises(AuthorError) as raised:
        codec(RECORD).encode(A_RECORD | {name: value})
    assert raised.value.code == "value.unrepresentable"
    assert str(raised.value.details["path"]).startswith(name)
    assert words in raised.value.message


def test_what_a_record_leaves_out_is_its_default_or_null() -> None:
    short = {name: value for name, value in A_RECORD.items() if name not in ("source", "gate")}
    codec = avro_format.Codec(RECORD)
    assert codec.decode(codec.encode(short)) == A_RECORD | {"source": "tower", "gate": None}


def test_a_default_that_is_no_value_is_refused() -> None:
    with pytest.raises(AuthorError) as raised:
        record_of(contract(FieldSpec("n", "integer", options={"default": "seven", "format": "i8"})))
    assert raised.value.code == "schema.default"


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (FieldSpec("n", "integer", options={"format": "i128"}), "i128"),
        (FieldSpec("t", "timestamp", options={"physicalType": "timestamp(9)"}), "microseconds"),
        (FieldSpec("d", "number", options={"physicalType": "decimal(2, 3)"}), "2 digits with 3"),
        (FieldSpec("v", "vector", options={"dimensions": 3, "elementType": "binary"}), "binary"),
        (FieldSpec("m", "map", keys=FieldSpec("k", "date"), items=FieldSpec("v", "string")), "keys of date"),
    ],
)
def test_what_no_format_carries_is_refused_for_all(field: FieldSpec, words: str) -> None:
    assert words in refused(lambda record: record, field).message


def test_schemas_load_no_library_before_it_is_needed() -> None:
    code = (
        "import sys\n"
        "from hansa.contracts.schemas import arrow, avro, json_schema, protobuf, sql, contract\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pyarrow", "fastavro", "google", "proto_schema_parser", "antlr4", "duckdb"} & set(loaded)


@pytest.mark.parametrize(
    ("library", "use"),
    [
        ("fastavro", lambda: avro_format.Codec(RECORD)),
        ("pyarrow", lambda: arrow.derive(RECORD)),
        ("google.type", lambda: protobuf.Codec(RECORD)),
        ("proto_schema_parser.parser", lambda: protobuf.derive(RECORD, previous="")),
    ],
)
def test_a_library_that_is_not_installed_is_named(library: str, use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(OperatorError) as raised:
        use()
    assert raised.value.code == "library.missing"
    assert "hansa[formats]" in str(raised.value.hint)
