"""Deploying where several nodes serve: no node is left behind, and versions stay in step whichever node publishes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from audit import doubled, lacking
from nodes import Cluster, Engines, nodes
from server import Refused
from test_windows_kills import _insist, assert_side_by_side
from versions import NEW, OLD, SCALE, scale

PRODUCTS = Path(__file__).parent / "products"
WRITERS = 3


@pytest.fixture
def pair(kafka_address: str, postgresql_address: str, s3_address: str, tmp_path: Path) -> Iterator[Cluster]:
    with nodes(tmp_path, Engines(kafka_address, postgresql_address, s3_address)) as cluster:
        yield cluster


def test_a_window_opens_while_both_nodes_publish(pair: Cluster, tmp_path: Path) -> None:
    first, second = pair.nodes
    first.deploy(scale(tmp_path / "one"), SCALE)
    told: list[str] = []
    over = threading.Event()
    writers = [threading.Thread(target=_insist, args=(pair, told, over, n)) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    first.until(lambda: len(told) > 10)
    second.deploy(scale(tmp_path / "both", (1, 2)), SCALE)
    before = len(told)
    first.until(lambda: len(told) > before + 10)
    over.set()
    for writer in writers:
        writer.join()
    old, new = first.records(OLD), second.records(NEW)
    assert_side_by_side(old, new)
    ids = [one["id"] for one in new]
    assert not [*lacking("weights", ids, told), *doubled("weight", ids)]


def test_a_node_that_stood_still_while_a_window_was_opened_publishes_to_no_version_alone(
    pair: Cluster, tmp_path: Path
) -> None:
    """It wakes with the revision of before, and callers that waited for it."""
    first, second = pair.nodes
    first.deploy(scale(tmp_path / "one"), SCALE)
    first.call("POST", "/yard/scale/weigh", {"before": 1}).raise_for_status()
    first.process.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(WRITERS) as callers:
        answers = [callers.submit(first.call, "POST", "/yard/scale/weigh", {f"{n}": n}) for n in range(WRITERS)]
        second.deploy(scale(tmp_path / "both", (1, 2)), SCALE)
        first.process.send_signal(signal.SIGCONT)
        assert [(found := answer.result()).status_code for answer in answers] == [200] * WRITERS, found.text
    old, new = second.records(OLD), second.records(NEW)
    assert_side_by_side(old, new)
    assert len(new) == WRITERS + 1


def test_of_two_deployments_at_once_one_is_told_of_the_other(pair: Cluster, tmp_path: Path) -> None:
    pair.nodes[0].deploy(scale(tmp_path / "one"), SCALE)
    told: list[object] = []

    def deploy(number: int) -> None:
        folder = scale(tmp_path / f"other{number}")
        (folder / "product.py").write_text((folder / "product.py").read_text() + f"\n# {number}\n")
        try:
            told.append(pair.nodes[number].deploy(folder, SCALE)["revision"])
        except Refused as refused:
            told.append(refused.problem["code"])

    both = [threading.Thread(target=deploy, args=(number,)) for number in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    live = {node.http.get(f"/products/{SCALE}").json()["revision"] for node in pair.nodes}
    assert len(live) == 1
    assert set(told) == {*live, "deploy.conflict"}
