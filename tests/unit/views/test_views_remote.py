"""What the server and the projectors' process tell each other, without a process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hansa.errors import OperatorError, Unavailable
from hansa.views.interface import ViewStatus
from hansa.views.remote import Hurry, RemoteProjector, Standing, Wake


def covers(cursor: str, token: str) -> bool:
    return int(cursor or 0) >= int(token or 0)


class Line:
    """A projector and what it sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.projector = RemoteProjector("views", covers, self.sent.append)

    def stands(self, cursor: str, error: str | None = None, *failures: str) -> None:
        self.projector.heard(Standing("views", [ViewStatus("runs", 1, cursor, error)], list(failures)))


@pytest.fixture
def line() -> Line:
    return Line()


def test_many_commits_are_one_order_at_a_time(line: Line) -> None:
    for _ in range(5):
        line.projector.wake()
    assert line.sent == [Wake("views")]


def test_what_was_committed_meanwhile_is_ordered_when_the_answer_comes(line: Line) -> None:
    line.projector.wake()
    line.projector.wake()
    line.stands("1")
    assert line.sent == [Wake("views"), Wake("views")]
    line.stands("2")
    assert len(line.sent) == 2


def test_a_new_process_is_asked_anew(line: Line) -> None:
    line.projector.wake()
    line.projector.restarted()
    line.projector.wake()
    assert line.sent == [Wake("views"), Hurry("views"), Wake("views")]


def test_who_waits_is_answered_when_the_token_is_shown(line: Line) -> None:
    async def wait() -> bool:
        waiting = asyncio.ensure_future(line.projector.reach("7", 10, "runs"))
        await asyncio.sleep(0)
        line.stands("6")
        await asyncio.sleep(0)
        early = waiting.done()
        line.stands("7")
        await waiting
        return early

    line.projector.expect("runs")
    assert asyncio.run(wait()) is False
    assert Hurry("views") in line.sent


def test_nothing_is_shown_of_a_view_that_was_not_heard_of(line: Line) -> None:
    line.projector.expect("runs")
    assert not line.projector.shows("1", "runs")
    line.stands("1")
    assert line.projector.shows("1", "runs")
    line.projector.expect("runs")
    assert line.projector.shows("1", "runs")


def test_a_broken_view_is_said_to_who_asks_for_it(line: Line) -> None:
    line.stands("1", "ValueError: no")
    with pytest.raises(OperatorError, match="no") as broken:
        line.projector.shows("2", "runs")
    assert broken.value.code == "view.broken"
    assert line.projector.shows("2")


def test_why_views_wait_is_said(line: Line) -> None:
    line.projector.expect("runs")
    line.stands("", None, "database or disk is full")
    (failure,) = line.projector.failures()
    assert isinstance(failure, Unavailable)
    assert failure.message == "database or disk is full"
    with pytest.raises(Unavailable, match="disk is full"):
        asyncio.run(line.projector.reach("1", 0.01, "runs"))


def test_who_gives_up_waits_no_longer_than_views_work(line: Line) -> None:
    async def wait() -> tuple[bool, bool]:
        asked = [
            asyncio.ensure_future(line.projector.reach("7", 10, "runs", gives_up=gives_up))
            for gives_up in (True, False)
        ]
        await asyncio.sleep(0)
        line.stands("6", None, "the server is gone")
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        ended = asked[0].done(), asked[1].done()
        line.stands("7")
        await asked[1]
        with pytest.raises(Unavailable, match="the server is gone"):
            await asked[0]
        line.stands("6", None, "gone again")
        with pytest.raises(Unavailable, match="gone again"):
            await line.projector.reach("7", 10, "runs", gives_up=True)
        return ended

    line.projector.expect("runs")
    assert asyncio.run(wait()) == (True, False)
