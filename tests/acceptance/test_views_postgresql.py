"""A Hansa whose views are in PostgreSQL: everything that is looked at, and what becomes of it when PostgreSQL goes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from engines.postgresql import PostgreSQL
from engines.process import removed, scratch
from server import Server, running

PRODUCTS = Path(__file__).parent / "products"
CONDITION = "name=number.put and payload.value>1 and source~'number *'"


@pytest.fixture
def database(postgresql_address: str) -> Iterator[str]:
    """The URI of an empty database of its own."""
    name = f"views_{uuid.uuid4().hex[:12]}"
    with closing(psycopg.connect(postgresql_address, autocommit=True)) as db:
        db.execute(f"CREATE DATABASE {name}")
        yield postgresql_address.rpartition("/")[0] + f"/{name}"
        db.execute(f"DROP DATABASE {name} WITH (FORCE)")


def in_postgresql(database: str, table: str) -> int:
    with closing(psycopg.connect(database)) as db:
        return int(db.execute(f"SELECT count(*) FROM hansa_views.{table}").fetchone()[0])


def put(server: Server, *values: int) -> None:
    numbers = [{"name": f"n{value}", "value": value} for value in values]
    server.call("PUT", "/lab/bench/numbers", numbers).raise_for_status()


def look(server: Server) -> dict[str, Any]:
    """All that is shown of a Hansa, without what changes by itself."""
    lineage = server.http.get("/lineage", params={"node": "lab.bench/numbers@1", "direction": "down"}).json()
    return {
        "runs": sorted((run["id"], run["state"]) for run in server.runs(process="lab.bench:put")),
        "events": [(event["id"], event["payload"]) for event in server.events(CONDITION)],
        "lineage": [(edge["source"], edge["target"], edge["count"]) for edge in lineage["edges"]],
        "quarantine": [item["id"] for item in server.http.get("/quarantine").json()["items"]],
    }


def test_views_are_the_same_over_restart_and_rebuild(database: str, tmp_path: Path) -> None:
    with running(tmp_path / "data", environment={"HANSA_DATABASE": database}) as server:
        server.deploy(PRODUCTS / "lab", "lab.bench")
        server.deploy(PRODUCTS / "wares", "shop.wares")
        put(server, 1, 2, 3)
        put(server, 4)
        bad = [{"sku": "q1", "ean": 1, "kind": "book"}, {"sku": "q2", "ean": 2, "kind": "toy"}]
        server.call("POST", "/shop/wares/ports/wares", bad).raise_for_status()
        assert server.until(lambda: len(server.records("lab.bench/squares@1")) == 4)
        shown = server.until(lambda: (found := look(server)) == look(server) and found["quarantine"] and found)
        assert len(shown["runs"]) == 2
        assert [payload["value"] for _, payload in shown["events"]] == [4, 3, 2]
        assert in_postgresql(database, "event WHERE name = 'number.put'") == 4
        assert not (tmp_path / "data" / "views.db").exists()
        server.stop()
        server.start()
        assert look(server) == shown
        for view in ("runs", "events", "lineage", "quarantine"):
            answer = server.call("POST", f"/views/{view}/rebuild", {"partial": True})
            assert answer.status_code < 300, answer.text
        put(server, 0)
        assert server.until(lambda: len(server.runs(process="lab.bench:put")) == 3)
        after = look(server)
        assert after["events"] == shown["events"]
        assert after["quarantine"] == shown["quarantine"]
        assert all(view["error"] is None for view in server.http.get("/views").json()["items"])


def test_they_wait_for_postgresql_and_go_on(tmp_path: Path) -> None:
    folder = scratch("views")
    engine = PostgreSQL(folder)
    engine.start()
    try:
        with running(tmp_path / "data", environment={"HANSA_DATABASE": engine.address}) as server:
            server.deploy(PRODUCTS / "lab", "lab.bench")
            put(server, 2)
            assert len(server.runs(process="lab.bench:put")) == 1
            engine.kill()
            refused = server.http.get("/events", params={"q": CONDITION})
            assert (refused.status_code, refused.json()["code"]) == (503, "store.unreachable"), refused.text
            put(server, 3)
            engine.start()
            assert server.until(lambda: server.http.get("/runs").status_code == 200)
            assert server.until(lambda: len(server.runs(process="lab.bench:put")) == 2)
            assert [event["payload"]["value"] for event in server.events(CONDITION)] == [3, 2]
            assert server.process.poll() is None
        assert "Traceback" not in server.output.read_text()
    finally:
        engine.stop()
        removed(folder)
