"""Expectations of consumers, held against the contract of a candidate and against what it would publish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hansa.contracts.expectations import check_of, contradiction
from hansa.lifecycle.plan import Expected
from hansa.model.product import Expectation, OutputPortSpec, ProductSpec
from hansa.sdk.finding import Finding


class Tried(NamedTuple):
    """Records of one port to try expectations on. `how` says where they come from; `note` why they are not those of a
    dry run, or what such a run came to."""

    how: str
    records: Sequence[dict[str, Any]]
    note: str = ""


def expected_of(port: str, others: Iterable[ProductSpec]) -> Iterator[tuple[str, Expectation]]:
    """(product, expectation) of everyone who expects something of a port."""
    for spec in others:
        for item in spec.inputs:
            if item.port == port:
                yield from ((spec.id, one) for one in item.expects)


def wrong_expectations(spec: ProductSpec, ports: Mapping[str, OutputPortSpec]) -> Iterator[Finding]:
    """The expectations of a product that its inputs can never keep, each with its line."""
    for item in spec.inputs:
        port = ports.get(item.port)
        if port is None:
            continue
        for one in item.expects:
            if (why := contradiction(one.field, port.contract.fields)) is not None:
                message = f"What {item.name} expects contradicts the contract of {item.port}: {why}"
                known = ", ".join(field.name for field in port.contract.fields)
                yield Finding("expectation.wrong", message, f"Its fields are {known}.", "product.yaml", one.line)


def judged(
    port: OutputPortSpec | None, port_id: str, expecting: Iterable[tuple[str, Expectation]], tried: Tried
) -> list[Expected]:
    """What each expectation comes to: on the contract of the candidate's port (None: it is gone), and where that can
    keep it, on the records."""
    return [_judged(port, port_id, product, one, tried) for product, one in expecting]


def _judged(port: OutputPortSpec | None, port_id: str, product: str, one: Expectation, tried: Tried) -> Expected:
    name = one.field.name
    why = "the port is gone" if port is None else contradiction(one.field, port.contract.fields)
    if port is None or why is not None:
        return Expected(port_id, product, name, "contract", (why or "",))
    promised = next(field for field in port.contract.fields if field.name == name)
    check = check_of(one.field, promised)
    found = [failure for record in tried.records if (failure := check(record)) is not None]
    count = f" ({len(found)} of {len(tried.records)} records)"
    return Expected(port_id, product, name, tried.how, (found[0] + count,) if found else ())
