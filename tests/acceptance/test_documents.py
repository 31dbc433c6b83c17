"""What is deployed, told as the documents of the standards: over HTTP and by the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from server import Refused, Server

from hansa.contracts.document import parse_document, read_document

LAB = Path(__file__).parent / "products" / "lab"
PORT = "lab.bench/squares@1"


def cli(server: Server, *arguments: str) -> str:
    environment = {**os.environ, "HANSA_URL": server.url, "HANSA_TOKEN": server.token}
    command = [sys.executable, "-c", "from hansa.cli import main; main()", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd="/")
    return done.stdout


def told(server: Server, path: str, **headers: str) -> Any:
    answer = server.http.get(path, headers=headers)
    answer.raise_for_status()
    return answer


def test_a_document_is_yaml_unless_json_is_asked_for(bench: Server) -> None:
    path = "/products/lab.bench/document"
    as_yaml = told(bench, path)
    assert as_yaml.headers["content-type"] == "application/odps+yaml;version=1.1.0"
    data = parse_document(as_yaml.text, "x.yaml").data
    for asked in (told(bench, f"{path}?format=json"), told(bench, path, accept="application/json")):
        assert asked.headers["content-type"] == "application/json"
        assert asked.json() == data
    assert told(bench, f"{path}?format=yaml", accept="application/json").text == as_yaml.text
    assert bench.http.get(f"{path}?format=xml").status_code == 422


def test_a_product_is_told_as_it_was_written_with_its_revision(bench: Server) -> None:
    data = told(bench, "/products/lab.bench/document?format=json").json()
    written = read_document(LAB / "product.yaml").data
    assert {key: data[key] for key in written if key not in ("outputPorts", "customProperties")} == {
        key: value for key, value in written.items() if key not in ("outputPorts", "customProperties")
    }
    custom = {item["property"]: item["value"] for item in data["customProperties"]}
    revision = bench.http.get("/products/lab.bench").json()["revision"]
    assert custom == {"limits": {"memory_max_bytes": 2147483648}, "revision": revision}


def test_a_contract_says_where_its_records_are_served(bench: Server) -> None:
    data = told(bench, f"/ports/{PORT}/contract?format=json").json()
    assert data["schema"] == read_document(LAB / "contracts" / "squares@1.odcs.yaml").data["schema"]
    [server] = data["servers"]
    assert told(bench, server["location"]).json()["items"] is not None
    assert (data["dataProduct"], data["domain"], data["status"]) == ("lab.bench", "lab", "active")


def test_the_command_line_tells_the_same_documents(bench: Server) -> None:
    assert cli(bench, "show", "lab.bench", "--format", "odps") == told(bench, "/products/lab.bench/document").text
    contract = told(bench, f"/ports/{PORT}/contract")
    assert cli(bench, "show", PORT, "--format", "odcs") == contract.text
    as_json = json.loads(cli(bench, "show", PORT, "--format", "odcs", "--json"))
    assert as_json == parse_document(contract.text, "x.yaml").data


def test_what_is_not_there_has_no_document(bench: Server) -> None:
    for path in ("/products/lab.nothing/document", "/ports/lab.bench/nothing@1/contract"):
        answer = bench.http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_document_that_the_standard_refuses_is_not_deployed(bench: Server, tmp_path: Path) -> None:
    text = (LAB / "product.yaml").read_text().replace("id: lab.bench", "id: lab.sloppy").partition("outputPorts")[0]
    (tmp_path / "product.yaml").write_text(text.replace("version: 1.0.0", "version: 1.10") + "suport: []\n")
    with pytest.raises(Refused) as refused:
        bench.deploy(tmp_path, "lab.sloppy")
    found = [(f["code"], f["file"], f["line"], f["hint"]) for f in refused.value.problem["findings"]]
    assert found[0] == ("yaml.unquoted", "product.yaml", 5, 'Put it in quotes: version: "1.10".')
    assert found[1][:2] == ("field.unknown", "product.yaml")
    assert "Did you mean 'support'" in found[1][3]
