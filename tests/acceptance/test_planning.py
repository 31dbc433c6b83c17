"""Plan and deploy: whom a change hits by what they use, whose consent lets it pass, and deploys that meet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from made import member, write
from server import Refused, Server, running

from hansa.blobs.bundle import pack
from hansa.contracts.generate import generate_ports
from hansa.contracts.odps import read_product

ORDERS = "made.orders/orders@1"
CODE = """from hansa import DataProduct, http, publish_to
from .ports import Order, orders

product = DataProduct(__file__)


@product.logic
def place(order: Order) -> Order:
    return order


product.process("place", place, publish_to(orders), on=http.post("/orders"))
"""
FOLLOWER = """from hansa import DataProduct, on, reply
from .ports import Order, orders

product = DataProduct(__file__)


@product.logic
def {name}(order: Order) -> object:
    return {what}


product.process("{name}", {name}, reply, on=on(orders))
"""
CONTRACT = """apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {name: number, logicalType: integer, required: true, primaryKey: true}
"""
OUTPUT = "outputPorts:\n  - {name: orders, version: 1.0.0, type: stream, contractId: orders}\n"
INPUT = """inputPorts:
  - name: orders
    version: 1.0.0
    contractId: orders
    customProperties: [{property: port, value: made.orders/orders@1, vendor: hansa}]
"""


def orders(folder: Path, *fields: str) -> Path:
    """The producer, with a number and these optional texts in its records."""
    write(folder, "made.orders", CODE, more=OUTPUT)
    (folder / "contracts").mkdir(exist_ok=True)
    properties = "".join(f"      - {{name: {field}, logicalType: string}}\n" for field in fields)
    (folder / "contracts" / "orders@1.odcs.yaml").write_text(CONTRACT + properties)
    (folder / "ports.py").write_text(generate_ports(read_product(folder), {}))
    return folder


def follower(folder: Path, product: str, what: str, producer: Path) -> Path:
    """A product that follows the orders and does `what` with each."""
    write(folder, product, FOLLOWER.format(name="follow", what=what), more=INPUT)
    port = read_product(producer).outputs[0]
    (folder / "ports.py").write_text(generate_ports(read_product(folder), {port.id: port}))
    return folder


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Orders with a note and a hint; `near.notes` uses the note, `far.hints` the hint, `far.all` who knows what."""
    root = tmp_path_factory.mktemp("planning")
    with running(root / "data") as server:
        producer = orders(root / "orders", "note", "hint")
        server.deploy(producer, "made.orders")
        for product, what in (("near.notes", "order.note"), ("far.hints", "order.hint"), ("far.all", "str(order)")):
            server.deploy(follower(root / product, product, what, producer), product)
        yield server


@pytest.fixture
def candidate(mesh: Server, tmp_path: Path) -> Path:
    """The orders without their note."""
    return orders(tmp_path / "orders", "hint")


def plan(server: Server, folder: Path, product: str = "made.orders") -> dict[str, Any]:
    answer = server.http.post(f"/products/{product}/plan", content=pack(folder).data)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def deploy(client: httpx.Client, folder: Path, product: str = "made.orders", **query: str) -> dict[str, Any]:
    """The last line of a deployment, or its problem."""
    answer = client.post(f"/products/{product}/deploy", params=query, content=pack(folder).data)
    found: dict[str, Any] = answer.json() if answer.is_error else json.loads(answer.text.strip().splitlines()[-1])
    return found.get("error", found)


def test_a_plan_names_who_would_break_by_the_fields_they_use(mesh: Server, candidate: Path) -> None:
    with member(mesh, "selecta") as reader:
        reader.get(f"/ports/{ORDERS}/records", params={"select": "hint"}).raise_for_status()
        found = plan(mesh, candidate)
    told = {(one["who"], one["verdict"]): one for one in found["consumers"]}
    assert told.keys() >= {
        ("near.notes:follow", "breaks"), ("far.all:follow", "may_break"), ("far.hints:follow", "unaffected"),
        ("selecta", "unaffected"),
    }  # fmt: skip
    assert told["near.notes:follow", "breaks"]["fields"] == ["note"]
    assert told["near.notes:follow", "breaks"]["because"] == "it uses note"
    assert told["far.all:follow", "may_break"]["fields"] is None
    assert told["selecta", "unaffected"]["fields"] == ["hint"]
    assert [(one["kind"], one["of"]) for one in found["consents"]] == [("domain", "far"), ("domain", "near")]
    assert "near.notes:follow (it uses note)" in found["findings"][0]["message"]
    assert plan(mesh, candidate)["hash"] == found["hash"]


