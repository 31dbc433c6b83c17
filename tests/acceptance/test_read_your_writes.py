"""`Hansa-Token`: a call that carries it sees what was committed with it, in what it looks up and in what it reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from server import Server

SHOP = Path(__file__).parents[1] / "api" / "products" / "shop"
ROUNDS = 30


@pytest.fixture
def shop(own: Server) -> Server:
    own.deploy(SHOP, "shop.orders")
    return own


def test_a_deployed_route_looks_up_what_its_caller_has_just_written(shop: Server) -> None:
    for count in range(1, ROUNDS):
        placed = shop.call("POST", "/shop/orders/orders", {"item": "wheel", "count": count})
        seen = {"Hansa-Token": placed.headers["hansa-token"]}
        assert shop.http.get("/shop/orders/stock/wheel", headers=seen).json() == {"count": count}


def test_the_api_shows_what_was_written_with_the_header_as_with_the_parameter(shop: Server) -> None:
    for count in range(1, ROUNDS):
        placed = shop.call("POST", "/shop/orders/orders", {"item": "wheel", "count": count})
        token = placed.headers["hansa-token"]
        for given in ({"headers": {"Hansa-Token": token}}, {"params": {"token": token}}):
            found = shop.http.get("/runs", **given).json()["items"]
            assert placed.headers["hansa-run"] in {run["id"] for run in found}
        looked_up = shop.http.get("/ports/shop.orders/stock@1/lookup?item=wheel", headers={"Hansa-Token": token})
        assert looked_up.json()["record"]["count"] == count


@pytest.mark.parametrize("token", ["x", "-", "9" * 30, "1.5"])
@pytest.mark.parametrize(
    "path", ["/shop/orders/stock/wheel", "/runs", "/events", "/ports/shop.orders/stock@1/records",
             "/ports/shop.orders/stock@1/lookup?item=wheel"],
)  # fmt: skip
def test_a_token_that_was_never_given_is_refused_at_once(token: str, path: str, bench: Server) -> None:
    if "/shop.orders" in path or path.startswith("/shop"):
        path = path.replace("shop.orders/stock@1", "lab.bench/numbers@1").replace("item=", "name=")
        path = path.replace("/shop/orders/stock/wheel", "/lab/bench/call")
    answer = bench.http.get(path, headers={"Hansa-Token": token}, timeout=2)
    assert (answer.status_code, answer.json()["code"]) == (400, "position.foreign")
