"""The example mesh is complete, deployable as it stands, and its ports.py files are those that `hansa sync` writes."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hansa.contracts.generate import generate_ports
from hansa.contracts.odps import read_product
from hansa.model.product import ProductSpec
from hansa.sdk.load import load_product, unload_product
from hansa.sdk.plan import compile_product

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
MESH: dict[str, Any] = runpy.run_path(str(EXAMPLES / "mesh.py"))
SPECS: dict[str, ProductSpec] = {product: read_product(MESH["folder_of"](product)) for product in MESH["PRODUCTS"]}


@pytest.fixture
def package() -> Iterator[str]:
    name = "example_under_test"
    yield name
    unload_product(name)


def test_the_list_names_every_product() -> None:
    assert {MESH["folder_of"](product) for product in SPECS} == {f.parent for f in EXAMPLES.glob("*/*/product.yaml")}
    assert {product: spec.id for product, spec in SPECS.items()} == {product: product for product in SPECS}


def test_products_stand_behind_those_that_they_read() -> None:
    known: set[str] = set()
    for spec in SPECS.values():
        assert {port.port for port in spec.inputs} <= known
        known |= {port.id for port in spec.outputs}


def test_every_owner_is_a_person_and_every_domain_is_listed() -> None:
    people = {person["id"] for person in MESH["PEOPLE"]}
    domains = {domain["name"]: domain["owner"] for domain in MESH["DOMAINS"]}
    assert set(domains.values()) <= people
    assert {spec.domain: spec.owner for spec in SPECS.values()} == domains


@pytest.mark.parametrize("product", SPECS)
def test_a_product_compiles_without_findings(product: str, package: str) -> None:
    spec, findings = compile_product(load_product(MESH["folder_of"](product), package), SPECS[product])
    assert findings == []
    assert {port.id for port in spec.outputs} == {port for process in spec.processes for port in process.publishes}


@pytest.mark.parametrize("product", SPECS)
def test_ports_are_in_step_with_the_contracts(product: str) -> None:
    ports = {port.id: port for spec in SPECS.values() for port in spec.outputs}
    assert (MESH["folder_of"](product) / "ports.py").read_text() == generate_ports(SPECS[product], ports)


@pytest.mark.parametrize("product", SPECS)
def test_every_promise_is_explained(product: str) -> None:
    spec = SPECS[product]
    assert spec.description
    assert all(port.description and port.contract.description and port.contract.key for port in spec.outputs)
