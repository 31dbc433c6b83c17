"""The time that the owner of a shared log goes by."""

from __future__ import annotations

from hansa.bootstrap.clock import SharedClock

HOUR_US = 3_600_000_000


class Machine:
    """Its time of day, and its steady clock."""

    def __init__(self) -> None:
        self.wall_us, self.steady_us = 5 * HOUR_US, 1000
        self.clock = SharedClock(lambda: self.wall_us, lambda: self.steady_us)

    def pass_us(self, time_us: int) -> None:
        self.wall_us += time_us
        self.steady_us += time_us


def test_it_goes_on_whatever_is_made_of_the_time_of_day() -> None:
    machine = Machine()
    machine.pass_us(10)
    machine.wall_us += HOUR_US
    machine.pass_us(10)
    assert machine.clock() == 5 * HOUR_US + 20


def test_it_is_that_of_the_registry_once_it_was_heard_of() -> None:
    machine = Machine()
    asked_us = machine.steady_us
    machine.pass_us(10)
    machine.clock.heard(7 * HOUR_US, asked_us)
    assert 7 * HOUR_US <= machine.clock() <= 7 * HOUR_US + 10
    machine.pass_us(100)
    assert 7 * HOUR_US + 100 <= machine.clock() <= 7 * HOUR_US + 110


def test_an_answer_that_took_long_moves_it_no_further_than_it_must() -> None:
    machine = Machine()
    asked_us = machine.steady_us
    machine.pass_us(4_000_000)
    machine.clock.heard(5 * HOUR_US + 1_000_000, asked_us)
    assert machine.clock() == machine.wall_us
    machine.clock.heard(5 * HOUR_US + 6_000_000, machine.steady_us)
    assert machine.clock() == 5 * HOUR_US + 6_000_000
