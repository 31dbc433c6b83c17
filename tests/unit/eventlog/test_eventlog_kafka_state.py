from __future__ import annotations

import random

import pytest

from hansa.errors import CallerError
from hansa.eventlog.interface import TopicConfig
from hansa.eventlog.kafka_state import Fact, Row, State, read, written


def batch(seq: int, base: int, *, offset: int = 0, topic: str = "t", time_us: int = 0) -> Fact:
    return ("batch", topic, 0, base), Row(seq, base, 2, time_us or seq, 0, 10, offset)


def held(*facts: Fact) -> State:
    state = State()
    state.set((("topic", "t"), (TopicConfig(), "log.t")))
    for fact in facts:
        state.set(read(*written(fact)))
    return state


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


def test_batches_stand_in_order_whatever_order_a_compacted_topic_has_them_in() -> None:
    facts = [batch(seq, 2 * seq - 2) for seq in range(1, 30)]
    random.Random(1).shuffle(facts)
    state = held(*facts)
    assert state.seqs == list(range(1, 30))
    assert [row.base for row in state.batches("t", 0)] == list(range(0, 58, 2))
    assert (state.seq, state.time_us, state.end(("t", 0))) == (29, 29, 58)


def test_a_batch_that_was_rewritten_keeps_its_number() -> None:
    state = held(batch(1, 0), batch(2, 2), batch(1, 0, offset=9))
    assert state.seqs == [1, 2]
    assert [(row.seq, row.offset) for row in state.batches("t", 0)] == [(1, 9), (2, 0)]
    assert state.rows[1][1].offset == 9


def test_a_batch_that_was_taken_is_gone_and_the_end_stays() -> None:
    state = held(batch(1, 0), batch(2, 2), (("batch", "t", 0, 0), None), (("first", "t", 0), 2))
    assert (state.seqs, list(state.rows), state.first(("t", 0)), state.end(("t", 0))) == ([2], [2], 2, 4)


def test_a_claim_that_was_taken_again_does_not_end_with_the_one_before() -> None:
    state = held(
        (("claim", "s", "a"), (b"1", 10)), (("claim", "s", "a"), (b"2", 99)), (("claim", "s", "b"), (b"3", 10))
    )
    assert list(state.ended_claims(50, 10)) == [(("claim", "s", "b"), None)]
    assert list(state.ended_claims(50, 10)) == []
    assert (state.claimed("s", "a", 50), state.claimed("s", "a", 99)) == (b"2", None)


def test_ended_claims_come_in_portions() -> None:
    state = held(*[(("claim", "s", str(n)), (b"", n)) for n in range(10)])
    assert [len(list(state.ended_claims(100, 4))) for _ in range(4)] == [4, 4, 2, 0]


def test_a_person_who_is_forgotten_leaves_a_number() -> None:
    state = held((("person", 1), ("bo", b"key")), (("person", 1), (None, None)), (("person", 2), ("bo", b"other")))
    assert (state.person("bo"), state.key_of(1), state.key_of(2)) == (2, (None, None), ("bo", b"other"))


def test_a_topic_that_was_not_declared_is_unknown() -> None:
    with pytest.raises(CallerError, match=r"topic\.unknown"):
        held().batches("u", 0)