def test_consents_of_every_domain_let_exactly_that_candidate_pass(own: Server, tmp_path: Path) -> None:
    producer = orders(tmp_path / "orders", "note", "hint")
    own.deploy(producer, "made.orders")
    own.deploy(follower(tmp_path / "near", "near.notes", "order.note", producer), "near.notes")
    orders(producer, "hint")
    found = plan(own, producer)
    body = {"port": ORDERS, "candidate": found["revision"], "domain": "near", "reason": "we read the hint now"}
    with member(own, "nora", "near") as nora, member(own, "made_dev", "made", "developer") as developer:
        refused = deploy(developer, producer)
        assert refused["code"] == "contract.incompatible"
        assert deploy(developer, producer, accept_breaking="in a hurry")["code"] == "access.denied"
        assert developer.post("/products/made.orders/consents", json=body).json()["code"] == "access.denied"
        unknown = nora.post("/products/made.orders/consents", json={**body, "candidate": "0" * 16})
        assert unknown.json()["code"] == "candidate.unknown"
        nora.post("/products/made.orders/consents", json=body).raise_for_status()
        (producer / "README.md").write_text("another candidate")
        assert deploy(developer, producer)["code"] == "contract.incompatible"
        (producer / "README.md").unlink()
        again = plan(own, producer)
        assert (again["hash"], again["findings"]) == (found["hash"], [])
        assert deploy(developer, producer, plan=found["hash"])["result"]["revision"] == found["revision"]
    [entry] = own.http.get("/audit", params={"target": "made.orders", "operation": "product.updated"}).json()["items"]
    assert entry["after"]["consent"] == {
        "reason": "all consents are given", "forced": False, "given": ["nora for domain near"],
        "changes": [f"in {ORDERS}, note is gone: readers that have the old schema break"],
    }  # fmt: skip
    [given] = own.http.get("/audit", params={"operation": "consent.given"}).json()["items"]
    assert (given["actor"], given["after"]["reason"]) == ("nora", "we read the hint now")


def test_an_owner_forces_a_break_and_the_audit_says_so(mesh: Server, tmp_path: Path) -> None:
    folder = orders(tmp_path / "orders", "note", "hint", "remark")
    mesh.deploy(folder, "made.orders")
    orders(folder, "note", "hint")
    with pytest.raises(Refused, match=r"contract\.incompatible"):
        mesh.deploy(folder, "made.orders")
    mesh.deploy(folder, "made.orders", accept_breaking="nobody uses the remark")
    [entry] = mesh.http.get("/audit", params={"target": "made.orders", "limit": 1}).json()["items"]
    assert (entry["after"]["consent"]["forced"], entry["after"]["consent"]["reason"]) == (
        True,
        "nobody uses the remark",
    )
    (folder / "product.py").write_text(CODE + "\n# the same\n")
    assert mesh.deploy(folder, "made.orders")["created"]  # what was accepted is not asked for again


def test_a_plan_that_the_mesh_has_left_behind_is_not_carried_out(mesh: Server, tmp_path: Path) -> None:
    producer = orders(tmp_path / "orders", "note", "hint", "more")
    seen = plan(mesh, producer)["hash"]
    late = follower(tmp_path / "late", "near.late", "order.number", orders(tmp_path / "live", "note", "hint"))
    mesh.deploy(late, "near.late")
    stale = deploy(mesh.http, producer, plan=seen)
    assert (stale["code"], stale["status"]) == ("plan.stale", 409)
    assert deploy(mesh.http, producer, plan=plan(mesh, producer)["hash"])["result"]["changed"]
    force = {"accept_breaking": "the others go on with what there was"}
    mesh.http.post("/products/made.orders/rollback", json=force).raise_for_status()


def test_of_deploys_at_the_same_moment_one_wins_and_the_others_are_told(own: Server, tmp_path: Path) -> None:
    own.deploy(orders(tmp_path / "orders", "note"), "made.orders")
    folders = [orders(tmp_path / f"orders{number}", "note", f"extra{number}") for number in range(4)]
    for folder in folders:
        source = folder / "product.py"  # so long does it take to load that all have come before one is live
        source.write_text(f"import time\n{source.read_text()}\ntime.sleep(1)\n")
    with ThreadPoolExecutor(4) as threads:
        ended = list(threads.map(lambda folder: deploy(own.http, folder), folders))
    won = [index for index, one in enumerate(ended) if "result" in one]
    lost = [one for one in ended if "result" not in one]
    assert len(won) == 1
    assert {(one["code"], one["status"]) for one in lost} == {("deploy.conflict", 409)}
    live = own.http.get("/products/made.orders").json()
    assert live["revision"] == ended[won[0]]["result"]["revision"]
    fields = [field["name"] for field in live["spec"]["outputs"][0]["contract"]["fields"]]
    assert fields == ["number", "note", f"extra{won[0]}"]
    own.call("POST", "/made/orders/orders", {"number": 1, f"extra{won[0]}": "kept"}).raise_for_status()
    assert own.records(ORDERS)[0][f"extra{won[0]}"] == "kept"
    revisions = own.http.get("/products/made.orders/revisions").json()["items"]
    assert len(revisions) == 2


