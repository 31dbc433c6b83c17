"""What waits in the quarantines: what is found, in which order, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from view_stores import Stores

from hansa.discovery.quarantine import QuarantineQuery, QuarantineSearch, QuarantineView
from hansa.errors import CallerError
from hansa.eventlog.interface import Append, CommitSet, TopicConfig, encode_entry
from hansa.eventlog.memory import MemoryLog
from hansa.model.quarantine import Change, Corrected, Held, Reason, Settled, quarantine_topic
from hansa.model.run import KEEPING_TOPIC
from hansa.testing.log_bench import Bench
from hansa.views.group import ViewGroup
from hansa.views.keeping import Forget, Order, Prune, order_append

WARES, PRICES = "shop.wares/wares@1", "shop.wares/prices@1"


class Desk:
    """A log with two quarantines, their view and the questions."""

    def __init__(self, stores: Stores) -> None:
        self.bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
        for topic in (quarantine_topic(WARES), quarantine_topic(PRICES), KEEPING_TOPIC):
            self.bench.log.declare(topic, TopicConfig())
        self.group = ViewGroup(self.bench.log, stores.open(), [QuarantineView()])
        self.search = QuarantineSearch(self.group.store, self.bench.log)

    def add(self, *changes: Change, port: str = WARES, product: str = "shop.wares", subject: str = "") -> None:
        entries = b"".join(encode_entry(None, change) for change in changes)
        header: dict[str, Any] = {"product": product, "process": "put", "run": "r1"}
        if subject:
            header["subject"] = subject
        self.bench.now_us += 1
        self.bench.write(CommitSet((Append(quarantine_topic(port), 0, len(changes), entries, header),)))
        self.settle()

    def order(self, *orders: Order) -> None:
        self.bench.write(CommitSet((order_append(*orders),)))
        self.settle()

    def settle(self) -> None:
        while self.group.advance():
            pass

    def find(self, **query: Any) -> str:
        return "".join(entry.id for entry in self.search.find(QuarantineQuery(**query)).entries)


def held(name: str, message: str = "it is too long") -> Held:
    return Held(name, [Reason("sku", "field.length", message)], msgspec.Raw(msgspec.msgpack.encode({"sku": name})))


@pytest.fixture
def desk(stores: Stores) -> Iterator[Desk]:
    desk = Desk(stores)
    desk.add(held("z"), held("a"))
    desk.add(held("b", "100% wrong"), port=PRICES)
    desk.add(held("c"), product="ops.flights")
    yield desk
    desk.group.close()
    desk.bench.log.stop()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "cbaz"), ({"port": PRICES}, "b"), ({"product": "shop.wares"}, "baz"), ({"domains": ["ops"]}, "c"),
        ({"domains": []}, ""), ({"domains": ["sho"]}, ""), ({"text": "100% WRONG"}, "b"), ({"text": "1__%"}, ""),
        ({"state": "replayed"}, ""), ({"run": "r1", "process": "put"}, "cbaz"),
    ],
)  # fmt: skip
def test_a_filter_keeps_what_fits_the_newest_first(desk: Desk, query: dict[str, Any], found: str) -> None:
    assert desk.find(**query) == found


def test_pages_follow_one_another(desk: Desk) -> None:
    seen, after = "", None
    for left in (2, 1, 0):
        page = desk.search.find(QuarantineQuery(size=3 if left == 2 else 1, after=after))
        seen, after = seen + "".join(entry.id for entry in page.entries), page.next
        if after is None:
            break
    assert (seen, after) == ("cbaz", None)


def test_an_entry_is_corrected_settled_and_said_with_its_record(desk: Desk) -> None:
    desk.add(Corrected("a", msgspec.Raw(msgspec.msgpack.encode({"sku": "A"})), "ann"))
    entry, record = desk.search.get("a")
    assert (entry.state, entry.corrected_by, record) == ("waiting", "ann", {"sku": "A"})
    desk.add(Settled("a", "replayed", "bob", "r9"))
    assert (desk.find(state="waiting"), desk.find(state="replayed")) == ("cbz", "a")
    assert desk.search.get("a")[0].settled_run == "r9"
    with pytest.raises(CallerError, match="'nope'"):
        desk.search.get("nope")


def test_rows_go_with_persons_and_with_what_retention_took(desk: Desk) -> None:
    desk.add(held("p"), subject="bo")
    person = desk.bench.log.person("bo")
    desk.order(Forget(person))
    assert desk.find() == "cbaz"
    desk.order(Prune(quarantine_topic(WARES), 0, 1))
    assert desk.find() == "cba"


def test_what_is_no_id_of_ours_is_passed_over(desk: Desk) -> None:
    desk.add(held("x" * 5000), held("d"))
    assert desk.find() == "dcbaz"
    assert desk.group.statuses()[0].error is None
