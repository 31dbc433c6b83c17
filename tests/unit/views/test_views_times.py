"""Times as callers write them."""

from __future__ import annotations

import pytest

from hansa.errors import CallerError
from hansa.views.times import parse_time, time_text


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T01:00:00.000001+01:00", 1),
        ("1970-01-02", 86_400_000_000),
        ("2026-03-01T09:30:00", 1_772_357_400_000_000),
    ],
)
def test_a_time_is_microseconds(text: str, us: int) -> None:
    assert parse_time(text) == us


def test_what_is_written_is_read_back_to_the_microsecond() -> None:
    assert parse_time(time_text(1_772_357_400_123_457)) == 1_772_357_400_123_457
    assert time_text(1_772_357_400_123_457) == "2026-03-01T09:30:00.123457Z"


def test_another_text_is_refused() -> None:
    with pytest.raises(CallerError, match="It reads like") as refused:
        parse_time("yesterday")
    assert refused.value.code == "time.malformed"
