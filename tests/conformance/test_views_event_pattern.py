"""Ordered patterns of events, in every database of views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hansa.discovery.event_pattern import PatternQuery
from hansa.discovery.event_search import EventSearch
from hansa.discovery.events import Event
from hansa.errors import CallerError

SECOND = 1_000_000


SearchIn = Callable[[Sequence[Event]], EventSearch]


def found(search: EventSearch, **query: Any) -> list[str]:
    return ["".join(e.id for e in one.events) for one in search.sequences(PatternQuery(**query)).sequences]


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
def test_a_pattern_finds(search_in: SearchIn, query: dict[str, Any], sequences: list[str]) -> None:
    assert found(search_in(REQUESTS), **query) == sequences


def test_a_sequence_tells_its_keys_and_whether_there_are_more(search_in: SearchIn) -> None:
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
def test_a_malformed_pattern_is_refused(search_in: SearchIn, query: dict[str, Any]) -> None:
    with pytest.raises(CallerError) as refused:
        found(search_in(REQUESTS), **query)
    assert refused.value.code == "query.malformed"