def test_the_same_bundle_twice_at_the_same_moment_is_one_revision(own: Server, tmp_path: Path) -> None:
    folder = orders(tmp_path / "orders", "note")
    own.http.post("/domains", json={"name": "made"})
    with ThreadPoolExecutor(2) as threads:
        ended = [one["result"] for one in threads.map(lambda _: deploy(own.http, folder), range(2))]
    assert sorted(one["created"] for one in ended) == [False, True]
    assert len({one["revision"] for one in ended}) == 1


def test_rollback_restores_code_contract_and_triggers(own: Server, tmp_path: Path) -> None:
    folder = orders(tmp_path / "orders", "note")
    own.deploy(folder, "made.orders")
    orders(folder, "note", "more")
    code = CODE.replace('"/orders"', '"/sales"').replace("return order", "return Order(order.number, note='new')")
    (folder / "product.py").write_text(code)
    own.deploy(folder, "made.orders")
    own.call("POST", "/made/orders/sales", {"number": 1}).raise_for_status()
    own.http.post("/products/made.orders/rollback", json={}).raise_for_status()
    assert own.call("POST", "/made/orders/sales", {"number": 2}).status_code == 404
    own.call("POST", "/made/orders/orders", {"number": 2, "note": "old"}).raise_for_status()
    assert [record["note"] for record in own.records(ORDERS)] == ["new", "old"]
    contract = own.http.get(f"/ports/{ORDERS}").json()["contract"]
    assert [field["name"] for field in contract["fields"]] == ["number", "note"]


def test_a_rollback_that_takes_away_what_a_consumer_uses_is_refused_as_a_deploy_is(own: Server, tmp_path: Path) -> None:
    path, producer = "/products/made.orders/rollback", orders(tmp_path / "orders", "note")
    first = own.deploy(producer, "made.orders")["revision"]
    second = own.deploy(orders(producer, "note", "due"), "made.orders")["revision"]
    reader = follower(tmp_path / "reader", "near.reader", "order.due", producer)
    own.deploy(reader, "near.reader")
    plan = own.http.get(path).json()
    gone = f"in {ORDERS}, due is gone: readers that have the old schema break"
    assert (plan["since"], plan["revision"], plan["changes"][0]["text"]) == (second, first, gone)
    assert [(c["who"], c["verdict"]) for c in plan["consumers"]] == [("near.reader:follow", "breaks")]
    refused = own.http.post(path, json={}).json()
    assert (refused["code"], refused["status"]) == ("contract.incompatible", 422)
    assert "near.reader:follow" in refused["detail"]
    assert f"--candidate {first}" in refused["hint"]
    assert own.http.get("/products/made.orders").json()["revision"] == second
    stale = own.http.post(path, json={"plan": "another", "accept_breaking": "at once"}).json()
    assert stale["code"] == "plan.stale"
    forced = own.http.post(path, json={"plan": plan["hash"], "accept_breaking": "due was wrong"}).json()
    assert (forced["revision"], forced["changed"]) == (first, True)
    [entry] = own.http.get("/audit", params={"target": "made.orders", "limit": 1}).json()["items"]
    assert (entry["operation"], entry["after"]["consent"]["reason"]) == ("product.rolled_back", "due was wrong")
    assert entry["after"]["consent"]["forced"]


def test_a_rollback_with_consent_or_that_hits_nobody_is_done_at_once(own: Server, tmp_path: Path) -> None:
    path, producer = "/products/made.orders/rollback", orders(tmp_path / "orders", "note")
    first = own.deploy(producer, "made.orders")["revision"]
    own.deploy(orders(producer, "note", "due"), "made.orders")
    own.deploy(follower(tmp_path / "reader", "near.reader", "order.note", producer), "near.reader")
    back = own.http.post(path, json={}).json()
    assert (back["revision"], back["changes"][0]["kind"]) == (first, "breaking")
    [entry] = own.http.get("/audit", params={"target": "made.orders", "limit": 1}).json()["items"]
    assert (entry["after"]["consent"]["forced"], entry["after"]["consent"]["reason"]) == (
        False,
        "nobody who is known is hit",
    )
    own.deploy(orders(producer, "note", "due"), "made.orders")
    own.deploy(follower(tmp_path / "reader", "near.reader", "order.due", producer), "near.reader")
    assert own.http.post(path, json={}).json()["code"] == "contract.incompatible"
    consent = {"port": ORDERS, "candidate": first, "domain": "near", "reason": "we go back, too"}
    own.http.post("/products/made.orders/consents", json=consent).raise_for_status()
    assert own.http.post(path, json={}).json()["revision"] == first


