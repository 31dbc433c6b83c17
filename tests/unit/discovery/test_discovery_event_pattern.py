"""Ordered patterns of events, against the slow and obvious way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.discovery.event_pattern import Fit, PatternQuery, follow
from hansa.discovery.event_search import EventSearch
from hansa.discovery.events import Event, EventsView
from hansa.errors import CallerError
from hansa.eventlog.interface import Chunk, encode_entry
from hansa.views.store import ViewStore

SECOND = 1_000_000


def search_in(events: Sequence[Event]) -> EventSearch:
    store, view = ViewStore(None), EventsView()
    body = b"".join(encode_entry(event.source, event) for event in events)
    with store.writing() as db:
        view.create(db)
        view.apply(db, [Chunk("_events", 0, 0, len(events), 1, {}, body)])
    return EventSearch(store)


def found(events: Sequence[Event], **query: Any) -> list[str]:
    return ["".join(e.id for e in one.events) for one in search_in(events).sequences(PatternQuery(**query)).sequences]


def event(
    at_s: float, event_id: str, name: str, source: str | None = "ann", target: str | None = None, **payload: Any
) -> Event:
    return Event(event_id, name, source, target, payload, round(at_s * SECOND))


REQUESTS = [
    event(0, "a", "Request", "ann", "r1"),
    event(1, "b", "Request", "bob", "r2"),
    event(2, "c", "Assign", "r2", "marvin"),
    event(3, "d", "Assign", "r1", "trillian"),
    event(4, "e", "Request", "ann", "r3"),
    event(40, "f", "Assign", "r3", "trillian"),
    event(41, "g", "Done", "trillian", None),
    event(42, "h", "Done", None, None),
]


@pytest.mark.parametrize(
    ("query", "sequences"),
    [
        ({"steps": ["name=Request", "name=Assign"]}, ["ac", "bc", "ef"]),
        ({"steps": ["name=Request", "name=Assign"], "sharing": [["target", "source"]]}, ["bc", "ad", "ef"]),
        ({"steps": ["name=Request", "name=Assign"], "sharing": [["target", "source"]], "within_s": 30}, ["bc", "ad"]),
        (
            {"steps": ["name=Request", "name=Assign"], "sharing": [["target", "source"]], "within_s": 36},
            ["bc", "ad", "ef"],
        ),
        ({"steps": ["name=Request", "name=Request"], "sharing": ["source"]}, ["ae"]),
        ({"steps": ["name=Request"] * 3}, ["abe"]),
        ({"steps": ["name=Request", "name=Assign"], "where": "source!=bob"}, ["ac", "ef"]),
        ({"steps": ["name=Assign", "name=Done"], "sharing": [["target", "source"]], "within_s": 1}, ["fg"]),
        ({"steps": ["name=Done", "name=Done"], "sharing": ["target"]}, []),
    ],
)
def test_a_pattern_finds(query: dict[str, Any], sequences: list[str]) -> None:
    assert found(REQUESTS, **query) == sequences


def test_a_sequence_tells_its_keys_and_whether_there_are_more() -> None:
    query = PatternQuery(["name=Request", "name=Assign"], sharing=[["target", "source"], ["name", "payload.was"]])
    events = [event(0, "a", "N", None, "k"), event(1, "b", "M", "k", None, was="N")]
    (one,) = search_in(events).sequences(PatternQuery(["name=N", "name=M"], sharing=query.sharing)).sequences
    assert one.keys == ["k", "N"]
    few = search_in(REQUESTS).sequences(PatternQuery(["name=Request", "name=Assign"], size=2))
    assert (len(few.sequences), few.complete) == (2, False)
    assert search_in(REQUESTS).sequences(PatternQuery(["name=Request", "name=Assign"], size=3)).complete


@pytest.mark.parametrize(
    "query",
    [{"steps": ["name=A"]}, {"steps": ["name=A"] * 17}, {"steps": ["nam=A", "name=B"]}, {"steps": ["a=", "name=B"]},
     {"steps": ["name=A", "name=B"], "sharing": [["source"]]}, {"steps": ["name=A", "name=B"], "sharing": ["nope"]},
     {"steps": ["name=A", "name=B"], "sharing": ["source"] * 5}, {"steps": ["name=A", "name=B"], "within_s": -1},
     {"steps": ["name=A", "name=B"], "size": 0}],
)  # fmt: skip
def test_a_malformed_pattern_is_refused(query: dict[str, Any]) -> None:
    with pytest.raises(CallerError) as refused:
        found(REQUESTS, **query)
    assert refused.value.code == "query.malformed"


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
