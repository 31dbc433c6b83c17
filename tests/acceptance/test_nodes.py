"""Several nodes on the real engines are one Hansa, and nothing that befalls one of them loses or doubles anything."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks import attack
from audit import audit, audit_views
from ledger import Ledger, selling
from nodes import Cluster, Engines, nodes
from server import Server, running
from test_faults_kills import assert_well, come_to_rest

PRODUCTS = Path(__file__).parent / "products"
CALLERS = 5


@pytest.fixture(scope="module")
def engines(kafka_address: str, postgresql_address: str, s3_address: str) -> Engines:
    return Engines(kafka_address, postgresql_address, s3_address)


@pytest.fixture(scope="module")
def pair(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes with `shop.till` and `shop.books`, deployed at the first."""
    with nodes(tmp_path_factory.mktemp("pair"), engines) as cluster:
        open_shop(cluster)
        yield cluster


def open_shop(cluster: Cluster) -> None:
    """Deploys `shop.till` and `shop.books` at the first node."""
    for product in ("till", "books"):
        cluster.nodes[0].deploy(PRODUCTS / product, f"shop.{product}")


def bring_to_rest(cluster: Cluster) -> None:
    """Ends what the till does of itself, and waits until all is done."""
    cluster.nodes[0].http.post("/triggers/shop.till:sell_on_time/0/pause").raise_for_status()
    come_to_rest(cluster.nodes[-1])


def assert_well_closed(cluster: Cluster, ledger: Ledger, **environment: str) -> None:
    """Ends nodes that are at rest, and audits what they leave, and what the first one, started with this environment,
    shows of it."""
    cluster.close()
    books = cluster.books()
    cluster.nodes[0].start(**environment)
    assert_well([*audit(books, ledger), *audit_views(cluster.nodes[0], books)])


def test_what_is_deployed_at_one_node_is_served_by_all(pair: Cluster) -> None:
    for node in pair.nodes:
        assert node.call("POST", "/shop/till/sync", {"id": f"at {node.url}"}).json() == {"sold": f"at {node.url}"}


def test_what_was_written_at_one_node_is_read_at_another_with_its_token(pair: Cluster) -> None:
    for number in range(20):
        writer, reader = pair.nodes if number % 2 else pair.nodes[::-1]
        told = writer.call("POST", "/shop/till/sync", {"id": f"mine {number}"})
        query = {"q": f'name=sold and source="mine {number}"', "token": told.headers["hansa-token"]}
        assert reader.http.get("/events", params=query).json()["total"] == 1


def test_state_is_one_for_all_nodes(pair: Cluster) -> None:
    before = len(pair.nodes[0].records("shop.till/sales@1"))
    with selling(pair, ledger := Ledger(), 4):
        pair.nodes[0].until(lambda: len(ledger.done) > 30)
    assert not ledger.strange
    assert len(pair.nodes[1].records("shop.till/sales@1")) > before + 30


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1))
def test_whatever_befalls_nodes_loses_and_doubles_nothing(tmp_path: Path, engines: Engines, seed: int) -> None:
    ledger = Ledger()
    own = engines.another()
    with nodes(tmp_path, own) as cluster:
        open_shop(cluster)
        with selling(cluster, ledger, CALLERS):
            attack(cluster, random.Random(seed), 8)
        bring_to_rest(cluster)
        assert_well_closed(cluster, ledger)
    assert len(ledger.acknowledged) > 200


def test_a_node_without_workers_passes_calls_on(pair: Cluster, tmp_path: Path) -> None:
    environment = pair.engines.environment(HANSA_NODE="c", HANSA_ROLES="api")
    with running(tmp_path / "c", environment=environment) as front:
        answer = front.call("POST", "/shop/till/sync", {"id": "a name with 100 %"})
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"sold": "a name with 100 %"}
        assert front.until(lambda: front.run(answer).get("state") == "succeeded"), front.run(answer)
        assert (
            front.call("POST", "/shop/till/sync", {}).status_code
            == pair.nodes[0].call("POST", "/shop/till/sync", {}).status_code
        )
        assert front.until(lambda: _told(front).keys() == {"a", "b", "c"}), _told(front)
        told = _told(front)
        assert told["c"] == (["api"], False)
        assert sum(is_owner for _, is_owner in told.values()) == 1


def _told(node: Server) -> dict[str, tuple[list[str], bool]]:
    """Roles of each node, and whether it owns the log."""
    return {one["id"]: (one["roles"], one["is_owner"]) for one in node.http.get("/nodes").json()["items"]}


def test_each_node_tells_its_own_part_and_together_they_count_nothing_twice(pair: Cluster) -> None:
    assert [node.call("GET", "/health/ready").status_code for node in pair.nodes] == [200, 200]
    told = [node.call("GET", "/metrics").text for node in pair.nodes]
    assert sum("hansa_log_owner 1.0" in text for text in told) == 1
    assert all("hansa_nodes 1.0" not in text for text in told)
    followed = [re.findall(r"^hansa_subscription_lag_records(\{.*\}) ", text, re.MULTILINE) for text in told]
    assert any(followed)
    assert set(followed[0]) & set(followed[1]) == set()


def test_a_run_is_cancelled_through_any_node(pair: Cluster) -> None:
    first, second = pair.nodes
    first.deploy(PRODUCTS / "lab", "lab.bench")
    slow = {"params": {"how": "slow"}, "headers": {"prefer": "respond-async"}}
    started = first.call("POST", "/lab/bench/single", {"seconds": 4.5}, **slow)
    run = started.json()["run"]
    assert second.until(lambda: second.http.get(f"/runs/{run}").json().get("state") in ("accepted", "running"))
    cancelled = second.http.post(f"/runs/{run}/cancel")
    assert cancelled.is_success, cancelled.text
    assert second.http.get(f"/runs/{run}").json()["state"] == "cancelled"
