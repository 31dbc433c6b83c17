"""How long commits wait for an owner of a shared log that does not answer."""

from __future__ import annotations

import time

import pytest

from hansa.eventlog.shared import WAIT_S, _Patience


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    at = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: at[0])
    return at


def test_the_first_waits_and_those_behind_it_do_not_wait_anew(now: list[float]) -> None:
    patience = _Patience()
    assert not patience.is_over(1000.0)
    now[0] += WAIT_S + 1
    assert patience.is_over(1000.0)
    assert patience.is_over(now[0])


def test_who_asks_behind_an_answer_or_after_a_long_time_waits_as_the_first_did(now: list[float]) -> None:
    patience = _Patience()
    patience.is_over(1000.0)
    patience.answered()
    now[0] += WAIT_S + 1
    assert not patience.is_over(now[0])
    now[0] += WAIT_S + 1
    assert patience.is_over(now[0] - WAIT_S - 1)
    now[0] += WAIT_S + 1
    assert not patience.is_over(now[0])
