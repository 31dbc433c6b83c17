"""Contracts for people, and what changed: over HTTP, by the client and by the command line."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Server, running
from test_documents import cli

from hansa.client import Client
from hansa.contracts.generate import generate_ports
from hansa.contracts.odps import read_product
from hansa.errors import CallerError

PRODUCTS = Path(__file__).parent / "products"
PORT = "shop.till/sales@1"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Hansa in which the contract of `sales` has had two versions."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(PRODUCTS / "till", folder / "till")
    contract = folder / "till" / "contracts" / "sales@1.odcs.yaml"
    with running(folder / "data") as server:
        server.deploy(folder / "till", "shop.till")
        text = contract.read_text().replace("version: 1.0.0", "version: 1.1.0")
        field = "      - name: note\n        description: <b>What was said</b>\n        logicalType: string\n"
        contract.write_text(text.replace("    properties:\n", f"    properties:\n{field}", 1))
        (folder / "till" / "ports.py").write_text(generate_ports(read_product(folder / "till"), {}))
        server.deploy(folder / "till", "shop.till")
        yield server


def page(server: Server, **headers: str) -> Any:
    answer = server.http.get(f"/ports/{PORT}/contract", headers=headers)
    answer.raise_for_status()
    return answer


def test_a_contract_is_a_page_where_a_page_is_asked_for(shop: Server) -> None:
    browser = page(shop, accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert browser.headers["content-type"] == "text/html; charset=utf-8"
    assert browser.headers["content-security-policy"].startswith("default-src 'none'")
    assert "&lt;b&gt;What was said&lt;/b&gt;" in browser.text
    assert "<b>What" not in browser.text
    markdown = page(shop, accept="text/markdown")
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert f"{shop.url}/ports/{PORT}/records" in markdown.text
    assert "| 1.1.0 |" in markdown.text
    assert "**added** note is new and may be missing." in markdown.text
    assert page(shop).headers["content-type"].startswith("application/odcs+yaml")
    assert page(shop, accept="*/*").headers["content-type"].startswith("application/odcs+yaml")


def test_a_page_names_the_readers_that_its_reader_may_know_of(shop: Server) -> None:
    shop.deploy(PRODUCTS / "lab", "lab.bench")
    shop.deploy(PRODUCTS / "mirror", "lab.mirror")
    limited = {"name": "page", "scopes": ["read"], "products": ["lab.bench"]}
    token = shop.call("POST", "/tokens", limited).json()["token"]

    def readers(**headers: str) -> list[str]:
        answer = shop.http.get("/ports/lab.bench/squares@1/contract?format=markdown", headers=headers)
        return re.findall(r"- `(.*)`", answer.text.partition("## Who reads it")[2])

    assert readers() == ["lab.mirror"]
    assert readers(authorization=f"Bearer {token}") == []
    followed = shop.http.get("/ports/lab.bench/numbers@1/contract?format=markdown").text
    assert "- `lab.bench:square`" in followed


def test_an_earlier_version_of_a_contract_is_told_whole(shop: Server) -> None:
    with Client(shop.url, shop.token) as client:
        older, newer = (json.loads(client.ports.contract(PORT, "json", version=v)) for v in ("1.0.0", "1.1.0"))
        names = [{p["name"] for p in data["schema"][0]["properties"]} for data in (older, newer)]
        assert names[1] - names[0] == {"note"}
        with pytest.raises(CallerError) as caught:
            client.ports.contract(PORT, version="1.2.0")
    assert (caught.value.code, caught.value.hint) == ("contract.unknown", "Did you mean '1.1.0'?")


def test_what_changed_is_told_of_contracts_and_of_products(shop: Server) -> None:
    with Client(shop.url, shop.token) as client:
        found = client.ports.changes(PORT)
        assert (found["older"], found["newer"]) == ("1.0.0", "1.1.0")
        [entry] = [one for one in found["entries"] if one["path"] == "note"]
        assert (entry["kind"], entry["code"]) == ("added", "field.new")
        back = client.ports.changes(PORT, "1.1.0", "1.0.0")["entries"]
        assert (back[0]["kind"], back[0]["path"]) == ("breaking", "note")
        assert client.ports.changes(PORT, "1.1.0", "1.1.0")["entries"] == []
        revisions = [one["revision"] for one in client.products.revisions("shop.till")]
        product = client.products.changes("shop.till")
        assert [product["newer"], product["older"]] == revisions
        assert f"in {PORT}, note is new and may be missing" in [one["text"] for one in product["entries"]]
        assert client.products.changes("shop.till", *revisions)["entries"][0]["kind"] == "breaking"


def test_the_command_line_says_what_changed_and_prints_the_page(shop: Server, tmp_path: Path) -> None:
    told = cli(shop, "contract", "changes", f"{PORT}:1.0.0", PORT)
    assert told.splitlines() == ["1.0.0 → 1.1.0, FULL_TRANSITIVE", "+ note is new and may be missing."]
    file = PRODUCTS / "till" / "contracts" / "sales@1.odcs.yaml"
    assert cli(shop, "contract", "changes", str(file), str(file)).splitlines()[1:] == ["Nothing changed."]
    from_file = json.loads(cli(shop, "contract", "changes", str(file), PORT, "--json"))
    assert "note" in [one["path"] for one in from_file["entries"]]
    assert "in shop.till/sales@1, note is new" in cli(shop, "changes", "shop.till")
    assert cli(shop, "contract", "page", PORT).startswith("<!doctype html>")
    assert cli(shop, "contract", "page", PORT, "--as", "markdown") == page(shop, accept="text/markdown").text
    assert cli(shop, "contract", "page", str(file), "--as", "markdown").startswith("# ")


def test_the_command_line_tells_routes_and_streams(shop: Server) -> None:
    own = json.loads(cli(shop, "show", "shop.till", "--format", "openapi"))
    assert own == shop.http.get("/products/shop.till/openapi").json()
    mesh = json.loads(cli(shop, "show", "--format", "asyncapi"))
    assert mesh == shop.http.get("/asyncapi.json").json()
    assert "/runs/{run}" in json.loads(cli(shop, "show", "--format", "openapi"))["paths"]
    assert "shop.till.sales.v1" in json.loads(cli(shop, "show", "shop.till", "--format", "asyncapi"))["channels"]
