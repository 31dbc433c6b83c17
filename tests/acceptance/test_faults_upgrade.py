"""A rolling upgrade is interrupted half-way, at whatever moment of a start: the node of the release before goes on, and
may be started again; then the upgrade is finished, and nothing is lost or there twice."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import psycopg
import pytest
from ledger import Ledger, selling, sells_on
from nodes import Cluster, Engines, nodes
from releases import newer
from test_nodes import assert_well_closed, bring_to_rest, open_shop
from test_topics import sales

CALLERS = 5
GOAL = 20
"""So much is sold behind each interruption."""
MIGRATION_S = 1.0
MOMENTS = {
    "in the migration": "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
    "behind the migration": "SELECT 1 FROM hansa_registry.migration WHERE name LIKE '%towns%'",
    "when it is there": "SELECT 1 FROM hansa_registry.node WHERE id = 'b'",
}
"""What the database says when a node is killed that starts."""


@pytest.mark.slow
def test_an_upgrade_that_is_interrupted_loses_and_doubles_nothing(
    kafka_address: str, postgresql_address: str, s3_address: str, tmp_path: Path
) -> None:
    release = newer(tmp_path / "newer", MIGRATION_S)
    ledger = Ledger()
    with nodes(tmp_path, Engines(kafka_address, postgresql_address, s3_address)) as pair:
        first, second = pair.nodes
        open_shop(pair)
        with selling(pair, ledger, CALLERS):
            second.stop()
            for moment, question in MOMENTS.items():
                second.launch(**release)
                assert first.until(partial(_is_so, pair, question)), moment
                second.kill()
                assert _is_whole(pair), moment
                assert sells_on(ledger, GOAL)
            first.kill()
            first.start()
            second.start(**release)
            assert sells_on(ledger, GOAL)
            first.stop()
            first.start(**release)
            assert sells_on(ledger, GOAL)
        bring_to_rest(pair)
        sales(pair)
        assert_well_closed(pair, ledger, **release)


def _is_so(pair: Cluster, question: str) -> bool:
    with psycopg.connect(pair.engines.database) as connection:
        return connection.execute(question.encode()).fetchone() is not None


def _is_whole(pair: Cluster) -> bool:
    """Whether the migration is there wholly, or not at all."""
    has = [
        "SELECT 1 FROM hansa_registry.migration WHERE name LIKE '%towns%'",
        "SELECT 1 FROM information_schema.columns WHERE table_name = 'domain' AND column_name = 'motto'",
        "SELECT 1 FROM information_schema.tables WHERE table_name = 'town'",
    ]
    return len({_is_so(pair, question) for question in has}) == 1
