"""Documents of a mesh: what is kept, what is made again, and what each product adds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from hansa.lifecycle.standing import Standing
from hansa.model.product import (
    ContractSpec,
    FieldSpec,
    HttpTrigger,
    OutputPortSpec,
    PortKind,
    PortTrigger,
    ProcessSpec,
    ProductSpec,
    ProductState,
    StepSpec,
)
from hansa.model.window import Dates, Phase, Versions
from hansa.server import openapi
from hansa.server.api.operations import declared
from hansa.server.descriptions import Descriptions, Shown
from hansa.server.notice import Notice, notice_of

FIELDS = (
    FieldSpec("item", "string", required=True, description="Which one", options={"examples": ["bolt", "nut"]}),
    FieldSpec("count", "integer"),
)
URL = "http://hansa.example.org"


def port(name: str = "stock@1", product: str = "shop.orders", status: str = "active") -> OutputPortSpec:
    major = name.partition("@")[2]
    contract = ContractSpec(f"{product}.stock", f"{major}.0.0", FIELDS, ("item",), status=status)
    return OutputPortSpec(f"{product}/{name}", name.partition("@")[0], f"{major}.0.0", PortKind.STREAM, contract)


def product(*ports: OutputPortSpec, name: str = "shop.orders", triggers: tuple[Any, ...] = ()) -> ProductSpec:
    processes = (ProcessSpec("follow", (StepSpec("s", "s"),), triggers),) if triggers else ()
    return ProductSpec(name, "Orders", outputs=ports, processes=processes, owner="ada")


def shown(spec: ProductSpec, revision: str = "r1", state: ProductState = ProductState.ACTIVE) -> Shown:
    return Shown(spec, revision, state)


def plain(document: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(document))


@pytest.fixture
def descriptions() -> Descriptions:
    return Descriptions("1.2.3", declared)


def test_a_port_is_read_over_http_as_the_document_says(descriptions: Descriptions) -> None:
    paths = plain(descriptions.openapi([shown(product(port()))]))["paths"]
    records = paths["/ports/shop.orders/stock@1/records"]["get"]
    assert records["operationId"] == "shop_orders_stock_v1_records"
    assert records["responses"]["200"]["content"].keys() == {
        "application/json", "application/cloudevents-batch+json", "text/event-stream",
    }  # fmt: skip
    lookup = paths["/ports/shop.orders/stock@1/lookup"]["get"]
    assert lookup["parameters"][0] == {
        "name": "item", "in": "query", "required": True, "schema": {"type": "string"}, "description": "Which one",
    }  # fmt: skip


def test_a_port_without_a_key_cannot_be_looked_into(descriptions: Descriptions) -> None:
    contract = ContractSpec("stock", "1.0.0", FIELDS)
    spec = product(OutputPortSpec("shop.orders/stock@1", "stock", "1.0.0", PortKind.STREAM, contract))
    assert "/ports/shop.orders/stock@1/lookup" not in descriptions.openapi([shown(spec)])["paths"]


def test_records_have_one_schema_with_the_examples_of_the_contract(descriptions: Descriptions) -> None:
    schemas = plain(descriptions.openapi([shown(product(port()))]))["components"]["schemas"]
    assert schemas["shop.orders.stock.v1"]["properties"]["item"]["examples"] == ["bolt", "nut"]
    assert "additionalProperties" not in schemas["shop.orders.stock.v1"]
    streams = plain(descriptions.asyncapi([shown(product(port()))], URL))["components"]["schemas"]
    assert streams["shop.orders.stock.v1"] == schemas["shop.orders.stock.v1"]
    assert streams["shop.orders.stock.v1.avro"]["schema"]["namespace"] == "shop.orders.stock.v1"


@pytest.mark.parametrize(
    ("status", "state", "is_deprecated"),
    [
        ("active", ProductState.ACTIVE, False),
        ("deprecated", ProductState.ACTIVE, True),
        ("active", ProductState.DEPRECATED, True),
    ],
)
def test_what_is_deprecated_is_told_alike_everywhere(
    status: str, state: ProductState, is_deprecated: bool, descriptions: Descriptions
) -> None:
    spec = product(port(status=status), port("stock@2"))
    api = plain(descriptions.openapi([shown(spec, state=state)]))["paths"]["/ports/shop.orders/stock@1/records"]["get"]
    streams = plain(descriptions.asyncapi([shown(spec, state=state)], URL))
    marks = {"x-deprecated": True, "x-successor": "shop.orders/stock@2"}
    told = (
        api, streams["channels"]["shop.orders.stock.v1"], streams["operations"]["shop.orders.stock.v1.send"],
        streams["components"]["messages"]["shop.orders.stock.v1"],
    )  # fmt: skip
    assert [marks.items() <= one.items() for one in told] == [is_deprecated] * len(told)
    assert api.get("deprecated", False) is is_deprecated
    assert streams["components"]["schemas"]["shop.orders.stock.v1.event"].get("deprecated", False) is is_deprecated


def test_a_notice_names_the_newest_major_of_the_same_port_only() -> None:
    ports = [port(), port("stock@3"), port("stock@2"), port("sales@9")]
    assert notice_of(ports[0], ProductState.ACTIVE, ports) == Notice("active")
    assert notice_of(ports[0], ProductState.DEPRECATED, ports) == Notice("deprecated", "shop.orders/stock@3")
    assert notice_of(ports[1], ProductState.DEPRECATED, ports) == Notice("deprecated", None)


@pytest.mark.parametrize(
    ("phase", "status"),
    [
        (Phase.UPCOMING, "active"),
        (Phase.BOTH, "active"),
        (Phase.DEPRECATED, "deprecated"),
        (Phase.ENDED_SUPPORT, "deprecated"),
        (Phase.ENDED, "retired"),
    ],
)
def test_a_notice_follows_the_phase_of_the_window_and_says_when_it_ends(phase: Phase, status: str) -> None:
    ports = [port(), port("stock@2")]
    versions = Versions(ports[0].id, ports[1].id, Dates(None, None, datetime(2031, 12, 31, tzinfo=UTC)))
    notice = notice_of(ports[0], ProductState.ACTIVE, ports, Standing(versions, phase, None, None))
    assert notice == Notice(status, "shop.orders/stock@2", "2031-12-31")
    assert (notice.words().get("deprecated"), notice.words()["x-sunset"]) == (status != "active" or None, "2031-12-31")


def test_the_part_of_a_product_is_made_once_for_its_revision_and_its_notices(
    descriptions: Descriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = openapi.part_of
    monkeypatch.setattr(
        openapi, "part_of", lambda spec, notices, **given: made.append(spec.id) or real(spec, notices, **given)
    )
    spec, other = product(port()), product(port(product="shop.tills"), name="shop.tills")
    for _ in range(3):
        descriptions.openapi([shown(spec), shown(other)])
        descriptions.openapi_of(shown(spec))
    assert made == ["shop.orders", "shop.tills"]
    descriptions.openapi([shown(spec, "r2"), shown(other)])
    descriptions.openapi([shown(spec, "r2", ProductState.DEPRECATED), shown(other)])
    assert made[2:] == ["shop.orders", "shop.orders"]
    descriptions.keep(["shop.orders"])
    descriptions.openapi([shown(spec, "r2", ProductState.DEPRECATED), shown(other)])
    assert made[4:] == ["shop.tills"]


def test_who_may_not_see_a_product_is_told_its_public_routes_and_no_more(descriptions: Descriptions) -> None:
    triggers = (HttpTrigger("GET", "/shop/orders/open", public=True), HttpTrigger("GET", "/shop/orders/own"))
    spec = product(port(), triggers=triggers)
    paths = descriptions.openapi([Shown(spec, "r1", ProductState.DRAFT, is_whole=False)])["paths"]
    assert [path for path in paths if "shop" in path] == ["/shop/orders/open"]
    whole = descriptions.openapi([shown(spec)])["paths"]
    assert {"/shop/orders/own", "/ports/shop.orders/stock@1/records"} <= whole.keys()


def test_a_stream_tells_who_sends_and_who_receives(descriptions: Descriptions) -> None:
    reader = product(name="shop.tills", triggers=(PortTrigger("shop.orders/stock@1"), PortTrigger("shop.gone/it@1")))
    both = plain(descriptions.asyncapi([shown(product(port())), shown(reader)], URL))
    told = {name: one["action"] for name, one in both["operations"].items()}
    assert told == {
        "shop.orders.stock.v1.send": "send", "shop.tills.follow.shop.orders.stock.v1": "receive",
    }  # fmt: skip
    assert both["servers"]["hansa"]["host"] == "hansa.example.org"
    own = plain(descriptions.asyncapi_of(shown(reader), [shown(product(port()))], URL))
    assert own["channels"].keys() == {"shop.orders.stock.v1"}
    assert own["operations"].keys() == {"shop.tills.follow.shop.orders.stock.v1"}
    alone = plain(descriptions.asyncapi_of(shown(reader), [], URL))
    assert (alone["channels"], alone["operations"]) == ({}, {})


def test_a_document_of_a_product_says_who_answers_for_it(descriptions: Descriptions) -> None:
    found = plain(descriptions.asyncapi_of(shown(product(port())), [], URL))["info"]
    assert (found["contact"], found["tags"]) == ({"name": "ada"}, [{"name": "shop"}])
    assert found["externalDocs"]["url"] == f"{URL}/products/shop.orders/document"
