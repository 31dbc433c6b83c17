"""One Hansa with two domains, a product in each, and a token of everyone who may come to its doors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Server, running

sys.path.insert(0, str(Path(__file__).parent))
PRODUCTS = Path(__file__).parent / "products"
SCOPES = ["read", "call", "publish", "deploy", "operate", "admin"]
ROLES = {"consumer": "shop", "developer": "shop", "owner": "shop", "stranger": "depot"}
MICROSECOND_DAYS = 1e-10


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Hansa with `shop.orders`, which has every kind of route, and `depot.parts`."""
    with running(tmp_path_factory.mktemp("shop") / "data") as server:
        server.deploy(PRODUCTS / "shop", "shop.orders")
        server.deploy(PRODUCTS / "depot", "depot.parts")
        yield server


@pytest.fixture(scope="session")
def tokens(shop: Server) -> dict[str, str | None]:
    """The token of each member, of a reader, of one who is limited to a product, of one who came too late; nobody has
    none."""
    for person, domain in ROLES.items():
        role = "owner" if person == "stranger" else person
        shop.call("POST", "/people", {"id": person}).raise_for_status()
        shop.call("POST", f"/domains/{domain}/roles", {"person": person, "role": role}).raise_for_status()
    return {
        **{person: token(shop, person) for person in [*ROLES, "admin"]},
        "reader": token(shop, "owner", scopes=["read"]),
        "limited": token(shop, "owner", products=["depot.parts"]),
        "expired": token(shop, "owner", expires_days=MICROSECOND_DAYS),
        "nobody": None,
    }


@pytest.fixture(scope="session")
def run(shop: Server) -> str:
    """A run of the admin in the domain shop."""
    answer = shop.call("POST", "/processes/shop.orders:greet/runs")
    answer.raise_for_status()
    return answer.headers["hansa-run"]


@pytest.fixture(scope="session")
def entry(shop: Server) -> str:
    """A record of the domain shop that was set aside."""
    answer = shop.call("POST", "/shop/orders/orders", {"item": "!"})
    answer.raise_for_status()
    found = shop.http.get("/quarantine", params={"token": answer.headers["hansa-token"]})
    return str(found.json()["items"][0]["id"])


def token(server: Server, person: str, **limits: object) -> str:
    """A new token, of all scopes unless limited."""
    body = {"name": "test", "principal": person, "scopes": SCOPES, **limits}
    answer = server.call("POST", "/tokens", body)
    answer.raise_for_status()
    return str(answer.json()["token"])
