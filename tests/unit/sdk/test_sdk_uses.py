"""Fields that code uses: what its source shows, and all of them wherever a record goes out of sight."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_sdk_plan import DECLARED, HEAD, PORTS

from hansa.sdk.load import load_product, unload_product
from hansa.sdk.plan import compile_product

DEPARTURES, HOURS = "operations.flights/departures@1", "weather.hours/hourly@1"
Used = dict[str, tuple[str, ...]]


@pytest.fixture
def used(tmp_path: Path) -> Iterator[Callable[[str], Used]]:
    """The fields that the process `p` of that source uses, by port."""

    def compiled(source: str) -> Used:
        (tmp_path / "ports.py").write_text(PORTS)
        (tmp_path / "product.py").write_text(HEAD + textwrap.dedent(source))
        spec, findings = compile_product(load_product(tmp_path, "used_product"), DECLARED)
        assert findings == []
        return spec.processes[0].fields

    yield compiled
    unload_product("used_product")


def one(body: str) -> str:
    return f"""
@product.logic
def clean(departure: Departure, *, ctx: Context) -> object:
    {body}
product.process("p", clean, reply, on=on(departures))
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return departure.origin", ("origin",)),
        ("return [departure.origin, departure.flight_id]", ("flight_id", "origin")),
        ("return 1", ()),
        ("other = departure; return other.origin", ("origin",)),
        ("return (lambda: departure.origin)()", ("origin",)),
        ("return departure", None),
        ("return str(departure)", None),
        ("return f'{departure}'", None),
        ("return getattr(departure, 'origin')", None),
        ("return departure.__struct_fields__", None),
        ("kept = [departure]; return kept[0].origin", None),
        ("a = b = departure; return b.origin", None),
        ("return (other := departure).origin", None),
        ("return locals()['departure'].origin", None),
        ("return departure == 1", None),
        ("return departure or 1", None),
        ("match departure:\n        case Departure(flight_id=found): return found", None),
    ],
)
def test_of_a_record(body: str, expected: tuple[str, ...] | None, used: Callable[[str], Used]) -> None:
    assert used(one(body)).get(DEPARTURES) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return [d.origin for d in departures_read]", ("origin",)),
        ("return len(departures_read)", ()),
        (
            "found = []\n    for d in departures_read:\n        found.append(d.flight_id)\n    return found",
            ("flight_id",),
        ),
        ("return departures_read[0].origin", None),
        ("return sorted(departures_read, key=lambda d: d.origin)", None),
        ("return [d for d in departures_read]", None),
    ],
)
def test_of_a_batch(body: str, expected: tuple[str, ...] | None, used: Callable[[str], Used]) -> None:
    source = f"""
@product.logic
def clean(departures_read: list[Departure]) -> object:
    {body}
product.process("p", clean, reply, on=on(departures, batch=10))
"""
    assert used(source).get(DEPARTURES) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return ctx.lookup(ports.hours, origin='JFK').flight_id", ("flight_id", "origin")),
        ("found = ctx.lookup(ports.hours, origin='JFK')\n    return found.flight_id if found else None",
         ("flight_id", "origin")),
        ("return ctx.lookup(ports.hours, origin='JFK') is None", ("origin",)),
        ("return ctx.lookup(ports.hours, **{'origin': 'JFK'})", None),
        ("return ctx.lookup(ports.hours, origin='JFK')", None),
        ("look = ctx.lookup\n    return look(ports.hours, origin='JFK').flight_id", None),
        ("return helper(ctx)", ("flight_id", "origin")),
    ],
)  # fmt: skip
def test_of_what_is_looked_up(body: str, expected: tuple[str, ...] | None, used: Callable[[str], Used]) -> None:
    source = f"""
def helper(ctx):
    return ctx.lookup(ports.hours, origin='JFK').flight_id

@product.logic
def clean(departure: Departure, *, ctx: Context) -> object:
    {body}
product.process("p", clean, reply, on=on(departures))
"""
    assert used(source).get(HOURS) == expected


def test_a_filter_is_a_use_and_a_payload_may_be_all(used: Callable[[str], Used]) -> None:
    filtered = one("return departure.flight_id").replace("on(departures)", "on(departures, where={'origin': 'JFK'})")
    assert used(filtered)[DEPARTURES] == ("flight_id", "origin")
    asked = one("return departure.flight_id").replace("ctx: Context", "ctx: Context, payload: object")
    assert DEPARTURES not in used(asked)


def test_a_value_that_goes_several_ways_may_be_used_whole(used: Callable[[str], Used]) -> None:
    source = one("return departure.origin").replace("clean, reply", "parallel(clean, clean), reply")
    assert DEPARTURES not in used(source)
