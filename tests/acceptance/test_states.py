"""States of products gate what others see, read and subscribe to."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from made import member, write
from server import Refused, Server
from test_planning import INPUT, ORDERS, follower, orders

DRAFT_CODE = """from hansa import Context, DataProduct, http, on, publish_to
from .ports import Order, orders

product = DataProduct(__file__)


@product.logic
def place(order: Order, *, ctx: Context) -> Order:
    ctx.emit("order.placed", source="till", target="book", payload={"number": order.number})
    return order


product.process("place", place, publish_to(orders), on=http.post("/orders", public=True))
"""
LISTENER = """from hansa import DataProduct, on, reply

product = DataProduct(__file__)


@product.logic
def hear(event: object) -> str:
    return "heard"


product.process("hear", hear, reply, on=on.event("order.placed", start="earliest"))
"""
CATALOGUE = ("/products", "/ports", "/processes", "/schedules", "/domains/made", "/openapi.json")


def draft(folder: Path) -> Path:
    """The orders, as a draft that emits an event with each."""
    orders(folder, "note")
    file = folder / "product.yaml"
    file.write_text(file.read_text().replace("status: active", "status: draft"))
    (folder / "product.py").write_text(DRAFT_CODE)
    return folder


def move(server: Server | httpx.Client, state: str, product: str = "made.orders", **more: object) -> httpx.Response:
    http = server.http if isinstance(server, Server) else server
    return http.post(f"/products/{product}/state", json={"state": state, **more})


def test_a_draft_is_there_for_its_domain_alone(own: Server, tmp_path: Path) -> None:
    folder = draft(tmp_path / "orders")
    own.deploy(folder, "made.orders")
    own.deploy(write(tmp_path / "listener", "near.listener", LISTENER), "near.listener")
    own.deploy(write(tmp_path / "inner", "made.listener", LISTENER), "made.listener")
    assert own.http.get("/products/made.orders").json()["state"] == "draft"
    with member(own, "stranger", "near") as stranger, member(own, "colleague", "made", "consumer") as colleague:
        own.call("POST", "/made/orders/orders", {"number": 1}).raise_for_status()
        for path in CATALOGUE:
            assert "made.orders" not in stranger.get(path).text, path
            assert path == "/openapi.json" or "made.orders" in colleague.get(path).text or path == "/schedules", path
        for path in (
            "/products/made.orders",
            f"/ports/{ORDERS}",
            f"/ports/{ORDERS}/records",
            f"/ports/{ORDERS}/contract",
        ):
            assert stranger.get(path).json()["code"] == "access.denied", path
            assert colleague.get(path).status_code == 200, path
        assert stranger.get("/lineage", params={"node": "made.orders"}).json()["code"] == "lineage.unknown"
        assert colleague.get("/lineage", params={"node": "made.orders"}).status_code == 200
        assert stranger.post("/made/orders/orders", json={"number": 2}).json()["code"] == "route.unknown"
        assert httpx.post(f"{own.url}/made/orders/orders", json={"number": 2}).json()["code"] == "route.unknown"
        assert colleague.post("/made/orders/orders", json={"number": 2}).status_code == 200
        assert own.until(lambda: len(own.runs(process="made.listener:hear")) == 2)
        assert own.runs(process="near.listener:hear") == []
        with pytest.raises(Refused, match=r"port\.unknown"):
            own.deploy(follower(tmp_path / "far", "near.follower", "1", folder), "near.follower")
        own.deploy(follower(tmp_path / "close", "made.follower", "1", folder), "made.follower")

        assert move(own, "active").json()["done"]
        own.deploy(tmp_path / "far", "near.follower")
        assert stranger.post("/made/orders/orders", json={"number": 3}).status_code == 200
        assert own.until(lambda: own.runs(process="near.listener:hear"))
        assert move(own, "draft").json()["code"] == "product.in_use"
        planned = own.http.post("/products/made.orders/plan", content=_packed(folder)).json()
        assert planned["notes"] == [
            "product.yaml says that made.orders is draft, and it is active: "
            "`hansa status made.orders draft` changes that, a deploy does not"
        ]


def _packed(folder: Path) -> bytes:
    from hansa.blobs.bundle import pack

    return pack(folder).data


def test_what_is_deprecated_warns_counts_and_takes_no_new_readers(own: Server, tmp_path: Path) -> None:
    producer = orders(tmp_path / "orders", "note")
    own.deploy(producer, "made.orders")
    own.deploy(follower(tmp_path / "near", "near.notes", "order.note", producer), "near.notes")
    own.call("POST", "/made/orders/orders", {"number": 1}).raise_for_status()
    planned = move(own, "deprecated", successor="lab.bench", dry=True).json()
    assert (planned["done"], planned["read_by"]) == (False, ["near.notes"])
    assert own.http.get("/products/made.orders").json()["state"] == "active"
    assert move(own, "deprecated", successor="lab.bench").json()["done"]

    reads = ("/products/made.orders", f"/ports/{ORDERS}", f"/ports/{ORDERS}/records", f"/ports/{ORDERS}/contract")
    answers = [own.http.get(path) for path in reads]
    answers.append(own.http.get(f"/ports/{ORDERS}/records", headers={"accept": "application/cloudevents-batch+json"}))
    answers.append(own.call("POST", "/made/orders/orders", {"number": 2}))
    for answer in answers:
        assert answer.headers["link"] == '</products/lab.bench>; rel="successor-version"', answer.url
        assert answer.headers["deprecation"].startswith("@17"), answer.url
    assert "deprecation" not in own.http.get("/products/lab.bench").headers
    assert own.http.get("/openapi.json").json()["paths"]["/made/orders/orders"]["post"]["deprecated"] is True
    [admin] = [r for r in own.http.get(f"/ports/{ORDERS}/readers").json()["items"] if r["kind"] == "account"]
    assert admin["count"] == 2

    with pytest.raises(Refused) as refused:
        own.deploy(follower(tmp_path / "late", "near.late", "1", producer), "near.late")
    [first, *_] = refused.value.problem["findings"]
    assert (first["code"], first["hint"]) == ("port.deprecated", "Read lab.bench instead.")
    (tmp_path / "near" / "product.py").write_text((tmp_path / "near" / "product.py").read_text() + "\n# same\n")
    own.deploy(tmp_path / "near", "near.notes")
    (producer / "README.md").write_text("A deploy does not end a deprecation.")
    own.deploy(producer, "made.orders")
    assert own.http.get("/products/made.orders").json()["state"] == "deprecated"


def test_what_is_retired_refuses_everywhere_and_names_its_successor(own: Server, tmp_path: Path) -> None:
    producer = orders(tmp_path / "orders", "note")
    own.deploy(producer, "made.orders")
    near = follower(tmp_path / "near", "near.notes", "order.note", producer)
    own.deploy(near, "near.notes")
    refused = move(own, "retired", successor="lab.bench")
    assert (refused.status_code, refused.json()["code"]) == (409, "product.in_use")
    write(near, "near.notes", LISTENER)
    (near / "ports.py").unlink()
    own.deploy(near, "near.notes")
    assert move(own, "retired", successor="lab.bench").json()["done"]

    def refuses() -> None:
        for method, path in (
            ("GET", f"/ports/{ORDERS}"),
            ("GET", f"/ports/{ORDERS}/records"),
            ("GET", f"/ports/{ORDERS}/lookup?number=1"),
            ("POST", "/made/orders/orders"),
            ("GET", "/made/orders/nowhere"),
            ("POST", "/processes/made.orders:place/runs"),
        ):
            answer = own.call(method, path)
            assert (answer.status_code, answer.json()["code"]) == (410, "product.retired"), path
            assert answer.json()["hint"] == "Its successor is lab.bench."
            assert answer.headers["link"] == '</products/lab.bench>; rel="successor-version"'

    refuses()
    own.stop()
    own.start()
    refuses()
    write(near, "near.notes", LISTENER, more=INPUT)
    with pytest.raises(Refused, match=r"port\.unknown"):
        own.deploy(near, "near.notes")
    assert move(own, "active").json()["code"] == "product.state"
    steps = own.http.get("/audit", params={"operation": "product.retired"}).json()["items"]
    assert [(step["before"]["state"], step["after"]["successor"]) for step in steps] == [("active", "lab.bench")]
    own.deploy(producer, "made.orders")
    assert own.http.get("/products/made.orders").json()["state"] == "active"
