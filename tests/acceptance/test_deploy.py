"""Deploying: what is refused and how it is said, what a new revision changes, rolling back, retiring."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from server import Refused, Server

from hansa.blobs.bundle import pack
from hansa.cli.ports import sync_ports

PRODUCTS = Path(__file__).parent / "products"

PRODUCT = """apiVersion: v1.1.0
kind: DataProduct
id: {id}
name: Made by a test
version: 1.0.0
status: active
domain: {domain}
description: {{purpose: To be deployed.}}
"""
HELLO = """from hansa import DataProduct, http, reply

product = DataProduct(__file__)


@product.logic
def hello(*, name: str = "World") -> dict[str, str]:
    return {"message": f"Hello, {name}!"}


product.process("hello", hello, reply, on=http.get("/hello"))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "product", "made.greeting", HELLO)


def write(folder: Path, product: str, code: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "product.yaml").write_text(PRODUCT.format(id=product, domain=product.partition(".")[0]))
    (folder / "product.py").write_text(code)
    return folder


def test_a_product_is_live_within_a_second(bench: Server, folder: Path) -> None:
    begun = time.monotonic()
    deployed = bench.deploy(folder, "made.greeting")
    assert bench.call("GET", "/made/greeting/hello").json() == {"message": "Hello, World!"}
    assert time.monotonic() - begun < 5
    assert deployed["routes"][0]["path"] == "/made/greeting/hello"
    again = bench.deploy(folder, "made.greeting")
    assert (again["created"], again["revision"]) == (False, deployed["revision"])


def test_what_is_live_already_is_not_loaded_again(bench: Server, tmp_path: Path) -> None:
    mark = "import tempfile\n\ntempfile.mkstemp(prefix='loaded-')\n"
    folder = write(tmp_path / "product", "made.once", HELLO + mark)

    def loads() -> int:
        return len(list((bench.data / "scratch").rglob("loaded-*")))

    bench.deploy(folder, "made.once")
    assert loads() == 1
    again = bench.deploy(folder, "made.once")
    assert (again["created"], again["previous"], again["changes"]) == (False, again["revision"], [])
    assert loads() == 1


def test_a_new_revision_and_back(bench: Server, folder: Path) -> None:
    first = bench.deploy(folder, "made.greeting")
    write(folder, "made.greeting", HELLO.replace("Hello,", "Good day,"))
    second = bench.deploy(folder, "made.greeting")
    assert second["previous"] == first["revision"]
    assert {"kind": "changed", "what": "logic", "id": "hello", "text": "hello has other code"} in second["changes"]
    assert bench.call("GET", "/made/greeting/hello").json() == {"message": "Good day, World!"}
    bench.call("POST", "/products/made.greeting/rollback", {}).raise_for_status()
    assert bench.call("GET", "/made/greeting/hello").json() == {"message": "Hello, World!"}
    operations = [e["operation"] for e in bench.http.get("/audit", params={"target": "made.greeting"}).json()["items"]]
    assert operations[0] == "product.rolled_back"
    assert bench.http.get("/audit/verify").json()["first_bad"] is None


@pytest.mark.parametrize(
    ("code", "expected", "line"),
    [
        ("def broken(:\n", "product.syntax", 1),
        ("import nowhere_to_be_found\n", "product.import_failed", 1),
        ("x = 1\n", "product.no_product", 0),
        ("raise RuntimeError('no')\n", "product.raised", 1),
        (HELLO.replace(", reply, on", ", on"), "process.no_aggregator", 11),
        (HELLO.replace("*, name: str", "*, other: int, name: str").replace('http.get("/hello")', "()"), None, None),
        (HELLO.replace("def hello", "async def hello"), None, None),
    ],
)
def test_what_is_refused_names_file_and_line(
    bench: Server, folder: Path, code: str, expected: str | None, line: int | None
) -> None:
    bench.deploy(write(folder, "made.greeting", HELLO), "made.greeting")
    write(folder, "made.greeting", code)
    with pytest.raises(Refused) as refused:
        bench.deploy(folder, "made.greeting")
    finding = refused.value.problem["findings"][0]
    assert finding["file"] == "product.py"
    assert finding["hint"] or finding["code"] in ("product.syntax", "product.raised")
    if expected is not None:
        assert (finding["code"], finding["line"]) == (expected, line)
    assert bench.call("GET", "/made/greeting/hello").json() == {"message": "Hello, World!"}