EXPECTS = INPUT.replace(
    "vendor: hansa}]",
    """vendor: hansa}, {property: expects, vendor: hansa, value: [
      {name: number, logicalTypeOptions: {maximum: 100}},
      {name: note, enum: [paid, open]}]}]""",
)


def test_expectations_are_tried_on_what_the_candidate_would_publish(own: Server, tmp_path: Path) -> None:
    producer = orders(tmp_path / "orders", "note")
    own.deploy(producer, "made.orders")
    wanting = write(
        tmp_path / "wanting", "near.wanting", FOLLOWER.format(name="follow", what="order.note"), more=EXPECTS
    )
    (wanting / "ports.py").write_text(
        (follower(tmp_path / "other", "near.other", "1", producer) / "ports.py").read_text()
    )
    own.deploy(wanting, "near.wanting")
    (producer / "product.py").write_text(CODE.replace("return order", "return Order(order.number * 1000, note='odd')"))
    untried = plan(own, producer)
    assert [one["tried"] for one in untried["expectations"]] == ["latest 0 records"] * 2
    assert untried["notes"] == [
        f"{ORDERS}: made.orders:place cannot be tried: it has had no run whose payload is kept; "
        "expectations are tried on the latest 0 records"
    ]
    own.call("POST", "/made/orders/orders", {"number": 7, "note": "paid"}).raise_for_status()
    assert own.until(lambda: own.runs(process="made.orders:place", state="succeeded"))
    runs = own.runs(process="made.orders:place")

    found = plan(own, producer)
    assert [(one["consumer"], one["field"], one["tried"], one["failures"]) for one in found["expectations"]] == [
        ("near.wanting", "number", "dry run, 1 records", ["number is 7000: Expected `int` <= 100 (1 of 1 records)"]),
        ("near.wanting", "note", "dry run, 1 records", ["note is 'odd': Invalid enum value 'odd' (1 of 1 records)"]),
    ]
    assert {finding["code"] for finding in found["findings"]} == {"expectation.failed"}
    assert (own.records(ORDERS), own.runs(process="made.orders:place")) == ([{"number": 7, "note": "paid"}], runs)
    with pytest.raises(Refused, match=r"expectation\.failed"):
        own.deploy(producer, "made.orders")
    (producer / "product.py").write_text(CODE + "\n# as before\n")
    assert all("failures" not in one for one in plan(own, producer)["expectations"])
    assert own.deploy(producer, "made.orders")["created"]


@pytest.mark.parametrize(
    ("wrong", "line", "code"),
    [
        ("{name: number, logicalType: string}", 14, "expectation.wrong"),
        ("{name: nummer}", 14, "expectation.wrong"),
        (
            "{name: number, logicalType: integer, logicalTypeOptions: {minimum: 2, maximum: 1}}",
            14,
            "expectation.impossible",
        ),
    ],
)
def test_an_expectation_that_is_wrong_is_refused_at_the_consumers_own_plan(
    wrong: str, line: int, code: str, mesh: Server, tmp_path: Path
) -> None:
    producer = orders(tmp_path / "orders", "note", "hint")
    folder = follower(tmp_path / "wanting", "far.wanting", "1", producer)
    more = EXPECTS.replace("{name: number, logicalTypeOptions: {maximum: 100}}", wrong)
    write(folder, "far.wanting", FOLLOWER.format(name="follow", what="1"), more=more)
    with pytest.raises(Refused) as refused:
        mesh.deploy(folder, "far.wanting")
    [finding] = refused.value.problem["findings"]
    assert (finding["code"], finding["file"], finding["line"]) == (code, "product.yaml", line)


LATE = CODE.replace("def place(order: Order) -> Order:\n", "def place(order: Order) -> Order:\n    {what}\n")


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("raise ValueError('no')", "its dry run failed (logic.raised)"),
        ("import os; os._exit(1)", "its dry run crashed"),
    ],
)
def test_a_candidate_that_cannot_be_tried_says_why_and_stands_by_the_latest_records(
    what: str, why: str, own: Server, tmp_path: Path
) -> None:
    producer = orders(tmp_path / "orders", "note")
    own.deploy(producer, "made.orders")
    wanting = follower(tmp_path / "wanting", "near.wanting", "1", producer)
    write(wanting, "near.wanting", FOLLOWER.format(name="follow", what="1"), more=EXPECTS)
    own.deploy(wanting, "near.wanting")
    own.call("POST", "/made/orders/orders", {"number": 7, "note": "paid"}).raise_for_status()
    assert own.until(lambda: own.runs(process="made.orders:place", state="succeeded"))
    (producer / "product.py").write_text(LATE.format(what=what))
    found = plan(own, producer)
    assert why in found["notes"][0]
    assert [one["tried"] for one in found["expectations"]] == ["latest 1 records"] * 2
    assert found["findings"] == []
