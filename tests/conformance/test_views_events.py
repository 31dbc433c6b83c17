"""Searching events: what fits is what the condition means, and SQL is only a faster way to find it."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.discovery.event_search import CountQuery, EventPage, EventQuery, EventSearch, Group, Sort
from hansa.discovery.events import Event
from hansa.errors import CallerError
from hansa.views.condition import And, Compare, Condition, Not, Or, dig, matches
from hansa.views.cursor import encode_cursor

SearchIn = Callable[[Sequence[Event]], EventSearch]


def ids(page: EventPage) -> list[str]:
    return [event.id for event in page.events]


def field_of(event: Event) -> Callable[[str], Any]:
    """The fields of an event, as a condition names them."""

    def get(field: str) -> Any:
        if field.partition(".")[0] == "payload":
            return dig(event.payload, field.split(".")[1:])
        return event.time_us if field == "time" else getattr(event, field)

    return get


ORDERS = [
    Event(
        "1", "OrderPlaced", "ann", "o1", {"amount": 50, "items": [{"sku": "a"}], "gift": True}, 10_000_000, "r1", seq=1
    ),
    Event("2", "OrderPlaced", "Abe", "o2", {"amount": 150.5, "note": None, "gift": 1}, 20_000_000, "r1"),
    Event("3", "OrderPaid", "ann", "o1", {"amount": "150"}, 70_000_000, "r2", process="pay"),
    Event("4", "OrderLost", None, "[x]", "a text", 80_000_000, "r2"),
    Event("5", "OrderPaid", "bob", None, None, 130_000_000, None),
]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (None, "54321"),
        ("name=OrderPlaced", "21"),
        ('name=OrderPlaced and (source~"A*" or payload.amount>100) and not target=x', "2"),
        ("payload.amount>100", "2"),
        ("payload.amount='150'", "3"),
        ("payload.gift=true", "1"),
        ("payload.gift=1", "2"),
        ("payload.items.0.sku=a", "1"),
        ("payload.note exists", ""),
        ("payload.note=null", "54321"),
        ("payload='a text'", "4"),
        ("source=null", "4"),
        ("source!=ann", "542"),
        ("not source>a", "42"),
        ("target~'[x]'", "4"),
        ("target~'o?'", "321"),
        ("run in (r1, r3)", "21"),
        ("time>=1970-01-01T00:01:10Z", "543"),
        ({"field": "time", "op": "lt", "value": 20_000_000}, "1"),
        ("process=pay", "3"),
        ("process=7", ""),
        ({"or": []}, ""),
        ({"field": "seq", "value": 0}, "5432"),
        ({"field": "seq", "value": 1}, "1"),
        ({"field": "seq", "value": True}, ""),
    ],
)
def test_what_fits_is_found(search_in: SearchIn, where: Any, found: str) -> None:
    assert "".join(ids(search_in(ORDERS).find(EventQuery(where)))) == found


def test_an_event_comes_back_as_it_was(search_in: SearchIn) -> None:
    search = search_in(ORDERS)
    assert search.find(EventQuery(sorts=[Sort("id")])).events == ORDERS
    assert search.get("3") == ORDERS[2]
    with pytest.raises(CallerError, match="no event '9'"):
        search.get("9")


def test_the_total_counts_beyond_the_page(search_in: SearchIn) -> None:
    page = search_in(ORDERS).find(EventQuery("name=OrderPaid", size=1, total=True))
    assert (ids(page), page.total) == (["5"], 2)


@pytest.mark.parametrize(
    ("by", "order", "found"),
    [
        ([Group("name")], "count", [(["OrderPaid"], 2), (["OrderPlaced"], 2), (["OrderLost"], 1)]),
        ([Group("time", 60)], "key", [([0], 2), ([60_000_000], 2), ([120_000_000], 1)]),
        ([Group("payload.gift"), Group("run")], "key",
         [([None, None], 1), ([None, "r2"], 2), ([1, "r1"], 2)]),
    ],
)  # fmt: skip
def test_events_are_counted_by_groups(
    search_in: SearchIn, by: list[Group], order: Any, found: list[tuple[list[Any], int]]
) -> None:
    buckets = search_in(ORDERS).count(CountQuery(by, order=order))
    assert [(bucket.key, bucket.count) for bucket in buckets] == found


def test_a_count_is_bounded_and_filtered(search_in: SearchIn) -> None:
    buckets = search_in(ORDERS).count(CountQuery([Group("run")], where="name=OrderPlaced", size=1))
    assert [(bucket.key, bucket.count) for bucket in buckets] == [(["r1"], 2)]


@pytest.mark.parametrize(
    "query",
    [
        EventQuery("nam=1"), EventQuery("payload.a'b=1"), EventQuery(size=0), EventQuery(size=1001), EventQuery([1]),
        EventQuery(sorts=[Sort("place; DROP TABLE event")]), EventQuery(sorts=[Sort("id")] * 4), EventQuery(after="!"),
        EventQuery(sorts=[Sort("id"), Sort("time")], after="kgEC"),
    ],
)  # fmt: skip
def test_a_malformed_search_is_refused(search_in: SearchIn, query: EventQuery) -> None:
    with pytest.raises(CallerError) as refused:
        search_in(ORDERS).find(query)
    assert refused.value.code == "query.malformed"


@pytest.mark.parametrize(
    "query",
    [CountQuery([]), CountQuery([Group("id")] * 4), CountQuery([Group("name", 60)]), CountQuery([Group("time", 0)]),
     CountQuery([Group("nope")]), CountQuery([Group("name")], size=0)],
)  # fmt: skip
def test_a_malformed_count_is_refused(search_in: SearchIn, query: CountQuery) -> None:
    with pytest.raises(CallerError) as refused:
        search_in(ORDERS).count(query)
    assert refused.value.code == "query.malformed"


@pytest.mark.parametrize("evil", ["'; DROP TABLE event; --", '" OR 1=1', "%", "_", "\\", "x' OR 'a'='a", "$.a"])
def test_a_value_is_only_a_value(search_in: SearchIn, evil: str) -> None:
    search = search_in([*ORDERS, Event("evil", evil, evil, payload={"a": evil})])
    for field in ("name", "source", "payload.a"):
        assert ids(search.find(EventQuery(Compare(field, "eq", evil)))) == ["evil"]
    assert len(search.find(EventQuery()).events) == 6


# Against the meaning in Python

TEXTS = st.sampled_from(["", "a", "A", "b", "ab", "a*", "[a]", "é", "10", "true"])
NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, -1.0, 2.0, 1 << 60, 1 << 62]))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(["a", "b", "0"]), inner) | st.lists(inner, max_size=2)


PAYLOADS = st.recursive(SCALARS, _nested, max_leaves=5)
EVENTS = st.lists(
    st.builds(
        Event,
        id=st.uuids().map(str),
        name=TEXTS,
        source=st.none() | TEXTS,
        payload=PAYLOADS,
        time_us=st.integers(0, 3),
        process=st.none() | TEXTS,
        seq=st.integers(0, 2),
    ),
    max_size=8,
    unique_by=lambda event: event.id,
)
PATHS = ["payload", "payload.a", "payload.b.a", "payload.a.0", "payload.b.1"]
FIELDS = st.sampled_from(["name", "source", "process", *PATHS])
PATTERNS = st.sampled_from(["*", "a*", "?", "*b", "[a]", "A", "a?", "", "\\*", "é"])
COMPARES = st.one_of(
    st.builds(Compare, FIELDS, st.sampled_from(["eq", "ne"]), SCALARS),
    st.builds(Compare, FIELDS, st.sampled_from(["gt", "gte", "lt", "lte"]), NUMBERS | TEXTS),
    st.builds(Compare, FIELDS, st.just("like"), PATTERNS),
    st.builds(Compare, FIELDS, st.just("in"), st.lists(SCALARS, max_size=3)),
    st.builds(Compare, FIELDS, st.just("exists"), st.booleans()),
    st.builds(Compare, st.sampled_from(["time", "seq"]), st.sampled_from(["eq", "gt", "lte", "ne"]), st.integers(0, 3)),
)


def _compound(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inner, max_size=3)
    return st.builds(And, several) | st.builds(Or, several) | st.builds(Not, inner)


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(COMPARES, _compound, max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(EVENTS, CONDITIONS)
def test_sql_finds_what_the_condition_means(search_in: SearchIn, events: list[Event], where: Condition) -> None:
    page = search_in(events).find(EventQuery(where, sorts=[Sort("id")]))
    assert ids(page) == sorted(event.id for event in events if matches(where, field_of(event)))


@settings(max_examples=60, deadline=None)
@given(EVENTS, CONDITIONS)
def test_plain_values_mean_the_same(search_in: SearchIn, events: list[Event], where: Condition) -> None:
    raw = json.loads(msgspec.json.encode(where))
    search = search_in(events)
    assert ids(search.find(EventQuery(raw))) == ids(search.find(EventQuery(where)))


@settings(max_examples=60, deadline=None)
@given(
    EVENTS,
    st.lists(st.builds(Sort, FIELDS | st.just("time"), st.sampled_from(["asc", "desc"])), max_size=3),
    st.integers(1, 3),
)
def test_pages_put_together_are_the_whole(
    search_in: SearchIn, events: list[Event], sorts: list[Sort], size: int
) -> None:
    search = search_in(events)
    whole = search.find(EventQuery(sorts=sorts)).events
    parts: list[Event] = []
    after = None
    while True:
        page = search.find(EventQuery(sorts=sorts, size=size, after=after))
        parts += page.events
        after = page.next
        if after is None:
            break
        assert len(page.events) == size
    assert parts == whole


def test_texts_of_any_length_are_found(search_in: SearchIn) -> None:
    letters = random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=9000)
    long = ["".join(letters[begin:]) + end for begin in (0, 1) for end in "xy"]
    events = [Event(text, text, text, text, {"a": text}) for text in long]
    search = search_in(events)
    for text in long:
        for field in ("id", "name", "source", "target", "payload.a"):
            assert ids(search.find(EventQuery(Compare(field, "eq", text)))) == [text]
        assert search.get(text).source == text


@pytest.mark.parametrize("value", [1e22, 1e23, 1e308, 5e-324, -0.0, 2.0, 0.1, (1 << 64) - 1, -(1 << 63), [1e23, {}]])
def test_a_payload_comes_back_as_it_was(search_in: SearchIn, value: Any) -> None:
    (found,) = search_in([Event("1", "A", payload={"v": value})]).find(EventQuery("payload.v exists")).events
    assert (found.payload, repr(found.payload)) == ({"v": value}, repr({"v": value}))


@pytest.mark.parametrize("where", ["payload.-1 exists", "payload.99999999999 exists", "payload.a.-1=3"])
def test_a_step_that_is_not_there_finds_nothing(search_in: SearchIn, where: str) -> None:
    assert (
        search_in([Event("1", "A", payload=[1, 2]), Event("2", "A", payload={"a": [3]})]).find(EventQuery(where)).events
        == []
    )


def test_a_nul_keeps_nothing_from_being_shown_or_found(search_in: SearchIn) -> None:
    search = search_in([Event("1", "A\0B", "s\0", payload={"a": "x\0y", "b": "\\u0000", "c\0": 1})])
    for where in (Compare("name", "eq", "A\0B"), Compare("source", "eq", "s\0"), Compare("payload.b", "eq", "\\u0000")):
        assert ids(search.find(EventQuery(where))) == ["1"]
    assert search.get("1").payload["b"] == "\\u0000"


def test_a_cursor_that_was_tampered_with_is_refused_or_finds_nothing(search_in: SearchIn) -> None:
    search = search_in(ORDERS)
    with contextlib.suppress(CallerError):
        search.find(EventQuery(after=encode_cursor(["x", "y"])))
