"""The aircraft, loaded once when the product is deployed."""

from hansa import DataProduct, once, publish_to

from .data import Row, rows, whole
from .ports import Plane, planes

product = DataProduct(__file__)


@product.logic
def read_planes() -> list[Plane]:
    """All planes of the source."""
    return [to_plane(row) for row in rows("planes.csv")]


def to_plane(row: Row) -> Plane:
    """A row in the words and units of the contract."""
    return Plane(
        tail_number=row["tailnum"],
        category=row["type"],
        manufacturer=row["manufacturer"],
        model=row["model"],
        engines=int(row["engines"]),
        engine_type=row["engine"],
        seats=int(row["seats"]),
        built_year=whole(row["year"]),
        cruise_speed_mph=whole(row["speed"]),
    )


product.process("load", read_planes, publish_to(planes), on=once())
