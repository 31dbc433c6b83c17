"""generate → import → encode: what `hansa sync` writes is what the run time checks with."""

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from hansa import ContractViolation, OutputPort, Record
from hansa.contracts.check import Validator
from hansa.contracts.generate import generate_ports
from hansa.contracts.types import class_name, python_name, record_type, singular
from hansa.errors import PlanError
from hansa.model.product import ContractSpec, FieldSpec, InputPortSpec, OutputPortSpec, PortKind, ProductSpec
from hansa.sdk.encode import key_text

LONG_PATTERN = '^(?:[A-Z]{2}[0-9]{1,4}|[A-Z]{3}-"quoted"-[0-9]{2})\\.(?:JFK|LGA|EWR|a rather long tail of it)$'

ORDER = ContractSpec(
    id="orders",
    version="1.0.0",
    description='What was "ordered"',
    key=("order_id",),
    subject="customer-id",
    fields=(
        FieldSpec("order_id", "string", required=True, description="Unique for ever, " * 9),
        FieldSpec("note", "string", options={"pattern": LONG_PATTERN, "maxLength": 200}),
        FieldSpec("customer-id", "string", required=True, personal=True),
        FieldSpec("class", "string", options={"enum": ["a", "b"]}),
        FieldSpec("date", "date"),
        FieldSpec("time", "time"),
        FieldSpec("float", "number", options={"minimum": 0, "exclusiveMaximum": 10}),
        FieldSpec("paid_at", "timestamp", required=True, options={"timezone": True}),
        FieldSpec("total", "number", required=True, options={"physicalType": "decimal(10,2)"}),
        FieldSpec("count", "integer", options={"format": "u8"}),
        FieldSpec("is_gift", "boolean"),
        FieldSpec("kind", "string", options={"enum": [f"a fairly long kind of order {n}" for n in range(6)]}),
        FieldSpec("address", "object", fields=(FieldSpec("city", "string", required=True),), description="Where to"),
        FieldSpec(
            "lines",
            "array",
            options={"minItems": 1},
            items=FieldSpec(
                "line", "object", fields=(FieldSpec("sku", "string", required=True), FieldSpec("n", "integer"))
            ),
        ),
        FieldSpec("matrix", "array", items=FieldSpec("row", "array", items=FieldSpec("cell", "number"))),
        FieldSpec("cart_id", "string", options={"format": "uuid"}),
        FieldSpec("currency", "string", required=True, options={"default": 'E"U"R'}),
        FieldSpec("tax", "number", options={"physicalType": "decimal(4, 2)", "default": "0.19"}),
        FieldSpec("due-at", "timestamp", options={"timezone": True, "default": "2013-01-01T00:00:00Z"}),
        FieldSpec(
            "shops",
            "map",
            keys=FieldSpec("key", "integer"),
            items=FieldSpec("shop", "object", fields=(FieldSpec("city", "string", required=True),)),
        ),
        FieldSpec("anything", "any"),
        FieldSpec("extra", "object"),
    ),
)
EMPTY = ContractSpec("empty", "1.0.0", ())
ORDERS = OutputPortSpec("shop.web/orders@1", "orders", "1.0.0", PortKind.STREAM, ORDER, partitions=4)
HOURLY = OutputPortSpec("weather.hours/hourly@2", "hourly", "2.0.0", PortKind.TABLE, EMPTY)
PRODUCT = ProductSpec("shop.web", "web", outputs=(ORDERS,), inputs=(InputPortSpec("weather_hourly", HOURLY.id),))


def generated() -> dict[str, object]:
    names: dict[str, object] = {}
    exec(generate_ports(PRODUCT, {HOURLY.id: HOURLY}), names)
    return names


def order(names: dict[str, object], **changes: object) -> Record:
    values = {"order_id": "o1", "customer_id": "ada", "paid_at": dt.datetime.now(dt.UTC), "total": Decimal("1.10")}
    return names["Order"](**(values | changes))  # type: ignore[operator]


def test_the_formatter_leaves_the_text_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "ports.py"
    file.write_text(generate_ports(PRODUCT, {HOURLY.id: HOURLY}))
    for width in ("88", "120"):
        command = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "--line-length", width, str(file)]
        assert (done := subprocess.run(command, capture_output=True, text=True)).returncode == 0, done.stdout
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "F,I,UP",
        "--target-version",
        "py311",
        str(file),
    ]
    assert (done := subprocess.run(command, capture_output=True, text=True)).returncode == 0, done.stdout


def test_the_text_is_the_same_each_time() -> None:
    assert generate_ports(PRODUCT, {HOURLY.id: HOURLY}) == generate_ports(PRODUCT, {HOURLY.id: HOURLY})


def test_a_product_without_ports_has_an_empty_file() -> None:
    exec(text := generate_ports(ProductSpec("shop.web", "web"), {}), {})
    assert text.count("\n") == 4


def test_written_classes_are_those_of_the_run_time() -> None:
    written, made = generated()["Order"], record_type("Order", ORDER)
    schema, expected = msgspec.json.schema(written), msgspec.json.schema(made)
    assert schema["$defs"]["Order"].pop("description") == "What was 'ordered'"
    assert expected["$defs"]["Order"].pop("description") == 'What was "ordered"'
    assert schema == expected
    assert schema["$defs"]["OrderLine"]["required"] == ["sku"]


def test_handles_carry_what_the_encoder_needs() -> None:
    names = generated()
    orders, hourly = names["orders"], names["weather_hourly"]
    assert isinstance(orders, OutputPort)
    assert (orders.id, orders.key, orders.partitions, orders.subject) == (
        "shop.web/orders@1",
        ("order_id",),
        4,
        "customer-id",
    )
    assert (hourly.id, hourly.kind, hourly.record) == ("weather.hours/hourly@2", "table", names["WeatherHourly"])  # type: ignore[attr-defined]


