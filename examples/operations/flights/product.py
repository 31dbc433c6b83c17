"""The departures, loaded once when the product is deployed; a load that is interrupted resumes."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from hansa import Chunk, DataProduct, ReadContext, once, publish_to

from .data import Row, chunks, known, whole
from .ports import Departure, departures

CHUNK_ROWS = 10_000

product = DataProduct(__file__)


@product.logic
def read_flights(*, ctx: ReadContext) -> Iterator[Chunk[Row]]:
    """The rows of the source, behind those that were committed before."""
    for rows, position in chunks(ctx.position or 0, CHUNK_ROWS):
        yield Chunk(rows, position)


def flight_id(row: Row) -> str:
    """The natural key of a departure, with the *local* date: airlines give a number once a day, by the clock on the
    airport's wall.

    By the date in UTC, a late evening's flight would fall on the same day as the next evening's flight of that number
    where that one leaves before midnight in UTC.
    """
    date = f"{row['year']}-{row['month']:0>2}-{row['day']:0>2}"
    return f"{row['carrier']}{row['flight']}-{row['origin']}-{date}"


@product.logic
def to_departure(row: Row) -> Departure:
    """A row in the words and units of the contract."""
    hour_at = datetime.fromisoformat(row["time_hour"])
    return Departure(
        flight_id=flight_id(row),
        carrier=row["carrier"],
        flight_number=int(row["flight"]),
        origin=row["origin"],
        destination=row["dest"],
        scheduled_at=hour_at + timedelta(minutes=int(row["minute"])),
        hour_at=hour_at,
        distance_mi=int(row["distance"]),
        tail_number=known(row["tailnum"]),
        delay_min=whole(row["dep_delay"]),
        arrival_delay_min=whole(row["arr_delay"]),
        air_time_min=whole(row["air_time"]),
    )


product.process("load", read_flights, to_departure, publish_to(departures), on=once())
