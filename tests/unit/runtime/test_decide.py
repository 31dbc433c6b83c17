"""What becomes of a run: final endings, retries until the policy's attempts are used up, and how long they wait."""

from __future__ import annotations

import pytest
from msgspec.msgpack import encode

from hansa.model.product import RetryPolicy
from hansa.model.run import RunState
from hansa.runtime.decide import Ending, Next, after_attempt, before_state, delay_s
from hansa.runtime.wire import Step

THREE = RetryPolicy(attempts=3, delay_s=2.0, factor=3.0, delay_max_s=10.0)


@pytest.mark.parametrize(("ending", "state"), [("succeeded", RunState.SUCCEEDED), ("cancelled", RunState.CANCELLED)])
def test_a_success_and_a_cancellation_are_final_and_no_dead_letters(ending: Ending, state: RunState) -> None:
    assert after_attempt(ending, 1, THREE) == Next(state)


@pytest.mark.parametrize("ending", ["failed", "crashed", "timed_out"])
def test_whatever_went_wrong_is_tried_again_while_attempts_are_left(ending: Ending) -> None:
    assert after_attempt(ending, 2, THREE) == Next(RunState.ACCEPTED, retry_s=6.0)


@pytest.mark.parametrize(
    ("ending", "state"),
    [("failed", RunState.FAILED), ("crashed", RunState.FAILED), ("timed_out", RunState.TIMED_OUT)],
)
def test_the_last_attempt_leaves_a_dead_letter(ending: Ending, state: RunState) -> None:
    assert after_attempt(ending, 3, THREE) == Next(state, dead=True)


def test_what_cannot_get_better_is_never_tried_again() -> None:
    assert after_attempt("failed", 1, THREE, can_retry=False) == Next(RunState.FAILED, dead=True)


def test_without_a_policy_the_first_failure_is_the_last() -> None:
    assert after_attempt("failed", 1, RetryPolicy()).dead


def test_each_delay_is_longer_than_the_one_before_up_to_the_longest() -> None:
    assert [delay_s(attempt, THREE) for attempt in (1, 2, 3, 4)] == [2.0, 6.0, 10.0, 10.0]


def test_steps_stand_until_the_first_that_knew_the_state() -> None:
    plain, knew = (encode(Step(b"", read=read)) for read in ({}, {"count": b"1"}))
    assert before_state({0: plain, 1: plain}) == {0: plain, 1: plain}
    assert before_state({2: plain, 1: knew, 0: plain}) == {0: plain}
    assert before_state({}) == {}


def test_an_answer_beyond_its_rights_is_not_tried_again() -> None:
    assert after_attempt("overstepped", 1, THREE) == Next(RunState.FAILED, dead=True)
