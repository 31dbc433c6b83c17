"""The work that every contender does for one call: two logics and an aggregator, at each durability."""

from typing import Any, TypedDict

from hansa import DataProduct, http

TAX_PERCENT = 19

product = DataProduct(__file__)


class Item(TypedDict):
    sku: str
    quantity: int
    price_cents: int


class Order(TypedDict):
    order: int
    items: list[Item]


@product.logic
def add_total(order: Order) -> dict[str, Any]:
    return {**order, "total": sum(item["quantity"] * item["price_cents"] for item in order["items"])}


@product.logic
def add_tax(order: dict[str, Any]) -> dict[str, Any]:
    return {**order, "tax": order["total"] * TAX_PERCENT // 100}


@product.aggregator
def summarise(order: dict[str, Any]) -> dict[str, Any]:
    return {name: order[name] for name in ("order", "total", "tax")}


product.process("run", add_total, add_tax, summarise, on=http.post("/run"))
product.process("step", add_total, add_tax, summarise, on=http.post("/step"), durability="step")
product.process("none", add_total, add_tax, summarise, on=http.post("/none"), durability="none")
