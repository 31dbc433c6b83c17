"""A person is forgotten where they stand in clear: records from before the subject, states, runs that wait."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Server, running

from hansa.contracts.generate import generate_ports
from hansa.contracts.odps import read_product

PEOPLE = Path(__file__).parent / "products" / "people"
BO = {"customer_id": "c-bo-4711", "email": "bo.secret@example.org", "city": "Lummerland"}
AL = {"customer_id": "c-al-4712", "email": "al.stays@example.org", "city": "Kummerland"}
CUSTOMERS = "crm.people/customers@1"
SUBJECT = """customProperties:
  - property: subject
    value: customer_id
    vendor: hansa
"""
MORE = """

@product.logic
def noted(body: dict[str, Any], *, ctx: Context) -> None:
    ctx.state.put("last", {"who": body["customer_id"], "n": 1})
    ctx.state.put(body["customer_id"], 1)


@product.logic
def tried(body: dict[str, Any]) -> None:
    raise ValueError("not now")


product.process("note", noted, reply, on=http.post("/notes"))
product.process("try", tried, reply, on=http.post("/tries", mode="async"), retry=Retry(attempts=3, delay_s=600))
"""


def folder_in(path: Path, *, subject: bool) -> Path:
    folder = path / ("named" if subject else "silent")
    shutil.copytree(PEOPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    source = folder / "product.py"
    text = source.read_text().replace("Problem, http", "Problem, Retry, http")
    source.write_text(text + MORE)
    contract = folder / "contracts" / "customers@1.odcs.yaml"
    if not subject:
        contract.write_text(contract.read_text().replace(SUBJECT, ""))
    (folder / "ports.py").write_text(generate_ports(read_product(folder), {}))
    return folder


@pytest.fixture
def clear(tmp_path: Path) -> Iterator[Server]:
    """What was written before the contract had a subject stands there in clear."""
    with running(tmp_path / "data") as server:
        server.deploy(folder_in(tmp_path, subject=False), "crm.people")
        for person in (BO, AL):
            server.call("PUT", "/crm/people/customers", person).raise_for_status()
            server.call("POST", "/crm/people/notes", person).raise_for_status()
            server.call("POST", "/crm/people/tries", person).raise_for_status()
            assert server.until(lambda p=person: is_found(server, p))
        server.deploy(folder_in(tmp_path, subject=True), "crm.people")
        server.call("PUT", "/crm/people/customers", BO).raise_for_status()
        server.until(lambda: len(waiting(server)) == 2)
        yield server


def is_found(server: Server, person: dict[str, str]) -> bool:
    return server.call("GET", f"/crm/people/customers/{person['customer_id']}").status_code == 200


def waiting(server: Server) -> list[str]:
    return [run["id"] for run in server.runs(process="try") if run["attempt"] > 1 or run["state"] == "accepted"]


def files_with(folder: Path, text: str) -> list[str]:
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and text.encode() in path.read_bytes():
                found.append(str(path.relative_to(folder)))
    return found


def test_nothing_in_clear_is_left_of_a_person_who_is_forgotten(clear: Server) -> None:
    (clear.data / "views.db.damaged").write_bytes(b"kept for whoever wants to know: " + BO["email"].encode())
    clear.http.get(f"/ports/{CUSTOMERS}/records").raise_for_status()
    body = {"subject": BO["customer_id"]}
    plan = clear.call("POST", "/forget", body).json()
    assert plan["records"] == {CUSTOMERS: 2}
    assert (len(plan["unfinished"]), plan["states"], plan["left"]) == (1, ["crm.people:note"], {})
    done = clear.call("POST", "/forget", {**body, "confirm": True}).json()
    assert (done["unfinished"], done["states"]) == (plan["unfinished"], plan["states"])
    (cancelled,) = done["unfinished"]
    assert clear.http.get(f"/runs/{cancelled}").json()["state"] == "cancelled"
    for secret in (BO["email"], BO["customer_id"]):
        assert clear.until(lambda text=secret: not files_with(clear.data, text)), (
            secret,
            files_with(clear.data, secret),
        )
    records = clear.http.get(f"/ports/{CUSTOMERS}/records").json()["items"]
    assert [record["key"] for record in records] == [None, "c-al-4712", None]
    assert files_with(clear.data, AL["email"]) != []
    assert (is_found(clear, BO), is_found(clear, AL)) == (False, True)
    clear.stop()
    clear.start()
    rebuilt = clear.call("POST", f"/views/{CUSTOMERS}/rebuild", params={"wait_s": 30}).json()
    assert rebuilt["rebuilt"]
    assert (is_found(clear, BO), is_found(clear, AL)) == (False, True)


def test_a_contract_that_drops_its_subject_is_refused_without_a_consent(clear: Server, tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    with pytest.raises(Exception, match="in clear"):
        clear.deploy(silent, "crm.people")
    refused = clear.call("POST", "/products/crm.people/rollback", {})
    assert (refused.status_code, refused.json()["code"]) == (422, "contract.incompatible")
    force = {"accept_breaking": "a drill"}
    back = clear.call("POST", "/products/crm.people/rollback", force).json()
    assert [c["text"] for c in back["changes"] if c["kind"] == "breaking"] == [
        f"in {CUSTOMERS}, records will be written in clear: the contract has no subject any more, which was customer_id"
    ]
