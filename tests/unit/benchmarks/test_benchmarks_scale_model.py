"""The model of a cluster: what it makes of what was measured, by hand-made figures."""

from __future__ import annotations

import dataclasses

import pytest
from benchmarks.scale_model import (
    BUSY,
    COMMITS_PER_S,
    LINK_BYTES_PER_S,
    Apart,
    Costs,
    Part,
    ceiling,
    ceilings,
    costs,
    moved_s,
    of_batches,
    predicted,
)

DECIDE, SERVE, WORK, FOLLOW = Part(80, 1000), Part(150, 50), Part(40, 0), Part(1, 300)
PROJECT, LISTEN, KAFKA, POSTGRESQL = Part(70, 200), Part(1, 250), Part(20, 4000), Part(50, 100)


def apart(commits: float, records: float = 0.0) -> Apart:
    """What three nodes take for a set, as the parts above have it, and so much more for each record."""
    parts = (DECIDE, Part(SERVE.set + FOLLOW.set, SERVE.commit + FOLLOW.commit), FOLLOW)
    took = [part.at(commits) for part in (*parts, PROJECT, LISTEN, WORK, KAFKA, POSTGRESQL)]
    more = [records, records, 0, records, 0, records, records, records]
    return Apart(*(one + also for one, also in zip(took, more, strict=True)), commits, 3 * commits, 200 * commits, 640)


@pytest.fixture
def one() -> Costs:
    return costs(apart(0.05), apart(0.5))


def test_what_sets_and_transactions_cost_is_read_off_two_measures(one: Costs) -> None:
    parts = [one.decide, one.serve, one.work, one.follow, one.project, one.listen, one.kafka, one.postgresql]
    for found, part in zip(parts, (DECIDE, SERVE, WORK, FOLLOW, PROJECT, LISTEN, KAFKA, POSTGRESQL), strict=True):
        assert found == pytest.approx(part)
    assert (one.facts, one.fact_bytes, one.body_bytes) == pytest.approx((3, 200, 640))


def test_noise_never_makes_a_part_negative() -> None:
    shaken = dataclasses.replace(apart(0.5), workers=1.0, owner=100_000.0)
    found = costs(apart(0.05), shaken)
    assert found.work.commit == 0
    assert min(*found.decide, *found.work) >= 0


def test_nodes_with_all_roles_share_the_serving_and_one_decides(one: Costs) -> None:
    alone, three = predicted(one, 0.1, 1), predicted(one, 0.1, 3)
    decide, serve, follow = DECIDE.at(0.1), SERVE.at(0.1), FOLLOW.at(0.1)
    assert (alone.owner, alone.others, alone.other_views) == pytest.approx((decide + serve, 0, 0))
    assert (three.owner, three.others) == pytest.approx((decide + serve / 3, follow + serve / 3))


def test_batches_have_the_transactions_of_calls_and_the_rest_is_their_own(one: Costs) -> None:
    batch = of_batches(apart(1.2, records=5_000), one, 1000)
    assert batch.decide == pytest.approx(Part(DECIDE.set + 5_000, DECIDE.commit))
    assert batch.follow == pytest.approx(FOLLOW)
    assert batch.records == 1000


def test_serving_is_full_first_with_few_nodes_and_something_single_with_many(one: Costs) -> None:
    dear = dataclasses.replace(one, serve=Part(1_000, 50))
    assert ceiling(dear, 3).full == "a node serves and follows"
    assert ceiling(dear, 30) == ceiling(dear, 300)
    most = (BUSY * 1e6 - COMMITS_PER_S * DECIDE.commit) / DECIDE.set
    assert ceiling(dear, 300) == (pytest.approx(most), "the owner decides")


def test_facts_go_to_every_node_twice_and_leave_less_of_the_network(one: Costs) -> None:
    left = {nodes: ceilings(one, nodes)["Kafka's network"] * 2 * 640 for nodes in (3, 300)}
    carried = {nodes: BUSY * LINK_BYTES_PER_S - rate for nodes, rate in left.items()}
    assert carried == pytest.approx({nodes: 2 * nodes * 200 * COMMITS_PER_S for nodes in (3, 300)})


def test_a_transaction_that_costs_all_there_is_leaves_no_sets() -> None:
    assert Part(1.0, BUSY * 1e6 / COMMITS_PER_S).most() == 0


def test_partitions_move_a_beat_behind_a_node_that_joins_and_a_session_behind_one_that_is_lost() -> None:
    assert moved_s(0, 5.0, 5, 1.0) == (1.0, 6.0)
    assert moved_s(50_000, 5.0, 5, 20.0) == (2.0, 7.0)
