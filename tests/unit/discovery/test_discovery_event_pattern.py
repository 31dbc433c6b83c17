"""Ordered patterns of events, against the slow and obvious way."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.discovery.event_pattern import Fit, follow


def naive(fits: list[Fit], steps: int, within_us: int | None) -> list[tuple[int, ...]]:
    """From each event that fits the first step, always the next one that fits, wherever it stands."""
    sequences = []
    for begin in range(len(fits)):
        key = fits[begin].keys[0]
        places = [begin]
        while key is not None and len(places) < steps:
            later = (n for n in range(places[-1] + 1, len(fits)) if fits[n].keys[len(places)] == key)
            places.append(next(later, len(fits)))
            if places[-1] == len(fits):
                break
        in_time = within_us is None or fits[min(places[-1], len(fits) - 1)].time_us - fits[begin].time_us <= within_us
        if key is not None and len(places) == steps and places[-1] < len(fits) and in_time:
            sequences.append(tuple(fits[n].place for n in places))
    return sequences


KEYS = st.none() | st.tuples(st.sampled_from("xyz"))


@settings(max_examples=400, deadline=None)
@given(st.data(), st.integers(2, 4), st.none() | st.integers(0, 12))
def test_one_pass_finds_what_the_obvious_way_finds(data: st.DataObject, steps: int, within_us: int | None) -> None:
    gaps = data.draw(st.lists(st.integers(0, 3), max_size=25))
    fits, now = [], 0
    for place, gap in enumerate(gaps):
        now += gap
        fits.append(Fit(place, now, data.draw(st.lists(KEYS, min_size=steps, max_size=steps))))
    sequences = [one.places for one in follow(fits, steps, within_us)]
    assert sorted(sequences) == sorted(naive(fits, steps, within_us))
    assert all(earlier[-1] <= later[-1] for earlier, later in pairwise(sequences))


def test_the_work_grows_with_the_events_not_with_their_pairs() -> None:
    """Each event is asked for its keys once per step, however many sequences wait."""
    asked = 0

    class Counting(tuple[Any, ...]):
        def __getitem__(self, index: Any) -> Any:
            nonlocal asked
            asked += 1
            return super().__getitem__(index)

    fits = [Fit(n, n, Counting((("k",), None, None))) for n in range(2000)]
    fits.append(Fit(2000, 2000, Counting((None, ("k",), None))))
    fits.append(Fit(2001, 2001, Counting((None, None, ("k",)))))
    assert len(list(follow(fits, 3, None))) == 2000
    assert asked <= 4 * len(fits)
