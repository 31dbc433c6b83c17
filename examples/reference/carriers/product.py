"""The airlines, loaded once when the product is deployed."""

from hansa import DataProduct, once, publish_to

from .data import rows
from .ports import Airline, airlines

product = DataProduct(__file__)


@product.logic
def read_airlines() -> list[Airline]:
    """All airlines of the source."""
    return [Airline(row["carrier"], row["name"]) for row in rows("airlines.csv")]


product.process("load", read_airlines, publish_to(airlines), on=once())
