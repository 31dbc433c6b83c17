"""`@asyncapi/parser`, with its parser of Avro, reads every AsyncAPI document that Hansa tells."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contracts import contracts
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from server import Server, running
from strangers import node_modules

from hansa.model.product import (
    ContractSpec,
    EventTrigger,
    OutputPortSpec,
    PortKind,
    PortTrigger,
    ProcessSpec,
    ProductSpec,
    StepSpec,
)
from hansa.server import asyncapi
from hansa.server.notice import Notice

PACKAGES = ("@asyncapi/parser@3.6.3", "@asyncapi/avro-schema-parser@3.0.24")
LAB = Path(__file__).parents[1] / "acceptance" / "products"
PORT = "shop.orders/stock@2"


@pytest.fixture(scope="session")
def parser() -> Path:
    return node_modules(*PACKAGES)


def judged(parser: Path, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the parser finds wrong with each document, and the channels that it sees."""
    done = subprocess.run(
        ["node", Path(__file__).with_name("asyncapi.mjs"), parser],
        input="\n".join(map(json.dumps, documents)), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Hansa with a product that has ports, one that reads another's, and one that waits for events."""
    with running(tmp_path_factory.mktemp("asyncapi") / "data") as server:
        for folder, product in (("lab", "lab.bench"), ("mirror", "lab.mirror"), ("till", "shop.till")):
            server.deploy(LAB / folder, product)
        yield server


@pytest.mark.slow
def test_what_is_deployed_is_told_in_documents_that_it_reads(parser: Path, lab: Server) -> None:
    paths = ["/asyncapi.json", *(f"/products/{name}/asyncapi" for name in ("lab.bench", "lab.mirror", "shop.till"))]
    documents = [lab.http.get(path).json() for path in paths]
    told = judged(parser, documents)
    assert [one["found"] for one in told] == [[] for _ in paths]
    ports = {port["id"] for port in lab.http.get("/ports").json()["items"]}
    assert ports <= {channel["title"] for channel in documents[0]["channels"].values()}
    assert set(told[0]["channels"]) == documents[0]["channels"].keys()
    assert any(one["action"] == "receive" for one in documents[1]["operations"].values())


def described(contract: ContractSpec, notice: Notice) -> dict[str, Any]:
    """A product with a port of that contract, which a process of its own and events start."""
    port = OutputPortSpec(PORT, "stock", "2.0.0", PortKind.STREAM, contract)
    triggers = (PortTrigger(PORT), EventTrigger("order placed/late"))
    spec = ProductSpec(
        "shop.orders", "Orders", owner="ada", tags=("shop", "new"), outputs=(port,),
        support=({"channel": "help", "url": "https://example.org/help"},),
        processes=(ProcessSpec("follow", (StepSpec("s", "s"),), triggers),),
    )  # fmt: skip
    part = asyncapi.part_of(spec, {PORT: notice})
    return asyncapi.document("https://hansa.example.org", [part], asyncapi.info_of(spec, "https://hansa.example.org"))


@pytest.mark.slow
def test_the_stream_of_any_contract_is_told_so_that_it_is_read(parser: Path) -> None:
    documents: list[dict[str, Any]] = []

    @given(
        contracts(),
        st.sampled_from([Notice(), Notice("deprecated"), Notice("retired", "shop.orders/stock@3", "2031-12-31")]),
    )
    @settings(
        max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def collect(contract: ContractSpec, notice: Notice) -> None:
        documents.append(described(contract, notice))

    collect()
    assert any("shop.orders.stock.v2.avro" in one["components"]["schemas"] for one in documents)
    assert [one["found"] for one in judged(parser, documents)] == [[] for _ in documents]


@pytest.mark.slow
def test_it_refuses_what_is_broken(parser: Path) -> None:
    whole = described(ContractSpec("stock", "2.0.0", ()), Notice())
    broken = [copy.deepcopy(whole) for _ in range(3)]
    broken[0]["operations"]["shop.orders.stock.v2.send"]["channel"]["$ref"] = "#/channels/gone"
    broken[1]["info"].pop("version")
    broken[2]["components"]["schemas"]["bad.avro"] = {"schemaFormat": asyncapi.AVRO, "schema": {"type": "gone"}}
    assert [bool(one["found"]) for one in judged(parser, [whole, *broken])] == [False, True, True, True]
