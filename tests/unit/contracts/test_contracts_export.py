"""The documents of what is live: the author's, whole, with what a deployment adds; Hansa reads the same from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hansa.contracts.document import Document, read_document
from hansa.contracts.export import Deployed, contract_document, product_document
from hansa.contracts.odps import ProductFiles, read_files, read_product
from hansa.contracts.standards.check import check_document
from hansa.contracts.standards.odcs import ODCS
from hansa.contracts.standards.odps import ODPS
from hansa.contracts.write import yaml_text
from hansa.model.product import PortTrigger, ProcessSpec, ProductState
from hansa.model.window import Phase

EXAMPLES = Path(__file__).parents[3] / "examples"
READER = EXAMPLES / "analytics" / "departure_weather"
PORT = "analytics.departure_weather/departure_weather@1"
URL = "https://hansa.example.org"


@pytest.fixture(scope="module")
def files() -> ProductFiles:
    return read_files(READER)


@pytest.fixture(scope="module")
def deployed(files: ProductFiles) -> Deployed:
    """The product with a process, as a worker would have described it, and the ports of the whole mesh."""
    ports = {port.id: port for file in EXAMPLES.rglob("product.yaml") for port in read_product(file.parent).outputs}
    sources = [port.port for port in files.spec.inputs]
    join = ProcessSpec("join", (), (PortTrigger(sources[0]),), reads=(sources[1],), publishes=(PORT,))
    spec = replace(files.spec, processes=(join,))
    return Deployed(spec, "abc123", ProductState.DEPRECATED, URL, ports)


def product_of(files: ProductFiles, deployed: Deployed, **changes: Any) -> dict[str, Any]:
    return product_document({**files.document.data, **changes}, deployed)


def test_a_product_keeps_all_that_its_author_wrote(files: ProductFiles, deployed: Deployed) -> None:
    more = {"tenant": "ours", "team": {"name": "Weather", "members": [{"username": "ada"}]}, "apiVersion": "v1.0.0"}
    told = product_of(files, deployed, **more)
    kept = {**files.document.data, **more}
    for key in kept.keys() - {"apiVersion", "status", "inputPorts", "outputPorts", "customProperties"}:
        assert told[key] == kept[key]
    assert (told["apiVersion"], told["status"], told["domain"]) == ("v1.1.0", "deprecated", "analytics")
    for before, after in zip(kept["outputPorts"], told["outputPorts"], strict=True):
        assert {k: v for k, v in after.items() if k in before and k != "customProperties"} == {
            k: v for k, v in before.items() if k != "customProperties"
        }


def test_ports_are_told_resolved(files: ProductFiles, deployed: Deployed) -> None:
    bare = {
        "outputPorts": [{"name": "departure_weather"}],
        "inputPorts": [
            {"name": "departures", "contractId": "operations.flights/departures@1"},
            {"name": "hourly", "customProperties": [{"property": "port", "value": "x", "vendor": "hansa"}]},
        ],
    }
    told = product_of(files, deployed, **bare)
    [output] = told["outputPorts"]
    assert (output["version"], output["contractId"]) == ("1.0.0", deployed.spec.outputs[0].contract.id)
    assert output["type"] == deployed.spec.outputs[0].kind.value
    assert output["customProperties"] == [{"property": "port", "value": PORT, "vendor": "hansa"}]
    assert output["inputContracts"] == [
        {"id": "operations.flights.departures", "version": "1.0.0"},
        {"id": "weather.stations.hourly", "version": "1.0.0"},
    ]
    assert [(i["contractId"], i["version"]) for i in told["inputPorts"]] == [
        ("operations.flights.departures", "1.0.0"), ("weather.stations.hourly", "1.0.0"),
    ]  # fmt: skip


def test_a_port_that_is_not_live_is_told_as_it_was_written(files: ProductFiles, deployed: Deployed) -> None:
    output = {"name": "departure_weather"}
    alone = product_document({**files.document.data, "outputPorts": [output]}, replace(deployed, reads={}))
    assert alone["inputPorts"] == files.document.data["inputPorts"]
    assert "inputContracts" not in alone["outputPorts"][0]


def test_management_ports_of_hansa_stand_behind_the_authors(files: ProductFiles, deployed: Deployed) -> None:
    own = [{"name": "hansa-dictionary", "content": "dictionary", "url": "https://wiki.example.org"}]
    ports = product_of(files, deployed, managementPorts=own)["managementPorts"]
    assert ports[0] == own[0]
    assert [port["url"] for port in ports[1:]] == [
        f"{URL}/products/analytics.departure_weather", f"{URL}/runs?product=analytics.departure_weather",
    ]  # fmt: skip


def test_a_contract_keeps_its_servers_and_names_where_it_is_served(files: ProductFiles, deployed: Deployed) -> None:
    data = files.contracts[PORT].document.data
    lake = {"server": "lake", "type": "s3", "location": "s3://lake/weather"}
    stale = {"server": "hansa", "type": "api", "location": "https://old.example.org"}
    told = contract_document({**data, "servers": [stale, lake]}, deployed.spec.outputs[0], deployed)
    assert [server["server"] for server in told["servers"]] == ["lake", "hansa"]
    assert told["servers"][1]["location"] == f"{URL}/ports/{PORT}/records"
    assert told["dataProduct"] == "analytics.departure_weather"
    assert {key: value for key, value in told.items() if key in data} == data
    old = {key: value for key, value in data.items() if key != "status"}
    assert contract_document(old, deployed.spec.outputs[0], deployed)["status"] == "active"


def test_what_is_told_is_valid_and_reads_as_the_same_product(
    files: ProductFiles, deployed: Deployed, tmp_path: Path
) -> None:
    (tmp_path / "contracts").mkdir()
    product = product_document(files.document.data, deployed)
    contract = contract_document(files.contracts[PORT].document.data, deployed.spec.outputs[0], deployed)
    (tmp_path / "product.yaml").write_text(yaml_text(product))
    (tmp_path / "contracts" / "departure_weather@1.odcs.yaml").write_text(yaml_text(contract))
    (tmp_path / "requirements.txt").write_text("\n".join(files.spec.requirements))
    assert check_document(Document("", product, {}), ODPS) == check_document(Document("", contract, {}), ODCS) == []
    assert read_product(tmp_path) == replace(files.spec, status=deployed.state.value)


def test_writing_a_document_never_changes_what_was_read(files: ProductFiles, deployed: Deployed) -> None:
    product_document(files.document.data, deployed)
    assert files.document.data == read_document(READER / "product.yaml").data


@pytest.mark.parametrize(
    ("phase", "deprecated", "status"),
    [
        (Phase.UPCOMING, None, "active"),
        (Phase.BOTH, None, "active"),
        (Phase.DEPRECATED, True, "deprecated"),
        (Phase.ENDED_SUPPORT, True, "deprecated"),
        (Phase.ENDED, True, "retired"),
    ],
)
def test_both_documents_say_the_same_of_a_version_on_its_way_out(
    files: ProductFiles, deployed: Deployed, phase: Phase, deprecated: bool | None, status: str
) -> None:
    closing = replace(deployed, statuses={PORT: phase.status})
    (port,) = product_of(files, closing)["outputPorts"]
    spec = files.spec.output(PORT)
    assert spec is not None
    contract = contract_document(files.contracts[PORT].document.data, spec, closing)
    assert (port.get("deprecated"), contract["status"]) == (deprecated, status)
    assert not check_document(Document("c", contract, {}), ODCS)
