"""Greets a person over HTTP, with an encapsulated answer."""

from hansa import DataProduct, http

from .shared import Person, greeting_of

product = DataProduct(__file__)


@product.logic
def greet(person: Person) -> str:
    return greeting_of(person)


@product.aggregator
def respond(message: str) -> dict[str, str]:
    return {"message": message}


product.process("greet", greet, respond, on=http.post("/", encapsulated=True))
