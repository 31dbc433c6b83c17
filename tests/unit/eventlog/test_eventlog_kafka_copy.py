from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hansa.errors import CallerError, OperatorError
from hansa.eventlog.interface import TopicConfig
from hansa.eventlog.kafka_copy import STALE_US, Copy
from hansa.eventlog.kafka_facts import Fact, Row, read, written

AT = ("t", 0)
TOPIC: Fact = (("topic", "t"), (TopicConfig(), "log.t"))


def batch(seq: int, base: int, *, offset: int = 0, topic: str = "t", time_us: int = 0) -> Fact:
    return ("batch", topic, 0, base), Row(seq, base, 2, time_us or seq, 0, 10, offset)


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    with closing(Copy(tmp_path)) as made:
        yield made


def take(copy: Copy, *facts: Fact) -> Copy:
    copy.take([read(*written(fact)) for fact in (TOPIC, *facts)], copy.next + 1)
    return copy


def seqs(copy: Copy) -> list[int]:
    return [row.seq for _, row in copy.rows_behind(0)]


@pytest.mark.parametrize(
    "fact",
    [
        (("state", "s", "k"), b"\x00"),
        (("state", "s", "k"), None),
        (("claim", "s", "k"), [b"v", 1 << 60]),
        (("person", 3), ["bo", b"key"]),
        (("first", "t", 0), 7),
    ],
)
def test_a_fact_is_read_as_it_was_written(fact: Fact) -> None:
    assert read(*written(fact)) == fact


def test_batches_stand_in_order_whatever_order_a_compacted_topic_has_them_in(copy: Copy) -> None:
    facts = [batch(seq, 2 * seq - 2) for seq in range(1, 30)]
    random.Random(1).shuffle(facts)
    copy.take([read(*written(fact)) for fact in (*facts, TOPIC)], 1)
    assert seqs(copy) == list(range(1, 30))
    assert [row.base for row in copy.rows_from(AT, 0)] == list(range(0, 58, 2))
    assert (copy.seq, copy.time_us, copy.end(AT)) == (29, 29, 58)


def test_rows_begin_with_the_one_that_holds_a_position(copy: Copy) -> None:
    take(copy, *(batch(seq, 2 * seq - 2) for seq in range(1, 5)))
    assert [row.base for row in copy.rows_from(AT, 3)] == [2, 4, 6]
    assert [found.base for at in (0, 1, 7) if (found := copy.row_at(AT, at))] == [0, 0, 6]
    assert copy.row_at(("u", 0), 0) is None


def test_a_batch_that_was_rewritten_keeps_its_number(copy: Copy) -> None:
    take(copy, batch(1, 0), batch(2, 2), batch(1, 0, offset=9))
    assert [(row.seq, row.offset) for row in copy.rows_from(AT, 0)] == [(1, 9), (2, 0)]
    assert seqs(copy) == [1, 2]
    assert copy.least_offset(AT) == 0


def test_a_batch_that_was_taken_is_gone_and_the_end_stays(copy: Copy) -> None:
    take(copy, batch(1, 0), batch(2, 2), (("batch", "t", 0, 0), None), (("first", "t", 0), 2))
    assert (seqs(copy), copy.bounds(AT)) == ([2], (2, 4))


def test_the_oldest_batches_never_have_the_last_of_a_partition_among_them(copy: Copy) -> None:
    take(copy, *(batch(seq, 2 * seq - 2) for seq in range(1, 5)))
    assert [row.seq for row in copy.oldest(AT, 100, 100, 10)] == [1, 2, 3]
    assert [row.seq for row in copy.oldest(AT, 100, 2, 10)] == [1, 2]
    assert [row.seq for row in copy.oldest(AT, 3, 100, 10)] == [1]
    assert [row.seq for row in copy.oldest(AT, 100, 100, 1)] == [1]


def test_claims_end_in_portions_and_one_that_was_taken_again_does_not(copy: Copy) -> None:
    take(copy, (("claim", "s", "again"), (b"1", 10)), (("claim", "s", "again"), (b"2", 199)))
    take(copy, *((("claim", "s", str(n)), (b"", n)) for n in range(10)))
    ended = []
    while facts := copy.ended_claims(100, 4):
        take(copy, *facts)
        ended.append(len(facts))
    assert ended == [4, 4, 2]
    assert (copy.claimed("s", "again", 50), copy.claimed("s", "again", 199)) == (b"2", None)


