"""All aircraft of the source keep their contract."""

from ..ports import Plane, planes
from ..product import read_planes, to_plane

ROW = {
    "tailnum": "N10156",
    "year": "2004",
    "type": "Fixed wing multi engine",
    "manufacturer": "EMBRAER",
    "model": "EMB-145XR",
    "engines": "2",
    "seats": "55",
    "speed": "NA",
    "engine": "Turbo-fan",
}


def test_a_row_becomes_a_plane() -> None:
    expected = Plane("N10156", "Fixed wing multi engine", "EMBRAER", "EMB-145XR", 2, "Turbo-fan", 55, 2004, None)
    assert to_plane(ROW) == expected


def test_every_plane_keeps_the_contract() -> None:
    found = read_planes()
    assert planes.validate(found) == []
    assert len({plane.tail_number for plane in found}) == len(found) == 3322
