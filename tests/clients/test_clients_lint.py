"""`datacontract lint` and `dataproduct lint` pass on everything that Hansa has and tells: examples, products of the
tests, published examples that were read and written, and the documents of what is deployed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from corpora import examples, require_corpora
from linters import Linters
from server import Server, running

from hansa.cli.scaffold import scaffold
from hansa.contracts.document import parse_document, read_document
from hansa.contracts.odps import read_files
from hansa.contracts.write import json_text, yaml_text
from hansa.model.ids import ProductId

ROOT = Path(__file__).parents[2]
OURS = sorted(file.parent for folder in ("examples", "tests") for file in (ROOT / folder).rglob("product.yaml"))
LAB = ROOT / "tests" / "acceptance" / "products"
INVALID = ("basic-four-dpo", "column-completeness", "all-data-types")
"""Published examples that their own schema refuses."""
PUBLISHED = [file for file in examples("od?s/docs/examples/**/*.yaml") if file.name.partition(".")[0] not in INVALID]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every product of the repository, read and written again, beside all contracts: the linters find those here."""
    folder = tmp_path_factory.mktemp("written")
    for product in OURS:
        files = read_files(product)
        (folder / f"{files.spec.id}.odps.yaml").write_text(yaml_text(files.document.data))
        for port, contract in files.contracts.items():
            (folder / f"{port.replace('/', '.')}.odcs.yaml").write_text(yaml_text(contract.document.data))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("product", OURS, ids=lambda folder: folder.name)
def test_every_product_of_the_repository_passes(linters: Linters, written: Path, product: Path) -> None:
    data = read_document(product / "product.yaml").data
    assert linters.product(written / f"{data['id']}.odps.yaml") == []


@pytest.mark.slow
@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.name)
def test_a_published_example_still_passes_when_it_was_read_and_written(
    linters: Linters, tmp_path: Path, file: Path
) -> None:
    target = tmp_path / file.name
    target.write_text(yaml_text(read_document(file).data))
    wrong = linters.contract(target) if "odcs" in file.name else linters.product(target)
    assert [reason for reason in wrong if "is resolvable" not in reason] == []


def test_published_examples_are_there() -> None:
    require_corpora()
    assert len(PUBLISHED) >= 15


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Hansa with a product that has ports, and one that reads another's."""
    with running(tmp_path_factory.mktemp("documents") / "data") as server:
        server.deploy(LAB / "lab", "lab.bench")
        server.deploy(LAB / "mirror", "lab.mirror")
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_what_is_deployed_is_told_in_documents_that_pass(
    linters: Linters, lab: Server, tmp_path: Path, form: str
) -> None:
    for port in lab.http.get("/ports").json()["items"]:
        told = lab.http.get(f"/ports/{port['id']}/contract", params={"format": form})
        told.raise_for_status()
        (tmp_path / f"{port['id'].replace('/', '.')}.odcs.yaml").write_text(told.text)
    for product in ("lab.bench", "lab.mirror"):
        told = lab.http.get(f"/products/{product}/document", params={"format": form})
        told.raise_for_status()
        (tmp_path / f"{product}.odps.yaml").write_text(told.text)
    for file in sorted(tmp_path.glob("*.yaml")):
        lint = linters.contract if file.name.endswith(".odcs.yaml") else linters.product
        assert (file.name, lint(file)) == (file.name, [])


@pytest.mark.slow
def test_a_new_product_passes(linters: Linters, tmp_path: Path) -> None:
    scaffold(ProductId.parse("shop.greeter"), tmp_path / "greeter")
    assert linters.product(tmp_path / "greeter" / "product.yaml") == []


@pytest.mark.slow
def test_the_linters_refuse_what_is_broken(linters: Linters, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "operations" / "flights", tmp_path / "flights")
    contract = tmp_path / "flights" / "contracts" / "departures@1.odcs.yaml"
    product = tmp_path / "flights" / "product.yaml"
    assert linters.product(product) == []
    contract.write_text(contract.read_text().replace("version: 1.0.0", "version: 1.10", 1))
    assert any("1.1" in reason for reason in linters.contract(contract))
    assert any("datacontract lint" in reason for reason in linters.product(product))
    contract.unlink()
    assert any("is resolvable" in reason for reason in linters.product(product))
    data = parse_document(product.read_text(), "product.yaml").data
    product.write_text(json_text({**data, "ouputPorts": []}))
    assert any("ouputPorts" in reason for reason in linters.product(product))
