"""All airlines of the source keep their contract."""

from ..ports import airlines
from ..product import read_airlines


def test_every_airline_keeps_the_contract() -> None:
    found = read_airlines()
    assert airlines.validate(found) == []
    assert len({airline.carrier for airline in found}) == len(found) == 16


def test_an_airline_is_known_by_its_code() -> None:
    assert {airline.carrier: airline.name for airline in read_airlines()}["UA"] == "United Air Lines Inc."
