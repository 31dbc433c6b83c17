"""HTTP Feeds: the envelope, and polling by the last id."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from hansa.errors import CallerError
from hansa.eventlog.interface import Append, CommitSet, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.model.ids import PortId
from hansa.outputs.feed import after_event, feed
from hansa.testing.log_bench import Bench

PORT = PortId.parse("ops.flights/departures@2")
URL = "http://hansa"
WIDE = PortId.parse("ops.flights/wide@1")


def commit(*entries: tuple[int, str | None, Any], port: PortId = PORT) -> CommitSet:
    return CommitSet(
        tuple(Append(str(port), p, 1, encode_entry(key, value), {"run": "r"}) for p, key, value in entries)
    )


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    bench.log.declare(str(PORT), TopicConfig())
    bench.log.declare(str(WIDE), TopicConfig(partitions=3))
    yield bench
    bench.log.stop()


def test_a_record_is_a_cloudevent(bench: Bench) -> None:
    bench.now_us = 1_772_357_400_000_001
    bench.write(commit((0, "UA1", {"delay": 3})), commit((0, "UA1", None)))
    common = {
        "specversion": "1.0", "source": "urn:hansa:ops.flights/departures@2", "type": "ops.flights.departures.v2",
        "time": "2026-03-01T09:30:00.000001Z", "subject": "UA1", "run": "r",
    }  # fmt: skip
    assert feed(bench.log, PORT, URL) == [
        {
            **common, "id": "0-00000000000000000000", "datacontenttype": "application/json",
            "dataschema": "http://hansa/ports/ops.flights/departures@2/contract", "data": {"delay": 3},
        },
        {**common, "time": "2026-03-01T09:30:00.000002Z", "id": "0-00000000000000000001", "method": "DELETE"},
    ]  # fmt: skip


@pytest.mark.parametrize("port", [PORT, WIDE])
def test_polling_by_the_last_id_gives_each_record_once_in_order(bench: Bench, port: PortId) -> None:
    rng, written = random.Random(2), []
    width = bench.log.topics()[str(port)].partitions
    for n in range(40):
        bench.now_us += 1
        partitions = sorted(rng.sample(range(width), rng.randrange(1, width + 1)))
        bench.write(commit(*[(p, None, [n, p]) for p in partitions], port=port))
        written += [[n, p] for p in partitions]
    last, seen = None, []
    while batch := feed(bench.log, port, URL, last, limit=3):
        last = batch[-1]["id"]
        seen += [event["data"] for event in batch]
    assert seen == written


@pytest.mark.parametrize("last", ["", "0", "0-17", "0-00000000000000000001", "3-00000000000000000000", "x-" + "0" * 20])
def test_an_id_of_no_event_is_refused(bench: Bench, last: str) -> None:
    bench.write(commit((0, None, 1)))
    with pytest.raises(CallerError) as refused:
        feed(bench.log, PORT, URL, last)
    assert refused.value.code == "feed.malformed_id"


def test_the_last_event_may_be_gone_where_there_is_one_partition(bench: Bench) -> None:
    bench.write(*[commit((0, None, n)) for n in range(4)])
    bench.log.trim(str(PORT), 0, 2)
    assert after_event(bench.log, str(PORT), "0-00000000000000000001") == {0: 2}
    with pytest.raises(CallerError, match="taken by retention"):
        feed(bench.log, PORT, URL, "0-00000000000000000000")
