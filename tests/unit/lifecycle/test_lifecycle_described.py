"""A worker describes its processes; what else it says of its product counts for nothing."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from hansa.errors import PlanError
from hansa.lifecycle.misfits import described
from hansa.model.product import ContractSpec, HttpTrigger, LimitSpec, OutputPortSpec, PortKind, ProcessSpec, ProductSpec

DECLARED = ProductSpec("shop.orders", "Orders")
PORT = OutputPortSpec("bank.rates/rates@1", "rates", "1.0.0", PortKind.STREAM, ContractSpec("r", "1.0.0", ()))


def told(spec: ProductSpec) -> bytes:
    return msgspec.msgpack.encode(spec)


def test_only_logic_and_processes_are_taken() -> None:
    process = ProcessSpec("load", ())
    forged = ProductSpec("bank.rates", "Rates", outputs=(PORT,), limits=LimitSpec(workers_max=99), processes=(process,))
    assert described(DECLARED, told(forged)) == replace(DECLARED, processes=(process,))


def test_a_route_outside_the_product_is_refused() -> None:
    process = ProcessSpec("load", (), (HttpTrigger("GET", "/bank/rates/all"),))
    with pytest.raises(PlanError) as caught:
        described(DECLARED, told(replace(DECLARED, processes=(process,))))
    assert caught.value.details["findings"][0]["code"] == "route.foreign"


def test_a_description_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(PlanError):
        described(DECLARED, b"\x93")
