"""What settles a record that was set aside: once, whoever comes first; and what cannot be published after all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hansa.discovery.quarantine import Entry
from hansa.errors import CallerError
from hansa.eventlog.interface import Committed, Outcome, Refused, TopicConfig, split
from hansa.eventlog.memory import MemoryLog
from hansa.lifecycle.quarantine import check_not_withheld, settling
from hansa.model.quarantine import WINDOW, Reason, Settled, quarantine_topic

PORT = "shop.wares/wares@1"
TOPIC = quarantine_topic(PORT)


def entry(*reasons: Reason, entry_id: str = "e1") -> Entry:
    told = [*reasons] or [Reason("kind", "rule.invalidValues", "kind is not a valid value", rule="kind.invalidValues")]
    return Entry(entry_id, PORT, "shop.wares", "put", "run-1", "waiting", 1, told, None, None, None, None, None)


class Log:
    """A log in memory that tells what became of each commit."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self._outcomes: list[tuple[Any, Outcome]] = []
        self.log.start(self._outcomes.extend)
        self.log.declare(TOPIC, TopicConfig())

    def commit(self, entry: Entry, settled: Settled, value: bytes) -> Outcome:
        self.log.submit(settling(entry, settled, value), None)
        return self._outcomes[-1][1]


def test_an_entry_is_settled_once_whatever_settles_it() -> None:
    log = Log()
    assert isinstance(log.commit(entry(), Settled("e1", "replayed", "ann", "run-2"), b"run-2"), Committed)
    late = log.commit(entry(), Settled("e1", "discarded", "bob", reason="sent twice"), b"")
    assert isinstance(late, Refused)
    assert isinstance(log.commit(entry(entry_id="e2"), Settled("e2", "discarded", "bob"), b""), Committed)


def test_what_settles_an_entry_stands_behind_it_with_its_run() -> None:
    log = Log()
    log.commit(entry(), Settled("e1", "discarded", "ann", reason="no such ware"), b"")
    log.commit(entry(entry_id="e2"), Settled("e2", "replayed", "ann", "run-2"), b"run-2")
    chunks = log.log.read(TOPIC, 0, 0)
    found = [msgspec.msgpack.decode(body, type=Settled) for c in chunks for _, body in split(c.entries, c.count)]
    assert found == [
        Settled("e1", "discarded", "ann", reason="no such ware"),
        Settled("e2", "replayed", "ann", "run-2"),
    ]
    assert [(c.header["process"], c.header["run"]) for c in chunks] == [("put", "run-1"), ("put", "run-2")]


def test_a_record_that_stands_in_the_newer_version_is_not_published_again() -> None:
    check_not_withheld(entry())
    with pytest.raises(CallerError, match=r"quarantine\.withheld"):
        check_not_withheld(entry(Reason("", "translation.failed", "no such unit", rule=WINDOW)))
