"""Steps of a product through its states: which there are, and what keeps one from being taken."""

from __future__ import annotations

import pytest

from hansa.lifecycle.states import step
from hansa.model.product import ContractSpec, InputPortSpec, OutputPortSpec, PortKind, ProductSpec, ProductState
from hansa.registry.values import Product, Revision

PORT = "ops.flights/departures@1"
STATES = {state.value[0]: state for state in (ProductState.DRAFT, ProductState.ACTIVE, ProductState.RETIRED)}
STATES["p"] = ProductState.DEPRECATED


def product(product_id: str = "ops.flights", state: ProductState = ProductState.ACTIVE) -> Product:
    port = OutputPortSpec(PORT, "departures", "1.0.0", PortKind.STREAM, ContractSpec("d", "1.0.0", ()))
    spec = ProductSpec(product_id, "F", outputs=(port,))
    return Product(product_id, state, Revision(product_id, "r1", 1, spec, "b", "ada", 0))


def reader(product_id: str) -> ProductSpec:
    return ProductSpec(product_id, "R", inputs=(InputPortSpec("departures", PORT),))


@pytest.mark.parametrize("before", "dapr")
@pytest.mark.parametrize("after", "dapr")
def test_which_steps_there_are(before: str, after: str) -> None:
    found = step(product(state=STATES[before]), STATES[after], None, [])
    allowed = before == after or before + after in ("da", "dr", "ad", "ap", "ar", "pa", "pr")
    assert found.code == ("" if allowed else "product.state")


def test_a_product_that_is_read_is_not_retired_and_not_hidden_from_other_domains() -> None:
    near, far = reader("ops.board"), reader("ana.delays")
    assert step(product(), ProductState.RETIRED, None, [near]).code == "product.in_use"
    assert step(product(), ProductState.DRAFT, None, [near]).code == ""
    hidden = step(product(), ProductState.DRAFT, None, [near, far])
    assert (hidden.code, hidden.refusal) == ("product.in_use", "ops.flights is read by ana.delays")
    told = step(product(), ProductState.DEPRECATED, None, [near, far])
    assert (told.refusal, told.read_by) == ("", ["ana.delays", "ops.board"])


def test_a_successor_is_another_product_that_can_be_read() -> None:
    other = product("ops.departures")
    found = step(product(), ProductState.DEPRECATED, other, [])
    assert (found.successor, found.effects[1]) == ("ops.departures", "its readers are sent to ops.departures")
    for wrong in (product(), product("ops.x", ProductState.DRAFT), product("ops.x", ProductState.RETIRED)):
        assert step(product(), ProductState.RETIRED, wrong, []).code == "product.successor"
    assert step(product(state=ProductState.DRAFT), ProductState.ACTIVE, other, []).code == "product.successor"
