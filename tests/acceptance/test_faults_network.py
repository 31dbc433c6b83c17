"""The network between two nodes is cut under load, for longer than a session lasts, and mended: who is cut off says so,
everything goes on by itself, and nothing is lost or there twice."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from engines.kafka import Kafka
from engines.postgresql import PostgreSQL
from engines.process import Process, removed, scratch
from engines.s3 import SeaweedFS
from ledger import Ledger, selling, sells_on
from missing import left_out
from networks import Networks, address_of, networks
from nodes import Cluster, Engines, nodes
from server import Server
from test_nodes import assert_well_closed, bring_to_rest, open_shop
from test_topics import sales

CALLERS = 5
GOAL = 40
"""So much is sold before each cut."""
LEASE_S = 4
TOLD_S, MENDED_S = 30.0, 30.0
"""So long may it take until a caller is told, and until all is well again."""


@pytest.fixture(scope="module")
def wired(kafka_address: str, postgresql_address: str, s3_address: str) -> Iterator[Networks]:
    """Networks, this thread inside of them. (The shared engines say whether any can run here.)"""
    del kafka_address, postgresql_address, s3_address
    with left_out("every test that cuts a network"), networks() as made:
        yield made


@pytest.fixture(scope="module")
def engines(wired: Networks) -> Iterator[Engines]:
    """Engines in a network that both machines have."""
    del wired
    with contextlib.ExitStack() as ended:
        addresses = []
        for kind in (Kafka, PostgreSQL, SeaweedFS):
            folder = scratch("network")
            ended.callback(removed, folder)
            engine: Process = kind(folder, address_of("engines", 1))
            ended.callback(engine.stop)
            engine.start()
            addresses.append(engine.address)
        yield Engines(*addresses)


@pytest.fixture
def pair(engines: Engines, wired: Networks, tmp_path: Path) -> Iterator[Cluster]:
    """A node here, which owns the log, and one there."""
    machines = {"a": _at(1), "b": {**_at(2), "launcher": wired.there}}
    with nodes(tmp_path, engines, each=machines, HANSA_LEASE_S=str(LEASE_S)) as cluster:
        open_shop(cluster)
        yield cluster


def _at(machine: int) -> dict[str, Any]:
    return {"address": address_of("people", machine), "environment": {"HANSA_ADVERTISE": address_of("nodes", machine)}}


@pytest.mark.slow
def test_a_node_that_is_cut_off_says_so_and_loses_and_doubles_nothing(pair: Cluster, wired: Networks) -> None:
    """First it cannot reach the owner of the log; then it is the owner, and can reach nobody but its callers."""
    first, second = pair.nodes
    ledger = Ledger()
    with selling(pair, ledger, CALLERS):
        _cut(pair, wired, ledger, "nodes")
        first.stop()
        first.start()
        assert pair.owner() is second
        _cut(pair, wired, ledger, "nodes", "engines")
        assert pair.owner() is first
    bring_to_rest(pair)
    sales(pair)
    assert_well_closed(pair, ledger)


def _cut(pair: Cluster, wired: Networks, ledger: Ledger, *names: str) -> None:
    """Until the node there has refused a call; the one here goes on, and when it is mended both do."""
    first, second = pair.nodes
    assert sells_on(ledger, GOAL)
    wired.cut(*names)
    refused = second.until(partial(_refused, second), TOLD_S)
    assert refused.headers["retry-after"]
    assert refused.json()["code"].partition(".")[0] in ("log", "access"), refused.text
    assert first.until(partial(_sells, first))
    wired.mend(*names)
    assert all(node.until(partial(_sells, node), MENDED_S) for node in pair.nodes)


def _refused(node: Server) -> httpx.Response | None:
    """The answer to a call, where it is 503."""
    answer = _sell(node, "async")
    return answer if answer.status_code == 503 else None


def _sells(node: Server) -> bool:
    return _sell(node, "sync").status_code == 200


def _sell(node: Server, kind: str) -> httpx.Response:
    sale = f"{kind} {uuid.uuid4().hex}"
    headers = {"idempotency-key": sale}
    return node.call("POST", f"/shop/till/{kind}", {"id": sale}, headers=headers, timeout=TOLD_S)
