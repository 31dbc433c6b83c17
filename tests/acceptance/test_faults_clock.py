"""The clock of one of several nodes is set an hour forward and back: nothing is lost or there twice, no time of a
schedule is fired twice, nobody loses access or the log, and the log's own time never goes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from clocks import Clock
from ledger import Ledger, selling, sells_on
from nodes import Cluster, Engines, nodes
from server import Refused, Server
from test_nodes import assert_well_closed, bring_to_rest, open_shop
from test_topics import sales

PRODUCTS = Path(__file__).parent / "products"
HOUR_S = 3600
MINUTES_S = 600
"""So much an object store lets pass; it takes nothing from whom it differs from by more than 15 minutes."""
CALLERS = 5
GOAL = 30
"""So much is sold between two jumps."""


@pytest.mark.slow
def test_a_clock_that_jumps_loses_and_doubles_nothing(
    kafka_address: str, postgresql_address: str, s3_address: str, clock_shim: Path, tmp_path: Path
) -> None:
    """It is that of the owner of the log, then that of another node, which starts while its clock is behind."""
    clock, ledger = Clock(tmp_path / "clock", clock_shim), Ledger()
    engines = Engines(kafka_address, postgresql_address, s3_address)
    with nodes(tmp_path, engines, each={"a": {"environment": clock.environment}}) as cluster:
        first, second = cluster.nodes
        open_shop(cluster)
        with selling(cluster, ledger, CALLERS):
            _jump(cluster, clock, ledger, first)
            with pytest.raises(Refused, match=r"blob\.clock"):
                first.deploy(PRODUCTS / "lab", "lab.bench")
            first.stop()
            clock.ahead(-MINUTES_S)
            first.start()
            _jump(cluster, clock, ledger, second)
            clock.ahead(0)
        fired = _fired(first)
        assert first.until(lambda: _fired(first) > fired)
        bring_to_rest(cluster)
        sales(cluster)
        assert_well_closed(cluster, ledger)


def _jump(cluster: Cluster, clock: Clock, ledger: Ledger, owner: Server) -> None:
    """An hour forward, back, and an hour back. Both nodes answer throughout, and the log keeps its owner."""
    for ahead_s in (HOUR_S, 0, -HOUR_S):
        clock.ahead(ahead_s)
        assert sells_on(ledger, GOAL), ahead_s
        for node in cluster.nodes:
            told = {one["id"]: one["is_owner"] for one in node.http.get("/nodes").raise_for_status().json()["items"]}
            assert told == {each.data.name: each is owner for each in cluster.nodes}
            assert node.http.get("/health/ready").status_code == 200


def _fired(node: Server) -> int:
    """How many times of the schedule were fired."""
    found: int = node.http.get("/events", params={"q": "name=sold and process=sell_on_time", "limit": 1}).json()[
        "total"
    ]
    return found
