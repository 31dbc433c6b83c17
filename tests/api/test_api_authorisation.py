"""Who passes which door: every route, every kind of caller, one table (`doors.DOORS`)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from doors import DOORS, LIMITED, MEMBERS, NO_ONE, deployed, operations
from server import Server

from hansa.access.decide import Action, decide
from hansa.access.principal import ANONYMOUS

CALLERS = {**MEMBERS, **LIMITED, **NO_ONE}
RULES = {"token.scope", "token.products", "default"}
"""What `access.decide` refuses an account by."""


def test_every_route_has_its_row_and_every_row_its_route(shop: Server) -> None:
    assert DOORS.keys() == operations().keys() | deployed(shop)


@pytest.fixture(scope="module")
def http(shop: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shop.url, timeout=30) as client:
        yield client


def asked(http: httpx.Client, token: str | None, door: str, **names: str) -> tuple[int, dict[str, Any]]:
    """The status, and the problem where there is one. A stream is left at once."""
    row, method = DOORS[door], door.partition(" ")[0]
    headers = {"authorization": f"Bearer {token}"} if token else {}
    path = row.path.format(**names)
    with http.stream(method, path, json=row.json, content=row.content, headers=headers) as answer:
        if answer.status_code < 400:
            return answer.status_code, {}
        answer.read()
        return answer.status_code, answer.json()


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("door", DOORS)
def test_a_door_opens_for_those_in_the_table_only(
    door: str, caller: str, http: httpx.Client, tokens: dict[str, str | None], run: str, entry: str
) -> None:
    status, problem = asked(http, tokens[caller], door, run=run, entry=entry)
    if CALLERS[caller] in DOORS[door].who:
        assert status not in (401, 403), problem
        assert status < 500, problem
    elif caller in NO_ONE:
        assert (status, problem["code"]) == (401, "access.unauthenticated")
    else:
        assert (status, problem["code"]) == (403, "access.denied")
        assert problem["rule"] in RULES


@pytest.mark.parametrize("name", operations())
def test_an_operation_is_one_action_and_refused_to_strangers_by_the_one_decision(name: str) -> None:
    action = operations()[name].action
    assert action in set(Action)
    assert not decide(ANONYMOUS, action).allowed


def test_runs_and_events_of_another_domain_are_not_seen(shop: Server, tokens: dict[str, str | None], run: str) -> None:
    shop.call("POST", "/shop/orders/orders", {"item": "seen"}).raise_for_status()
    stranger = {"authorization": f"Bearer {tokens['stranger']}"}
    owner = {"authorization": f"Bearer {tokens['owner']}"}

    def seen(path: str, headers: dict[str, str]) -> set[str]:
        answer = httpx.get(f"{shop.url}{path}", headers=headers)
        answer.raise_for_status()
        return {item["product"] for item in answer.json()["items"]}

    for path in ("/runs?limit=1000", "/runs?process=shop.orders:greet", "/events?q=name=order.placed"):
        assert "shop.orders" in seen(path, owner)
        assert "shop.orders" not in seen(path, stranger), path
    hidden = httpx.get(f"{shop.url}/runs?product=depot.parts&process=shop.orders:greet", headers=stranger)
    assert hidden.json()["items"] == []
    counted = httpx.post(f"{shop.url}/events/count", headers=stranger, json={"by": [{"field": "product"}]}).json()
    assert all(bucket["key"] == [None] for bucket in counted["buckets"])


def test_the_payload_of_a_run_of_another_domain_cannot_be_taken(
    shop: Server, tokens: dict[str, str | None], run: str
) -> None:
    answer = httpx.post(
        f"{shop.url}/processes/depot.parts:parts/runs", params={"from_run": run},
        headers={"authorization": f"Bearer {tokens['stranger']}"},
    )  # fmt: skip
    assert answer.status_code == 403


def test_whoever_started_a_run_may_see_its_result_and_no_more(shop: Server, tokens: dict[str, str | None]) -> None:
    consumer = {"authorization": f"Bearer {tokens['consumer']}"}
    started = httpx.post(f"{shop.url}/shop/orders/later", headers=consumer, json={"item": "mine"})
    run = started.json()["run"]
    answer = shop.until(lambda: _finished(httpx.get(f"{shop.url}/runs/{run}/result", headers=consumer)))
    assert answer.json() == {"item": "mine", "count": 1}
    assert httpx.get(f"{shop.url}/runs/{run}", headers=consumer).status_code == 403
    stranger = {"authorization": f"Bearer {tokens['stranger']}"}
    assert httpx.get(f"{shop.url}/runs/{run}/result", headers=stranger).status_code == 403


def _finished(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 200 else None


@pytest.mark.parametrize("path", ["/events/follow", "/output?follow=true", "/ports/shop.orders/stock@1/records"])
def test_a_follower_whose_token_is_revoked_is_ended_within_a_second(path: str, shop: Server) -> None:
    made = shop.call("POST", "/tokens", {"name": "follower", "scopes": ["read"]}).json()
    headers = {"authorization": f"Bearer {made['token']}", "accept": "text/event-stream"}
    with httpx.Client(base_url=shop.url, timeout=5) as http, http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        shop.http.delete(f"/tokens/{made['id']}").raise_for_status()
        revoked = time.monotonic()
        last = list(answer.iter_lines())[-4:]
        assert time.monotonic() - revoked < 1.0
    assert "event: problem" in last
    assert any('"code":"access.unauthenticated"' in line for line in last)
    assert httpx.get(f"{shop.url}/me", headers=headers).status_code == 401
