"""A frame is decided once, however often and by whomever it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hansa.errors import Unavailable
from hansa.eventlog.channel import _error, _outcome, _restored, _set, _told
from hansa.eventlog.committer import Notice, Work
from hansa.eventlog.interface import (
    Advance,
    Append,
    Claim,
    CommitSet,
    Committed,
    Put,
    Refused,
    TopicConfig,
    encode_entry,
)
from hansa.eventlog.memory import MemoryLog
from hansa.eventlog.owner import REPLIES, Frame, FrameReplies, Lost, Owner, closed, last_frame


class Failing(MemoryLog):
    """Is lost behind the first of the sets that it commits."""

    dies = False

    def submit_all(self, work: Work) -> None:
        if self.dies and len(work) > 1:
            super().submit_all(work[:1])
            lost = Unavailable("log.fenced", "another one owns it")
            self.told([(ticket, lost) for _, ticket in work[1:]])
        else:
            super().submit_all(work)

    def start(self, on_outcomes: Callable[[Notice], None]) -> None:
        self.told = on_outcomes
        super().start(on_outcomes)


def owned(log: MemoryLog | None = None) -> Owner:
    log = log or MemoryLog(replies=FrameReplies())
    log.declare("t", TopicConfig())
    return Owner(log)


def adding(body: str, *, taken: str | None = None) -> CommitSet:
    claims = (Claim("s", taken, b"before", 1 << 60),) if taken else ()
    return CommitSet((Append("t", 0, 1, encode_entry(None, body), {}),), claims=claims)


def test_a_frame_that_is_asked_for_again_is_answered_and_not_done_again() -> None:
    owner = owned()
    frame = [adding("a"), adding("b", taken="key"), adding("c", taken="key")]
    first = owner.commit("n", 7, frame)
    assert [type(outcome) for outcome in first] == [Committed, Committed, Refused]
    again = owner.commit("n", 7, frame)
    assert [getattr(o, "bases", o) for o in again] == [getattr(o, "bases", o) for o in first]
    assert owner.log.bounds("t", 0) == (0, 2)


def test_the_next_owner_knows_what_the_one_before_has_decided() -> None:
    log = Failing(replies=FrameReplies())
    owner = owned(log)
    log.dies = True
    with pytest.raises(Lost) as lost:
        owner.commit("n", 1, [adding("a"), adding("b")])
    assert lost.value.sent
    log.dies = False
    successor = Owner(log)
    assert [o.bases for o in successor.commit("n", 1, [adding("a"), adding("b")]) if isinstance(o, Committed)] == [
        (0,),
        (1,),
    ]
    assert log.bounds("t", 0) == (0, 2)


def test_a_frame_of_before_is_not_done_when_it_comes_late() -> None:
    owner = owned()
    owner.commit("n", 2, [adding("a")])
    with pytest.raises(Lost):
        owner.commit("n", 1, [adding("late")])
    assert owner.log.bounds("t", 0) == (0, 1)
    owner.commit("other", 1, [adding("b")])
    assert [last_frame(owner.log.get(REPLIES, node)) for node in ("n", "other", "nobody")] == [2, 1, 0]


WHOLE = CommitSet(
    (Append("t", 1, 2, b"xy", {"run": "r", "deep": [1, None, b"z"]}),),
    (Advance("g", "t", 0, 7, None), Advance("g", "t", 1, 7, 3)),
    (Put("s", "k", b"v"), Put("s", "new", b"v", None), Put("s", "gone", None, b"before")),
    (Claim("s", "k", b"v", 9),),
    ("r", 3),
    ("bo",),
)


def test_a_set_goes_over_the_channel_as_it_is() -> None:
    assert _set(msgspec.msgpack.decode(msgspec.msgpack.encode(WHOLE))) == WHOLE
    assert _set(msgspec.msgpack.decode(msgspec.msgpack.encode(CommitSet()))) == CommitSet()


@pytest.mark.parametrize(
    "outcome", [Committed((1, 2), "5"), Committed((), ""), Refused("state.moved", "m", b"v"), Refused("c", "m", None)]
)
def test_an_outcome_goes_over_the_channel_as_it_is(outcome: Any) -> None:
    assert _outcome(*msgspec.msgpack.decode(msgspec.msgpack.encode(_told(outcome)))) == outcome


def test_an_error_goes_over_the_channel_in_its_family() -> None:
    told = _restored(list(_error(Unavailable("log.full", "The disk is full", hint="Free some."))))
    assert (type(told), told.code, told.message, told.hint) == (
        Unavailable, "log.full", "The disk is full", "Free some.",
    )  # fmt: skip
    assert _restored(list(_error(ValueError("odd")))).code == "hansa.internal"


def test_the_last_frame_of_a_node_that_is_gone_for_good_is_not_done_again() -> None:
    owner = owned()
    owner.commit("a", 7, [adding("a")])
    value = owner.log.get(REPLIES, "a")
    assert value is not None
    owner.log.submit_all([(CommitSet(puts=(Put(REPLIES, "a", closed(value)),)), (Frame("z", 1, {}), 0))])
    with pytest.raises(Lost):
        owner.commit("a", 7, [adding("a")])
    assert owner.log.bounds("t", 0) == (0, 1)
    assert closed(closed(value)) == closed(value)
    assert len(owner.commit("a", 9, [adding("b")])) == 1
