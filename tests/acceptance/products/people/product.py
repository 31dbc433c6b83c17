"""Records of persons, and runs and events that speak of them."""

from typing import Any

import msgspec

from hansa import Context, DataProduct, Problem, http, on, publish_to, reply

from .ports import Customer, Visit, customers, visits

product = DataProduct(__file__)


@product.logic
def told(body: Customer, *, ctx: Context) -> Customer:
    print("new customer", body.email)
    ctx.emit("customer.told", source="crm", target="crm", payload={"email": body.email, "city": body.city})
    return body


@product.logic
def found(*, ctx: Context, customer_id: str) -> dict[str, Any]:
    customer = ctx.lookup(customers, customer_id=customer_id)
    if customer is None:
        raise Problem(404, "customer.unknown", "Nobody has that id")
    return msgspec.to_builtins(customer)


@product.logic
def broken(body: dict[str, Any]) -> None:
    raise ValueError(f"cannot write to {body['email']}")


@product.logic
def visited(body: list[Visit]) -> list[Visit]:
    return body


@product.logic
def greeted(customer: Customer) -> str:
    return f"Dear {customer.email}"


@product.logic
def counted(visit: Visit) -> int:
    return visit.number


product.process("put", told, publish_to(customers), on=http.put("/customers"))
product.process("get", found, reply, on=http.get("/customers/{customer_id}"))
product.process("write", broken, reply, on=http.post("/mails"))
product.process("visit", visited, publish_to(visits), on=http.post("/visits"))
product.process("greet", greeted, reply, on=on(customers))
product.process("count", counted, reply, on=on(visits))
