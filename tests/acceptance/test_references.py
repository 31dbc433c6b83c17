"""Records that refer to records of other ports: they are published where there is such a record, and else they wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from server import Refused, Server, running

PRODUCTS = Path(__file__).parent / "products"
LETTERS, STAMPS, PEOPLE = "post.letters/letters@1", "post.letters/stamps@1", "post.people/people@1"


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("post") / "data") as server:
        with pytest.raises(Refused, match=r"port\.unknown"):
            server.deploy(PRODUCTS / "letters", "post.letters")
        server.deploy(PRODUCTS / "residents", "post.people")
        server.deploy(PRODUCTS / "letters", "post.letters")
        yield server


def put(server: Server, path: str, *rows: dict[str, Any]) -> httpx.Response:
    product, _, route = path.partition("/")
    return server.call("POST", f"/post/{product}/{route}", list(rows))


def waiting(server: Server, answer: httpx.Response) -> list[dict[str, Any]]:
    found = server.http.get("/quarantine", params={"limit": 1000, "run": server.run(answer)["id"]})
    return list(reversed(found.json()["items"]))


def test_what_was_published_just_before_can_be_referred_to(post: Server) -> None:
    for number in range(20):
        assert put(post, "people/people", {"town": "Ribe", "number": number}).status_code == 200
        row = {"letter": f"a{number}", "town": "Ribe", "house": number}
        answer = put(post, "letters/letters", row, {"letter": f"b{number}", "town": "Ribe", "house": None})
        assert (answer.status_code, waiting(post, answer)) == (200, [])
    checks = {check["rule"]: (check["state"], check["bad"], check["checked"]) for check in post.run(answer)["checks"]}
    assert checks["to someone"] == ("passed", 0, 2)


def test_a_record_waits_for_what_it_refers_to(post: Server) -> None:
    answer = put(post, "letters/letters", {"letter": "late", "town": "Skagen", "house": 7}, {"letter": "x"})
    [found] = waiting(post, answer)
    told = [(reason["path"], reason["code"], reason["value"]) for reason in found["reasons"]]
    assert told == [("house, town", "rule.foreignKey", "(7, 'Skagen')")]
    assert post.call("POST", f"/quarantine/{found['id']}/replay").status_code == 422
    put(post, "people/people", {"town": "Skagen", "number": 7})
    assert post.call("POST", f"/quarantine/{found['id']}/replay").status_code == 200
    assert [row["letter"] for row in post.records(LETTERS)][-2:] == ["x", "late"]


def test_records_of_one_batch_refer_to_each_other_and_fall_together(post: Server) -> None:
    rows = [
        {"letter": "r3", "answers": "r2"}, {"letter": "r2", "answers": "r1"}, {"letter": "r1"},
        {"letter": "q2", "answers": "q1"}, {"letter": "q1", "town": "Nowhere", "house": 1},
        {"letter": "self", "answers": "self"},
    ]  # fmt: skip
    answer = put(post, "letters/letters", *rows)
    assert [row["letter"] for row in post.records(LETTERS)][-4:] == ["r3", "r2", "r1", "self"]
    assert [[reason["rule"] for reason in one["reasons"]] for one in waiting(post, answer)] == [
        ["answers.foreignKey"], ["to someone"],
    ]  # fmt: skip


def test_a_run_refers_to_what_it_publishes_itself(post: Server) -> None:
    assert put(post, "letters/posted/100", {"letter": "p1"}, {"letter": "p2"}).status_code == 200
    assert [row["letter"] for row in post.records(STAMPS)] == ["p1", "p2"]
    refused = put(post, "letters/posted/200", {"letter": "p3", "town": "Nowhere", "house": 1})
    assert (refused.status_code, [e["code"] for e in refused.json()["errors"]]) == (500, ["rule.foreignKey"])
    assert put(post, "letters/stamps", {"stamp": 300, "letter": "nobody's"}).status_code == 500


def test_who_publishes_what_refers_to_a_port_stands_behind_it(post: Server) -> None:
    graph = post.http.get("/lineage", params={"node": PEOPLE, "direction": "down"}).json()
    assert {"post.letters:take", LETTERS} <= {edge["target"] for edge in graph["edges"]}
