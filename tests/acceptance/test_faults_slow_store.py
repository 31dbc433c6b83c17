"""An object store that is slow: who deploys waits, or is told why not, and calls are answered as if nothing were."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ledger import Ledger, selling
from nodes import Cluster, Engines, nodes
from server import Refused, Server
from slow import Slowed, slowed
from test_nodes import assert_well_closed, bring_to_rest

PRODUCTS = Path(__file__).parent / "products"
SLOW_S = 0.3
"""How long a store that is slow lets each piece wait."""
SILENT_S = 60.0
"""So long that a store seems to say nothing, which is borne for 10 s."""
CALL_S = 5.0
"""What takes no longer than this has not waited for a store that says nothing."""
CALLERS = 3


@pytest.fixture
def store(s3_address: str) -> Iterator[tuple[Slowed, str]]:
    """The store, slowed, and its address."""
    parts = urlsplit(s3_address)
    with slowed(parts.port or 80) as made:
        yield made, parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{made.port}")).geturl()


@pytest.mark.slow
def test_deploying_waits_for_a_slow_store_or_is_refused_and_calls_go_on(
    kafka_address: str, postgresql_address: str, store: tuple[Slowed, str], tmp_path: Path
) -> None:
    slow, address = store
    ledger, books = Ledger(), tmp_path / "books"
    shutil.copytree(PRODUCTS / "books", books)
    with nodes(tmp_path, Engines(kafka_address, postgresql_address, address)) as pair:
        first = pair.nodes[0]
        first.deploy(PRODUCTS / "till", "shop.till")
        before = first.deploy(books, "shop.books")["revision"]
        with selling(pair, ledger, CALLERS), ThreadPoolExecutor(1) as beside:
            slow.delay_s = SLOW_S
            waited = _meanwhile(first, beside.submit(first.deploy, _changed(books), "shop.books"))
            assert waited.result()["revision"] != before
            slow.delay_s = SILENT_S
            refused = _meanwhile(first, beside.submit(first.deploy, _changed(books), "shop.books"))
            with pytest.raises(Refused, match=r"blob\.unreachable"):
                refused.result()
            assert _serve(pair, waited.result()["revision"])
            slow.delay_s = 0
            deployed = first.deploy(_changed(books), "shop.books")["revision"]
            assert first.until(partial(_serve, pair, deployed))
        bring_to_rest(pair)
        assert_well_closed(pair, ledger)


def _changed(product: Path) -> Path:
    """The product, in another revision."""
    with (product / "product.py").open("a") as file:
        file.write(f"# {uuid.uuid4().hex}\n")
    return product


def _meanwhile(node: Server, deployment: Future[dict[str, Any]]) -> Future[dict[str, Any]]:
    """Calls again and again until a deployment is over; none of the calls waits for the store."""
    slowest_s = 0.0
    while not deployment.done():
        sale, begun_s = f"sync {uuid.uuid4().hex}", time.monotonic()
        node.call("POST", "/shop/till/sync", {"id": sale}).raise_for_status()
        slowest_s = max(slowest_s, time.monotonic() - begun_s)
    assert slowest_s < CALL_S
    return deployment


def _serve(pair: Cluster, revision: str) -> bool:
    """Whether both nodes serve a revision of the books."""
    return all(node.http.get("/products/shop.books").json()["revision"] == revision for node in pair.nodes)
