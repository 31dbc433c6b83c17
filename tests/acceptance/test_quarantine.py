"""What breaks a contract does not reach its port: it is refused with every reason, or waits where it can be mended."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faults
import httpx
import pytest
from server import Server, running

PRODUCT = Path(__file__).parent / "products" / "wares"
WARES, PRICES, BUYERS = "shop.wares/wares@1", "shop.wares/prices@1", "shop.wares/buyers@1"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("wares") / "data") as server:
        server.deploy(PRODUCT, "shop.wares")
        yield server


def put(server: Server, port: str, *rows: Any) -> httpx.Response:
    return server.call("POST", f"/shop/wares/ports/{port}", list(rows))


def waiting(server: Server, **query: str) -> list[dict[str, Any]]:
    answer = server.http.get("/quarantine", params={"limit": 1000, **query})
    answer.raise_for_status()
    return list(answer.json()["items"])


def entry(server: Server, found: dict[str, Any]) -> dict[str, Any]:
    return dict(server.http.get(f"/quarantine/{found['id']}").json())


def reasons(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(reason["path"], reason["code"]) for reason in found["reasons"]]


def test_a_caller_is_told_every_field_that_is_wrong(shop: Server) -> None:
    before = shop.records(PRICES)
    answer = put(shop, "prices", {"sku": "a", "cents": -1}, {"sku": "b", "cents": 1}, {"sku": 3})
    assert (answer.status_code, answer.json()["code"]) == (500, "contract.violated")
    told = [(e["index"], e["path"], e["code"], e["value"]) for e in answer.json()["errors"]]
    assert told == [
        (0, "cents", "field.range", "-1"), (2, "cents", "field.missing", ""), (2, "sku", "field.type", "3"),
    ]  # fmt: skip
    assert shop.records(PRICES) == before
    checks = {check["rule"]: (check["state"], check["bad"], check["checked"]) for check in shop.run(answer)["checks"]}
    assert checks == {"schema": ("failed", 2, 3), "rowCount": ("passed", 0, 1)}


def test_a_rule_over_a_batch_is_decided_over_what_is_published_at_once(shop: Server) -> None:
    answer = put(shop, "prices", *[{"sku": "a", "cents": n} for n in range(4)])
    assert answer.status_code == 500
    assert [(e["rule"], e["value"]) for e in answer.json()["errors"]] == [("rowCount", "4")]
    assert put(shop, "prices", {"sku": "a", "cents": 1}).status_code == 200


def test_classes_of_another_time_do_not_weaken_the_contract(shop: Server) -> None:
    answer = shop.call("POST", "/shop/wares/stale", [{"sku": "a", "cents": -5}])
    assert [(e["path"], e["code"]) for e in answer.json()["errors"]] == [
        ("cents", "field.range"), ("currency", "field.unknown"),
    ]  # fmt: skip


def test_bad_records_wait_and_the_good_ones_are_published(shop: Server) -> None:
    rows = [{"sku": "q1", "ean": 101, "kind": "book"}, {"sku": "q2", "ean": 102, "kind": "toy"}, {"sku": "q3"}]
    answer = put(shop, "wares", *rows, {"sku": "q4", "ean": 101, "kind": None})
    assert answer.status_code == 200
    assert [row["sku"] for row in shop.records(WARES) if row["sku"][0] == "q"] == ["q1"]
    run = shop.run(answer)
    found = waiting(shop, run=run["id"])
    assert [reasons(one) for one in reversed(found)] == [
        [("kind", "rule.invalidValues")], [("ean", "field.missing")], [("ean", "rule.duplicateValues")],
    ]  # fmt: skip
    shown = entry(shop, found[-1])
    assert (shown["record"], shown["reasons"][0]["value"], shown["process"]) == (rows[1], "'toy'", "put")
    assert run["writes"] == [{"port": WARES, "records": 1}]
    states = {check["rule"]: (check["state"], check["bad"]) for check in run["checks"]}
    assert states == {
        "schema": ("failed", 1), "kind.invalidValues": ("failed", 1), "kind is told": ("warning", 1),
        "ean.unique": ("failed", 1), "kind.text": ("skipped", 0),
    }  # fmt: skip
    assert waiting(shop, run=run["id"], text="CATALOGUE") == []
    assert len(waiting(shop, run=run["id"], text="not a VALID")) == 1


def test_a_corrected_record_is_published_once_in_a_run_that_knows_the_first(shop: Server) -> None:
    run = shop.run(put(shop, "wares", {"sku": "c1", "ean": 201, "kind": "toy"}))
    [found] = waiting(shop, run=run["id"])
    path = f"/quarantine/{found['id']}"
    refused = shop.call("POST", f"{path}/replay")
    assert (refused.status_code, refused.json()["code"]) == (422, "contract.violated")
    assert [one["state"] for one in waiting(shop, run=run["id"])] == ["waiting"]
    corrected = shop.call("POST", f"{path}/correct", {"record": {"sku": "c1", "ean": 201, "kind": "game"}})
    assert (corrected.status_code, corrected.json()["corrected_by"]) == (200, "admin")
    answer = shop.call("POST", f"{path}/replay")
    assert answer.status_code == 200, answer.text
    assert [r for r in shop.records(WARES) if r["sku"] == "c1"] == [{"sku": "c1", "ean": 201, "kind": "game"}]
    second = shop.run(answer)
    assert (second["replay_of"], second["trigger"], second["process"]) == (run["id"], "quarantine", "put")
    assert second["writes"] == [{"port": WARES, "records": 1}]
    again = shop.call("POST", f"{path}/replay")
    assert (again.status_code, again.json()["code"]) == (409, "quarantine.settled")
    assert shop.call("POST", f"{path}/discard", {"reason": "late"}).status_code == 409
    assert (entry(shop, found)["state"], entry(shop, found)["settled_run"]) == ("replayed", second["id"])
    audited = {item["operation"] for item in shop.http.get("/audit", params={"limit": 1000}).json()["items"]}
    assert {"quarantine.corrected", "quarantine.replayed"} <= audited


def test_a_discarded_record_is_settled(shop: Server) -> None:
    run = shop.run(put(shop, "wares", {"sku": "d1", "ean": 301, "kind": "toy"}))
    [found] = waiting(shop, run=run["id"])
    done = shop.call("POST", f"/quarantine/{found['id']}/discard", {"reason": "no such ware"})
    assert (done.json()["state"], done.json()["reason"]) == ("discarded", "no such ware")
    assert waiting(shop, run=run["id"]) == []
    assert len(waiting(shop, run=run["id"], state="all")) == 1
    assert shop.call("POST", f"/quarantine/{found['id']}/replay").status_code == 409


def test_a_value_is_unique_over_all_that_was_ever_published(shop: Server) -> None:
    assert put(shop, "wares", {"sku": "u1", "ean": 401, "kind": "book"}).status_code == 200
    assert put(shop, "wares", {"sku": "u1", "ean": 401, "kind": "game"}).status_code == 200
    run = shop.run(put(shop, "wares", {"sku": "u2", "ean": 401, "kind": "book"}))
    assert [reasons(one) for one in waiting(shop, run=run["id"])] == [[("ean", "rule.duplicateValues")]]
    assert [r["sku"] for r in shop.records(WARES) if r["ean"] == 401] == ["u1", "u1"]


def test_nothing_personal_is_shown_and_forgetting_takes_what_waits(shop: Server) -> None:
    run = shop.run(put(shop, "buyers", {"buyer": "Ada Bo", "city": "Atlantis"}, {"city": "Visby"}))
    unnamed, named = waiting(shop, run=run["id"])
    assert ["value" in reason for one in (named, unnamed) for reason in one["reasons"]] == [False, False]
    assert entry(shop, named)["record"] == {"buyer": "Ada Bo", "city": "Atlantis"}
    assert entry(shop, unnamed)["record"] == {"city": "Visby"}
    nameless = shop.call("POST", f"/quarantine/{unnamed['id']}/correct", {"record": {"city": "Visby"}})
    assert (nameless.status_code, nameless.json()["code"]) == (422, "quarantine.subject")
    stored = b"".join(path.read_bytes() for path in shop.data.glob("log.db*"))
    assert b"Atlantis" not in stored.replace(b'"city": "Atlantis"', b"").replace(b'"city":"Atlantis"', b"")
    body = {"subject": "Ada Bo", "product": "shop.wares", "confirm": True}
    assert shop.call("POST", "/forget", body).status_code == 200
    assert [one["id"] for one in waiting(shop, run=run["id"])] == [unnamed["id"]]
    assert shop.http.get(f"/quarantine/{named['id']}").status_code == 404


def test_chunks_that_are_killed_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """Forty chunks of ten: the first EAN of each is the same, and the second ware's kind is none."""
    chance = random.Random(7)
    with running(tmp_path / "data") as server:
        server.deploy(PRODUCT, "shop.wares")
        begun = server.call("POST", "/processes/shop.wares:load/runs?wait_s=0", {"chunks": 40})
        assert begun.status_code == 202
        for victim in ("worker", "server", "worker", "server"):
            time.sleep(chance.uniform(0.02, 0.15))
            if victim == "worker":
                faults.kill_one(server, "worker", chance)
            else:
                server.kill()
                server.start()
        run = begun.json()["run"]
        assert server.until(lambda: server.http.get(f"/runs/{run}").json()["state"] == "succeeded", 60)
        published = [record["ean"] for record in server.records(WARES)]
        assert sorted(published) == sorted([-1, *(c * 10 + n for c in range(40) for n in range(2, 10))])
        found = [record["record"]["sku"] for record in (entry(server, one) for one in waiting(server))]
        assert sorted(found) == sorted([f"{c}-{n}" for c in range(40) for n in (0, 1) if (c, n) != (0, 0)])