def test_a_product_has_its_routes_under_its_own_prefix(bench: Server, folder: Path) -> None:
    bench.deploy(folder, "made.greeting")
    other = write(folder.parent / "other", "made.other", HELLO.replace('"/hello"', '"/made/greeting/hello"'))
    bench.deploy(other, "made.other")
    assert bench.call("GET", "/made/other/made/greeting/hello").status_code == 200


def test_an_input_that_nobody_publishes(bench: Server, folder: Path) -> None:
    with (folder / "product.yaml").open("a") as out:
        out.write(
            "inputPorts:\n  - name: nothing\n    version: 1.0.0\n    contractId: nobody\n    customProperties:\n"
            "      - {property: port, value: nobody.has/this@1, vendor: hansa}\n"
        )
    with pytest.raises(Refused) as refused:
        bench.deploy(folder, "made.greeting")
    assert refused.value.problem["code"] == "port.unknown"


def test_plan_changes_nothing(bench: Server, folder: Path) -> None:

    write(folder, "made.planned", HELLO)
    bench.http.post("/domains", json={"name": "made"})
    planned = bench.http.post("/products/made.planned/plan", content=pack(folder).data).json()
    assert planned["changes"][0]["kind"] == "added"
    assert bench.http.get("/products/made.planned").status_code == 404


def test_retire(bench: Server, folder: Path) -> None:
    write(folder, "made.ending", HELLO)
    bench.deploy(folder, "made.ending")
    assert bench.call("POST", "/products/made.ending/retire").json()["after"] == "retired"
    refused = bench.call("GET", "/made/ending/hello")
    assert (refused.status_code, refused.json()["code"]) == (410, "product.retired")


def test_two_products_with_the_same_module_names(bench: Server, folder: Path) -> None:
    (folder / "words.py").write_text('GREETING = "Hello"\n')
    code = HELLO.replace("from hansa", "from .words import GREETING\nfrom hansa", 1).replace("Hello,", "{GREETING},")
    bench.deploy(write(folder, "made.greeting", code), "made.greeting")
    other = folder.parent / "second"
    shutil.copytree(folder, other)
    (other / "words.py").write_text('GREETING = "Hej"\n')
    bench.deploy(write(other, "made.second", code), "made.second")
    assert bench.call("GET", "/made/greeting/hello").json() == {"message": "Hello, World!"}
    assert bench.call("GET", "/made/second/hello").json() == {"message": "Hej, World!"}


def test_products_are_found(bench: Server) -> None:
    assert [p["id"] for p in bench.http.get("/products", params={"tag": "testing"}).json()["items"]] == ["lab.bench"]
    assert "lab.bench" in [p["id"] for p in bench.http.get("/products", params={"text": "squares"}).json()["items"]]
    assert "Did you mean" in bench.http.get("/products", params={"text": "squarez"}).json()["hint"]


def test_the_openapi_document_is_valid(bench: Server) -> None:
    from openapi_spec_validator import validate

    document = bench.http.get("/openapi.json").json()
    validate(document)
    assert "/lab/bench/places/{place_id}/sums" in document["paths"]


ORDERS = """apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {{name: number, logicalType: integer, required: true, primaryKey: true}}
      - {{name: {note}, logicalType: string}}
"""


def with_orders(folder: Path, product: str, note: str) -> Path:
    """A product with an output port of two fields, the second called `note`."""
    write(folder, product, HELLO)
    with (folder / "product.yaml").open("a") as out:
        out.write("outputPorts:\n  - {name: orders, version: 1.0.0, type: stream, contractId: orders}\n")
    (folder / "contracts").mkdir(exist_ok=True)
    (folder / "contracts" / "orders@1.odcs.yaml").write_text(ORDERS.format(note=note))
    return folder


def test_ports_that_were_generated_from_another_contract_are_refused(bench: Server, tmp_path: Path) -> None:
    folder = with_orders(tmp_path / "product", "made.stale", "note")
    sync_ports(folder, None)
    bench.deploy(folder, "made.stale")
    with_orders(folder, "made.stale", "remark")
    for act in ("plan", "deploy"):
        answer = bench.http.post(f"/products/made.stale/{act}", content=pack(folder).data)
        (finding,) = answer.json()["findings"]
        assert (answer.status_code, finding["code"], finding["file"]) == (422, "ports.stale", "ports.py")
        assert "hansa sync" in finding["hint"]
