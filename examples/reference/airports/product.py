"""The airports, loaded once when the product is deployed."""

from hansa import DataProduct, once, publish_to

from .data import Row, known, rows
from .ports import Airport, airports

product = DataProduct(__file__)


@product.logic
def read_airports() -> list[Airport]:
    """All airports of the source."""
    return [to_airport(row) for row in rows("airports.csv")]


def to_airport(row: Row) -> Airport:
    """A row in the words and units of the contract."""
    return Airport(
        code=row["faa"],
        name=row["name"],
        latitude_deg=float(row["lat"]),
        longitude_deg=float(row["lon"]),
        altitude_ft=int(row["alt"]),
        utc_offset_h=int(row["tz"]),
        timezone=known(row["tzone"]),
    )


product.process("load", read_airports, publish_to(airports), on=once())
