"""The disk under the broker of several nodes is full under load: writing is refused with a reason, reading goes on, and
when there is room again and the broker runs, nothing is lost or there twice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from disks import SmallDisk, small_disk
from engines.kafka import Kafka
from engines.process import removed, scratch
from ledger import Ledger, selling, sells_on
from missing import left_out
from nodes import Engines, nodes
from server import Server
from test_nodes import assert_well_closed, bring_to_rest, open_shop
from test_topics import sales

DISK_MB = 64
CALLERS = 5
GOAL = 30


@pytest.fixture
def broker(kafka_address: str) -> Iterator[tuple[Kafka, SmallDisk]]:
    """A broker of this test's own on a disk of its own. (The shared one says whether any can run here.)"""
    del kafka_address
    with contextlib.ExitStack() as ended:
        folder = scratch("disk")
        ended.callback(removed, folder)
        ended.enter_context(left_out("the full disk under a broker"))
        disk = ended.enter_context(small_disk(folder / "data", DISK_MB))
        kafka = Kafka(folder)
        ended.callback(kafka.stop)
        kafka.start()
        yield kafka, disk


@pytest.mark.slow
def test_a_full_disk_under_the_broker_loses_and_doubles_nothing(
    broker: tuple[Kafka, SmallDisk], postgresql_address: str, s3_address: str, tmp_path: Path
) -> None:
    kafka, disk = broker
    ledger = Ledger()
    with nodes(tmp_path, Engines(kafka.address, postgresql_address, s3_address)) as pair:
        open_shop(pair)
        with selling(pair, ledger, CALLERS):
            assert sells_on(ledger, GOAL)
            disk.fill()
            for node in pair.nodes:
                refused = node.until(partial(_refused, node), 40)
                assert refused.headers["retry-after"]
                assert refused.json()["code"].startswith("log."), refused.text
                assert node.http.get("/runs?limit=1").status_code == 200
            disk.free()
            if not kafka.is_running:
                kafka.start()
            assert sells_on(ledger, GOAL)
        bring_to_rest(pair)
        sales(pair)
        assert_well_closed(pair, ledger)


def _refused(node: Server) -> httpx.Response | None:
    """The answer to a call, where it is 503."""
    answer = node.call("POST", "/events", {"id": "1", "source": "a test", "type": "refused"})
    return answer if answer.status_code == 503 else None
