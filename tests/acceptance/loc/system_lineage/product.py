"""Three logics that call two services; who called what is found out without any code that says so."""

from dataclasses import dataclass
from typing import Any

from hansa import DataProduct, Http, http, reply

product = DataProduct(__file__)


@dataclass(frozen=True)
class Order:
    id: str


@product.logic
def invoice(order: Order, *, billing: Http) -> dict[str, Any]:
    return {"order": order.id, "invoice": billing.post("/invoices", {"order": order.id}).json()}


@product.logic
def ship(invoiced: dict[str, Any], *, shipping: Http) -> dict[str, Any]:
    return {**invoiced, "parcel": shipping.post("/parcels", {"order": invoiced["order"]}).json()}


@product.logic
def confirm(shipped: dict[str, Any], *, billing: Http, shipping: Http) -> dict[str, Any]:
    billing.get(f"/invoices/{shipped['order']}")
    shipping.get(f"/parcels/{shipped['order']}")
    return shipped


product.process("order", invoice, ship, confirm, reply, on=http.post("/orders"))
