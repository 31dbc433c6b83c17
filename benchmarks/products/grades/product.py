"""The records benchmark: two logics and an aggregator over each reading, in batches."""

from typing import NamedTuple

from hansa import DataProduct, on, publish_to

from .ports import Grade, Reading, grades, readings

BATCH_RECORDS = 1000

product = DataProduct(__file__)


class Measured(NamedTuple):
    """A reading in the units of the contract."""

    reading: Reading
    temperature_c: float


@product.logic
def in_celsius(reading: Reading) -> Measured:
    return Measured(reading, round((reading.temperature_f - 32) * 5 / 9, 1))


@product.logic
def to_grade(measured: Measured) -> Grade:
    reading, humidity = measured.reading, measured.reading.humidity_percent
    grade = "dry" if humidity < 30 else "damp" if humidity > 60 else "fair"
    return Grade(reading.reading_id, reading.sensor, reading.taken_at, measured.temperature_c, grade)


product.process("grade", in_celsius, to_grade, publish_to(grades), on=on(readings, batch=BATCH_RECORDS))
