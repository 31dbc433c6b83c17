"""Changes of dates and windows are told in sentences that people understand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hansa.contracts.window_words import dates_changed, window_changed
from hansa.model.window import NO_DATES, Dates, Window

JUNE, JULY = datetime(2031, 6, 1, tzinfo=UTC), datetime(2031, 7, 1, tzinfo=UTC)
NAMED = Window(1, "to_grams", "to_kg")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (NO_DATES, Dates(JUNE), [("added", "w@2 can be counted on from 2031-06-01; no such date was set before")]),
        (
            Dates(None, JULY),
            Dates(None, JUNE),
            [("changed", "w@2 is supported until 2031-06-01, 30 days earlier than was said (2031-07-01)")],
        ),
        (
            Dates(None, None, JUNE),
            Dates(None, None, JUNE.replace(hour=9)),
            [("changed", "w@2 is served until 2031-06-01T09:00:00Z, later than was said (2031-06-01)")],
        ),
        (
            Dates(JUNE, None, JULY),
            Dates(JUNE),
            [("removed", "the end of life of w@2 is taken back; it was 2031-07-01")],
        ),
        (Dates(JUNE, JULY), Dates(JUNE, JULY), []),
    ],
)
def test_dates_are_told_with_what_was_said_before(old: Dates, new: Dates, said: list[tuple[str, str]]) -> None:
    assert list(dates_changed("w@2", old, new)) == said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (None, NAMED, [("added", "w@2 is served beside w@1: to_grams translates up and to_kg down")]),
        (
            NAMED,
            None,
            [("removed", "what is published to w@1 or w@2 is not translated into the other any more")],
        ),
        (
            NAMED,
            Window(1, "$", "in_kg"),
            [
                ("changed", "w@1 is translated into w@2 by the JSONata $, no more by to_grams"),
                ("changed", "w@2 is translated into w@1 by in_kg, no more by to_kg"),
            ],
        ),
        (NAMED, NAMED, []),
    ],
)
def test_a_window_is_told_by_what_it_does(old: Window | None, new: Window | None, said: list[tuple[str, str]]) -> None:
    assert list(window_changed("w@2", old, new, "w@{}".format)) == said


def test_a_window_with_another_major_is_another_window() -> None:
    (closed, opened) = window_changed("w@3", NAMED, Window(2, "up", "down"), "w@{}".format)
    assert closed.text == "what is published to w@1 or w@3 is not translated into the other any more"
    assert opened.text == "w@3 is served beside w@2: up translates up and down down"