def test_required_fields_come_first_and_can_be_given_by_position() -> None:
    fields = [field.encode_name for field in msgspec.structs.fields(record_type("Order", ORDER))]
    assert fields[:5] == ["order_id", "customer-id", "paid_at", "total", "note"]


def test_what_is_left_out_has_the_default_of_the_contract() -> None:
    made = order(generated())
    assert (made.currency, made.tax, made.cart_id) == ('E"U"R', Decimal("0.19"), None)  # type: ignore[attr-defined]
    assert made.due_at == dt.datetime(2013, 1, 1, tzinfo=dt.UTC)  # type: ignore[attr-defined]


def test_a_good_record_is_encoded_under_the_names_of_the_contract() -> None:
    names = generated()
    [encoded] = names["orders"].encode([order(names, class_="a", date=dt.date(2013, 1, 1))])  # type: ignore[attr-defined]
    key, body = msgspec.msgpack.decode(encoded.entries)
    assert (key, encoded.subject, encoded.count) == ("o1", "ada", 1)
    assert (body["customer-id"], body["class"], body["date"]) == ("ada", "a", "2013-01-01")


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"order_id": 7}, "order_id", "field.type"),
        ({"order_id": None}, "order_id", "field.null"),
        ({"note": "x"}, "note", "field.pattern"),
        ({"class_": "c"}, "class", "field.enum"),
        ({"float_": -0.5}, "float", "field.range"),
        ({"float_": 10.0}, "float", "field.range"),
        ({"count": 256}, "count", "field.range"),
        ({"lines": []}, "lines", "field.length"),
        ({"lines": [{"n": 1}]}, "lines[0]", "field.missing"),
        ({"lines": [{"sku": 1}]}, "lines[0].sku", "field.type"),
        ({"shops": {1: {"town": "Ulm"}}}, "shops[...]", "field.missing"),
        ({"cart_id": "one"}, "cart_id", "field.type"),
        ({"paid_at": dt.datetime(2013, 1, 1)}, "paid_at", "field.type"),  # noqa: DTZ001
        ({"count": 2**70}, "count", "field.range"),
        ({"anything": object()}, "anything", "field.type"),
    ],
)
def test_a_bad_field_is_named_with_its_path_and_code(changes: dict[str, object], path: str, code: str) -> None:
    names = generated()
    with pytest.raises(ContractViolation) as refused:
        names["orders"].encode([order(names), order(names, **changes)])  # type: ignore[attr-defined]
    assert [(e["index"], e["path"], e["code"]) for e in refused.value.details["errors"]] == [(1, path, code)]
    assert refused.value.code == "contract.violated"


def test_every_violation_of_every_record_is_reported() -> None:
    names = generated()
    found = names["orders"].validate([order(names, note="x", count=-1), order(names), {"order_id": "o"}, 17])  # type: ignore[attr-defined]
    assert [(v.index, v.path) for v in found] == [
        (0, "note"), (0, "count"), (2, "customer-id"), (2, "paid_at"), (2, "total"), (3, "")
    ]  # fmt: skip


def test_plain_data_is_checked_without_generated_code() -> None:
    good = {"order_id": "o1", "customer-id": "ada", "paid_at": "2013-01-01T00:00:00Z", "total": "1.10"}
    validator = Validator(ORDERS)
    assert validator.validate([good]) == []
    assert validator.encode([good])[0].count == 1
    assert [v.code for v in validator.validate([good | {"count": 300}])] == ["field.range"]


def test_an_input_that_nobody_offers_is_named() -> None:
    with pytest.raises(PlanError) as refused:
        generate_ports(PRODUCT, {"weather.hours/hourly@1": HOURLY})
    assert refused.value.code == "port.unknown"
    assert "weather.hours/hourly@1" in str(refused.value.hint)


def test_an_older_major_keeps_its_number() -> None:
    older = OutputPortSpec("shop.web/orders@1", "orders", "1.4.0", PortKind.STREAM, EMPTY)
    newer = OutputPortSpec("shop.web/orders@2", "orders", "2.0.0", PortKind.STREAM, EMPTY)
    names: dict[str, object] = {}
    exec(generate_ports(ProductSpec("shop.web", "web", outputs=(older, newer)), {}), names)
    assert (names["orders"].id, names["orders_1"].id) == (newer.id, older.id)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("departures", "Departure"), ("hourly", "Hourly"), ("departure_weather", "DepartureWeather"), ("cities", "City"),
     ("status", "Status"), ("boxes", "Box"), ("news", "News")],
)  # fmt: skip
def test_classes_are_named_in_the_singular(name: str, expected: str) -> None:
    assert class_name(singular(name)) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("a-b", "a_b"), ("from", "from_"), ("1st", "_1st"), ("__x", "x_"), ("str", "str_")]
)
def test_names_become_identifiers(name: str, expected: str) -> None:
    assert python_name(name) == expected


def test_a_uuid_is_a_key_as_its_text_is() -> None:
    contract = ContractSpec("ids", "1.0.0", (FieldSpec("id", "string", True, options={"format": "uuid"}),), key=("id",))
    port = OutputPortSpec("shop.web/ids@1", "ids", "1.0.0", PortKind.LOOKUP, contract)
    text = "018f3f2e-0000-7000-8000-000000000001"
    [encoded] = Validator(port).encode([{"id": text}])
    assert msgspec.msgpack.decode(encoded.entries) == [text, {"id": text}]
    assert key_text([UUID(text)]) == key_text([text]) == text
