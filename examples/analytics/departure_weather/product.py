"""Each departure with the weather of its hour: at once with what is known, and again when missing weather came."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from hansa import Context, DataProduct, ReadContext, on, publish_to, schedule

from .ports import Departure, DepartureWeather, Hourly, departure_weather, departures, hourly

WAITING = "waiting/"
HOURS_PER_RUN = 500

product = DataProduct(__file__)


@product.logic
def add_weather(departure: Departure, *, ctx: ReadContext) -> DepartureWeather:
    """The departure with the weather of its scheduled hour; `missing` where the station has sent none so far."""
    found = DepartureWeather(
        flight_id=departure.flight_id,
        carrier=departure.carrier,
        origin=departure.origin,
        hour_at=departure.hour_at,
        weather="missing",
        delay_min=departure.delay_min,
    )
    hour = ctx.lookup(hourly, origin=departure.origin, hour_at=departure.hour_at)
    return found if hour is None else measured(found, hour, "known")


def measured(record: DepartureWeather, hour: Hourly, weather: str) -> DepartureWeather:
    """The record with the measurements of the hour; `weather` says when they came."""
    return msgspec.structs.replace(
        record,
        weather=weather,
        temp_f=hour.temp_f,
        wind_speed_mph=hour.wind_speed_mph,
        precipitation_in=hour.precipitation_in,
        visibility_mi=hour.visibility_mi,
    )


@product.logic
def remember(missing: list[DepartureWeather], *, ctx: Context) -> None:
    """Keeps departures without weather, by station and hour, until the weather comes."""
    by_hour: dict[str, list[Any]] = {}
    for record in missing:
        key = f"{WAITING}{record.origin}/{record.hour_at.isoformat()}"
        by_hour.setdefault(key, []).append(msgspec.to_builtins(record))
    for key, records in by_hour.items():
        ctx.state.put(key, [*ctx.state.get(key, []), *records])


@product.logic
def catch_up(*, ctx: Context) -> list[DepartureWeather]:
    """On schedule: those of the departures that wait whose weather has come, and forgets that they waited."""
    if ctx.trigger.kind == "port":
        return []
    return [record for key, hour in islice(arrived(ctx), HOURS_PER_RUN) for record in released(key, hour, ctx)]


def arrived(ctx: Context) -> Iterator[tuple[str, Hourly]]:
    """The keys of the hours that departures wait for and that are there by now, with their weather."""
    for key in ctx.state.keys(WAITING):
        origin, _, hour_at = key.removeprefix(WAITING).partition("/")
        hour = ctx.lookup(hourly, origin=origin, hour_at=datetime.fromisoformat(hour_at))
        if hour is not None:
            yield key, hour


def released(key: str, hour: Hourly, ctx: Context) -> list[DepartureWeather]:
    """The departures that waited for the hour, with its weather; they wait no more."""
    waiting = msgspec.convert(ctx.state.get(key), list[DepartureWeather])
    ctx.state.remove(key)
    return [measured(record, hour, "late") for record in waiting]


product.process("join", add_weather, publish_to(departure_weather), on=on(departures, batch=1000))
product.process(
    "correct",
    remember,
    catch_up,
    publish_to(departure_weather),
    on=[on(departure_weather, batch=1000, weather="missing"), schedule.every("30s", payload=[])],
    description="Publishes a departure again when weather that was missing has come.",
)
