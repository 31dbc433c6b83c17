"""OpenAPI of the deployed routes: parameters, bodies, answers, and schemas that keep apart."""

from __future__ import annotations

from typing import Any

import pytest

from hansa.model.product import HttpTrigger, ParameterSpec, ProcessSpec, ProductSpec, StepSpec
from hansa.server.openapi import document, part_of

ORDER = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Order"}, {"type": "null"}]}}}
REFERENCE = {"$ref": "#/$defs/Order", "$defs": {"Order": ORDER}}


def process(name: str, trigger: HttpTrigger, *parameters: ParameterSpec, description: str = "") -> ProcessSpec:
    return ProcessSpec(name, (StepSpec("s", "s", parameters=parameters),), (trigger,), description)


def described(product_id: str, *processes: ProcessSpec) -> dict[str, Any]:
    return together(ProductSpec(product_id, "A product", processes=processes))


def together(*specs: ProductSpec) -> dict[str, Any]:
    return document("1.2.3", [part_of(spec, {}) for spec in specs])


def test_a_route_stands_under_its_path_and_method() -> None:
    get = process("show", HttpTrigger("GET", "/orders", body="none"), description="Shows it.\n\nAll of it.")
    found = described("shop.orders", get, process("place", HttpTrigger("POST", "/orders")))
    assert (found["openapi"], found["info"]["version"]) == ("3.1.0", "1.2.3")
    assert found["paths"].keys() == {"/orders"}
    shown, placed = found["paths"]["/orders"]["get"], found["paths"]["/orders"]["post"]
    assert (shown["operationId"], shown["tags"], shown["summary"]) == (
        "shop_orders_show_get",
        ["shop.orders"],
        "Shows it.",
    )
    assert placed["summary"] == "place"
    assert "requestBody" not in shown


@pytest.mark.parametrize(("public", "security"), [(True, []), (False, [{"token": []}])])
def test_a_route_needs_a_token_unless_it_is_public(public: bool, security: list[Any]) -> None:
    found = described("shop.orders", process("show", HttpTrigger("GET", "/orders", public=public)))
    assert found["paths"]["/orders"]["get"]["security"] == security


def test_parameters_are_those_of_the_path_and_the_query() -> None:
    found = described(
        "shop.orders",
        process(
            "show",
            HttpTrigger("GET", "/orders/{order}/{line}"),
            ParameterSpec("order", "path", "int", {"type": "integer"}, required=False),
            ParameterSpec("page", "query", "int", {"type": "integer"}, required=False),
            ParameterSpec("other", "path", "str"),
            ParameterSpec("ctx", "ctx", "Context"),
        ),
    )
    assert found["paths"]["/orders/{order}/{line}"]["get"]["parameters"] == [
        {"name": "order", "in": "path", "required": True, "schema": {"type": "integer"}},
        {"name": "page", "in": "query", "required": False, "schema": {"type": "integer"}},
        {"name": "line", "in": "path", "required": True, "schema": {"type": "string"}},
    ]


def test_a_shared_route_has_the_parameters_of_all_its_processes() -> None:
    get = HttpTrigger("GET", "/shared")
    found = described(
        "shop.orders",
        process("a", get, ParameterSpec("x", "query", "str", {"type": "string"})),
        process("b", get, ParameterSpec("x", "query", "int"), ParameterSpec("y", "query", "int")),
    )
    told = found["paths"]["/shared"]["get"]["parameters"]
    assert [(p["name"], p["schema"]) for p in told] == [("x", {"type": "string"}), ("y", {})]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("json", "application/json"),
        ("form", "application/x-www-form-urlencoded"),
        ("text", "text/plain"),
        ("bytes", "application/octet-stream"),
    ],
)
def test_a_body_has_its_content_type(body: Any, kind: str) -> None:
    schema = {"type": "integer"}
    found = described("shop.orders", process("place", HttpTrigger("POST", "/o", body=body, body_schema=schema)))
    assert found["paths"]["/o"]["post"]["requestBody"] == {"required": True, "content": {kind: {"schema": schema}}}


def answers(trigger: HttpTrigger) -> dict[str, Any]:
    responses: dict[str, Any] = described("shop.orders", process("p", trigger))["paths"]["/o"]["post"]["responses"]
    return responses


def test_a_result_has_its_schema_unless_it_is_encapsulated_or_comes_later() -> None:
    schema = {"type": "integer"}
    told = answers(HttpTrigger("POST", "/o", result_schema=schema))
    assert told["200"]["content"]["application/json"]["schema"] == schema
    hidden = answers(HttpTrigger("POST", "/o", result_schema=schema, encapsulated=True))
    assert hidden["200"]["content"]["application/json"]["schema"] == {}
    later = answers(HttpTrigger("POST", "/o", result_schema=schema, mode="async"))
    assert later.keys() == {"202", "2XX", "401", "403", "422", "500", "default"}
    assert later["422"]["content"]["application/problem+json"]["schema"]["$ref"] == "#/components/schemas/Problem"


def test_definitions_of_two_products_keep_apart_and_references_follow_them() -> None:
    found = together(
        *(
            ProductSpec(
                name,
                name,
                processes=(process("place", HttpTrigger("POST", f"/{name}", body_schema=REFERENCE)),),
            )
            for name in ("shop.orders", "old.orders")
        )
    )
    schemas = found["components"]["schemas"]
    assert schemas.keys() == {"shop.orders.Order", "old.orders.Order"}
    own = "#/components/schemas/shop.orders.Order"
    body = found["paths"]["/shop.orders"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": own}
    assert schemas["shop.orders.Order"]["properties"]["next"]["anyOf"][0] == {"$ref": own}
