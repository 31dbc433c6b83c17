"""Turns: waiting overlaps, author code does not; who is late is told so; nobody waits for a server that is gone."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable

import pytest

from hansa.runtime.stops import Place
from hansa.runtime.turns import Rota


class Work:
    """A way that acts and keeps what it raised."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.place = Place()
        self._act = act
        self.raised: BaseException | None = None

    def go(self) -> None:
        try:
            self._act()
        except BaseException as raised:
            self.raised = raised


class Line:
    """A server that answers all that was asked since it was last heard, and one that never is."""

    def __init__(self) -> None:
        self.rota = Rota(self.hear)
        self.asked: list[str] = []
        self.answered: set[str] = set()
        self.heard: list[list[str]] = []

    def hear(self, timeout_s: float | None) -> None:
        self.heard.append(sorted(set(self.asked) - self.answered))
        self.answered |= {name for name in self.asked if name != "never"}
        if timeout_s is not None:
            time.sleep(timeout_s)

    def ask(self, name: str) -> bool:
        self.asked.append(name)
        return self.rota.until(lambda: name in self.answered)


def test_while_one_waits_the_others_work_so_that_one_answer_serves_all() -> None:
    line, told = Line(), []

    def way(name: str) -> Work:
        def act() -> None:
            told.append(f"{name} begins")
            assert line.ask(name)
            told.append(f"{name} goes on")

        return Work(act)

    line.rota.work([way(name) for name in "abc"], at_once=3, timeout_s=None)
    assert told == ["a begins", "b begins", "c begins", "a goes on", "b goes on", "c goes on"]
    assert line.heard == [["a", "b", "c"]]


def test_no_two_are_at_work_at_a_time() -> None:
    line, busy, most = Line(), [0], [0]

    def act() -> None:
        for number in range(5):
            busy[0] += 1
            most[0] = max(most[0], busy[0])
            busy[0] -= 1
            line.ask(f"{threading.get_ident()} {number}")

    ways = [Work(act) for _ in range(6)]
    line.rota.work(ways, at_once=6, timeout_s=None)
    assert ([way.raised for way in ways], most[0]) == ([None] * 6, 1)


def test_at_most_so_many_are_begun() -> None:
    line, open_ways, most = Line(), [0], [0]

    def act() -> None:
        open_ways[0] += 1
        most[0] = max(most[0], open_ways[0])
        line.ask(str(len(line.asked)))
        open_ways[0] -= 1

    line.rota.work([Work(act) for _ in range(7)], at_once=3, timeout_s=None)
    assert (most[0], len(line.asked)) == (3, 7)


def test_one_at_a_time_needs_no_thread() -> None:
    line, threads = Line(), set[int]()
    ways = [Work(lambda: threads.add(threading.get_ident())) for _ in range(3)]
    line.rota.work(ways, at_once=1, timeout_s=None)
    assert threads == {threading.get_ident()}


def test_who_waits_too_long_is_told_and_the_others_are_not() -> None:
    line, ends = Line(), dict[str, bool]()
    ways = [Work(lambda name=name: ends.update({name: line.ask(name)})) for name in ("never", "soon")]  # type: ignore[misc]
    line.rota.work(ways, at_once=2, timeout_s=0.02)
    assert ends == {"never": False, "soon": True}


def test_what_is_within_another_has_no_more_time_than_that() -> None:
    line, ends = Line(), list[bool]()
    inner = [Work(lambda: ends.append(line.ask("never"))) for _ in range(2)]
    outer = [Work(lambda: line.rota.work(inner, at_once=2, timeout_s=60)), Work(lambda: None)]
    line.rota.work(outer, at_once=2, timeout_s=0.02)
    assert ends == [False, False]


def test_each_has_its_own_place_and_the_caller_gets_its_own_back() -> None:
    line, mine, places = Line(), Place(), list[Place]()
    line.rota.place = mine

    def act() -> None:
        before = line.rota.place
        line.ask(str(len(line.asked)))
        places.extend([before, line.rota.place])

    ways = [Work(act), Work(act)]
    line.rota.work(ways, at_once=2, timeout_s=None)
    one, two = (way.place for way in ways)
    assert (places, line.rota.place) == ([one, one, two, two], mine)


def test_context_variables_reach_the_branches() -> None:
    line, seen = Line(), list[str]()
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set")
    line.rota.work([Work(lambda: seen.append(variable.get())) for _ in range(2)], at_once=2, timeout_s=None)
    assert seen == ["set", "set"]


def test_nobody_waits_for_a_server_that_has_gone() -> None:
    def gone(timeout_s: float | None) -> None:
        raise EOFError

    rota = Rota(gone)
    ways = [Work(lambda: rota.work([Work(lambda: None)], at_once=1, timeout_s=None)) for _ in range(2)]
    ways.append(Work(lambda: pytest.fail("answered") if rota.until(lambda: False) else None))
    with pytest.raises(EOFError):
        rota.work(ways, at_once=3, timeout_s=None)
