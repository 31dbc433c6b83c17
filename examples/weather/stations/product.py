"""The hourly weather: the files once, when the product is deployed, and what stations report later over HTTP."""

from collections.abc import Iterator
from datetime import datetime

from hansa import Chunk, DataProduct, ReadContext, http, once, publish_to

from .data import Row, chunks, number, whole
from .ports import Hourly, hourly

CHUNK_ROWS = 10_000

product = DataProduct(__file__)


@product.logic
def read_hours(*, ctx: ReadContext) -> Iterator[Chunk[Row]]:
    """The rows of the source, behind those that were committed before."""
    for rows, position in chunks(ctx.position or 0, CHUNK_ROWS):
        yield Chunk(rows, position)


@product.logic
def to_hour(row: Row) -> Hourly:
    """A row in the words and units of the contract."""
    return Hourly(
        origin=row["origin"],
        hour_at=datetime.fromisoformat(row["time_hour"]),
        precipitation_in=float(row["precip"]),
        visibility_mi=float(row["visib"]),
        temp_f=number(row["temp"]),
        dew_point_f=number(row["dewp"]),
        humidity_pct=number(row["humid"]),
        wind_from_deg=whole(row["wind_dir"]),
        wind_speed_mph=number(row["wind_speed"]),
        wind_gust_mph=number(row["wind_gust"]),
        pressure_hpa=number(row["pressure"]),
    )


@product.logic
def report(hours: list[Hourly]) -> list[Hourly]:
    """What a station sends: hours that were missing, or that it corrects."""
    return hours


product.process("load", read_hours, to_hour, publish_to(hourly), on=once())
product.process("report", report, publish_to(hourly), on=http.post("/hours"))
