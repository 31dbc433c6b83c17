"""The hours of the source keep their contract, and a load that was interrupted resumes."""

from datetime import UTC, datetime

from hansa.testing.fake import FakeContext

from ..ports import hourly
from ..product import CHUNK_ROWS, read_hours, report, to_hour

ROW = {
    "origin": "EWR",
    "temp": "39.02",
    "dewp": "26.06",
    "humid": "59.37",
    "wind_dir": "270",
    "wind_speed": "10.35702",
    "wind_gust": "NA",
    "precip": "0",
    "pressure": "1012",
    "visib": "10",
    "time_hour": "2013-01-01T06:00:00Z",
}


def test_a_row_becomes_an_hour() -> None:
    hour = to_hour(ROW)
    assert (hour.origin, hour.hour_at) == ("EWR", datetime(2013, 1, 1, 6, tzinfo=UTC))
    assert (hour.temp_f, hour.wind_from_deg, hour.wind_gust_mph, hour.visibility_mi) == (39.02, 270, None, 10)


def test_every_hour_keeps_the_contract() -> None:
    found = [to_hour(row) for chunk in read_hours(ctx=FakeContext()) for row in chunk.records]
    assert hourly.validate(found) == []
    assert len({(hour.origin, hour.hour_at) for hour in found}) == len(found) == 26115


def test_a_load_resumes_behind_what_was_committed() -> None:
    first, second, third = read_hours(ctx=FakeContext())
    resumed = list(read_hours(ctx=FakeContext(position=first.position)))
    assert (first.position, third.position) == (CHUNK_ROWS, 26115)
    assert resumed == [second, third]


def test_a_report_is_published_as_it_stands() -> None:
    assert report([to_hour(ROW)]) == [to_hour(ROW)]
