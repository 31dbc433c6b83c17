"""The delay outlook of an airport: counted as departures arrive, answered over HTTP, published once an hour."""

from datetime import datetime

import msgspec

from hansa import Context, DataProduct, Problem, ReadContext, http, on, publish_to, reply, schedule

from .ports import DailyOutlook, DepartureWeather, Outlook, OutlookBand, daily_outlook, departure_weather, outlooks
from .tally import BANDS, UNKNOWN, Band, Tally, band_of, total

AIRPORTS = ("EWR", "JFK", "LGA")

product = DataProduct(__file__)

Bands = dict[Band, Tally]
"""An airport's tallies by the name of the band."""


@product.logic
def count(records: list[DepartureWeather], *, ctx: Context) -> list[Outlook]:
    """Adds departures to the tallies of their airports; the outlooks that have changed by that."""
    changed: dict[str, Bands] = {}
    for record in records:
        if record.origin not in changed:
            changed[record.origin] = msgspec.convert(ctx.state.get(record.origin, {}), Bands)
        add(record, changed[record.origin])
    for origin, bands in changed.items():
        ctx.state.put(origin, msgspec.to_builtins(bands))
    return [outlook_of(origin, bands, ctx.now()) for origin, bands in changed.items()]


def add(record: DepartureWeather, bands: Bands) -> None:
    """Counts a departure; one whose weather came late was counted as unknown before, and is moved."""
    if record.weather == "late":
        bands[UNKNOWN].add(record.delay_min, -1)
    bands.setdefault(band_of(record.temp_f), Tally()).add(record.delay_min)


def outlook_of(origin: str, bands: Bands, as_of: datetime) -> Outlook:
    """The outlook that the tallies give."""
    everything = total(bands.values())
    return Outlook(
        origin=origin,
        as_of=as_of,
        flights=everything.flights,
        cancelled=everything.cancelled,
        bands=[band(name, bands[name]) for name in (*BANDS, UNKNOWN) if name in bands and bands[name].flights],
        mean_delay_min=everything.mean_delay_min,
        median_delay_min=everything.median_delay_min,
        late_share=everything.late_share,
    )


def band(name: Band, tally: Tally) -> OutlookBand:
    """The figures of one band."""
    return OutlookBand(
        name, tally.flights, tally.cancelled, tally.mean_delay_min, tally.median_delay_min, tally.late_share
    )


@product.logic
def find(*, origin: str, ctx: ReadContext) -> Outlook:
    """The outlook of an airport, by its FAA code in any case."""
    found = ctx.lookup(outlooks, origin=origin.upper())
    if found is None:
        hint = f"There are outlooks for {', '.join(AIRPORTS)}."
        raise Problem(404, "outlook.unknown", f"There is no outlook for {origin!r}", hint=hint)
    return found


@product.logic
def take(*, airports: tuple[str, ...], ctx: Context) -> list[DailyOutlook]:
    """The outlooks as they stand now, and an event for each."""
    now = ctx.now()
    current = [found for origin in airports if (found := ctx.lookup(outlooks, origin=origin)) is not None]
    for outlook in current:
        payload = {"flights": outlook.flights, "mean_delay_min": outlook.mean_delay_min}
        ctx.emit("outlook.published", source=f"airport {outlook.origin}", payload=payload)
    return [
        DailyOutlook(outlook.origin, now.date(), now, outlook.flights, outlook.mean_delay_min, outlook.late_share)
        for outlook in current
    ]


product.process("count", count, publish_to(outlooks), on=on(departure_weather, batch=1000))
product.process("answer", find, reply, on=http.get("/airports/{origin}"))
product.process("publish", take.using(airports=AIRPORTS), publish_to(daily_outlook), on=schedule.every("1h"))