def test_a_person_who_is_forgotten_leaves_a_number(copy: Copy) -> None:
    take(copy, (("person", 1), ("bo", b"key")), (("person", 1), (None, None)), (("person", 2), ("bo", b"other")))
    assert (copy.person("bo"), copy.key_of(1), copy.key_of(2)) == (2, (None, None), ("bo", b"other"))
    assert copy.persons() == 2


def test_a_topic_that_was_not_declared_is_unknown(copy: Copy) -> None:
    with pytest.raises(CallerError, match=r"topic\.unknown"):
        take(copy, batch(1, 0, topic="u")).known("u")


def test_a_portion_is_taken_as_a_whole_or_not_at_all(copy: Copy) -> None:
    take(copy, batch(1, 0))
    with pytest.raises(KeyError):
        take(copy, batch(2, 2), (("position", "g", "t", 0), 1), (("nonsense", "x"), 1))
    assert (seqs(copy), copy.next, copy.end(AT), copy.position("g", "t", 0)) == ([1], 1, 2, None)


EVERYTHING: tuple[Fact, ...] = (
    batch(1, 0), batch(2, 2), (("first", "t", 0), 2), (("position", "g", "t", 0), 3), (("state", "s", "k"), b"v"),
    (("claim", "s", "k"), (b"c", 1 << 60)), (("epoch", "r"), 4), (("person", 1), ("bo", b"key")), (("mark",), 7),
)  # fmt: skip


def picture(copy: Copy) -> list[object]:
    kinds = ("topic", "first", "position", "state", "claim", "epoch", "person")
    facts = [list(copy.facts(kind)) for kind in kinds]
    return [facts, seqs(copy), copy.next, copy.mark, copy.seq, copy.time_us, copy.bounds(AT), copy.kafka_topics]


def test_the_next_one_in_the_folder_goes_on_where_this_one_was(tmp_path: Path) -> None:
    with closing(Copy(tmp_path)) as copy:
        copy.of("log")
        before = picture(take(copy, *EVERYTHING))
    with closing(Copy(tmp_path)) as copy:
        copy.of("log")
        assert picture(copy) == before
        assert copy.next == 1


def test_who_goes_on_with_a_copy_in_the_same_process_begins_nothing_anew(copy: Copy) -> None:
    copy.of("log")
    before = picture(take(copy, *EVERYTHING))
    copy.of("log")
    assert picture(copy) == before


def test_the_facts_are_those_that_were_taken(copy: Copy) -> None:
    take(copy, *EVERYTHING)
    found = [fact for kind in ("first", "position", "state", "claim", "epoch", "person") for fact in copy.facts(kind)]
    assert found == [fact for fact in EVERYTHING if fact[0][0] not in ("batch", "mark")]
    assert list(copy.facts("topic")) == [(("topic", "t"), TopicConfig())]


@pytest.mark.parametrize(("log", "later_us"), [("another", 0), ("log", STALE_US + 1), ("log", -STALE_US - 1)])
def test_a_copy_of_another_log_or_one_that_is_too_old_begins_anew(tmp_path: Path, log: str, later_us: int) -> None:
    with closing(Copy(tmp_path, now_us=lambda: 5)) as copy:
        copy.of("log")
        take(copy, *EVERYTHING)
    with closing(Copy(tmp_path, now_us=lambda: 5 + later_us)) as copy:
        copy.of(log)
        assert (copy.next, copy.seq, copy.mark, seqs(copy), copy.get("s", "k")) == (0, 0, 0, [], None)


def test_a_copy_of_another_format_begins_anew(tmp_path: Path) -> None:
    with closing(Copy(tmp_path)) as copy:
        take(copy, *EVERYTHING)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with closing(Copy(tmp_path)) as copy:
        assert (copy.next, seqs(copy)) == (0, [])


def test_a_copy_that_is_damaged_begins_anew(tmp_path: Path) -> None:
    with closing(Copy(tmp_path)) as copy:
        take(copy, *EVERYTHING)
    (tmp_path / "copy.db").write_bytes(b"no database" * 1000)
    with closing(Copy(tmp_path)) as copy:
        assert (copy.next, seqs(copy)) == (0, [])


def test_a_folder_has_one_copy_at_a_time(copy: Copy, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"store\.locked"):
        Copy(tmp_path)
