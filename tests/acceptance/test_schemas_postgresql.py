"""The derived tables in a real PostgreSQL: they are made, hold records, and refuse what the contract does."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from tests.support.contracts import EVERY_TYPE

from hansa.contracts.schemas import sql
from hansa.contracts.schemas.contract import record_of
from hansa.model.product import FieldSpec

INSERT = """
INSERT INTO departures (flight_id, run_id, state, is_late, day, seats, price, opens_at, planned_at, left_at, tags, fees,
                        embedding, crew, gate)
VALUES ({id}, '018f3f2e-0000-7000-8000-000000000001', {state}, true, '2013-01-01', {seats}, 99.90, '04:30:00.125',
        '2013-01-01 05:15:00', '2013-01-01T10:17:00.250Z', ARRAY['early', 'full'], '{{"bag": "30.00"}}',
        ARRAY[0.5, 0.25], ARRAY[ROW('Ada', 'pilot')::departures_crew_item], ROW({hall}, 7));
"""
GOOD = {"id": "'UA1'", "state": "'flown'", "seats": "149", "hall": "'B'"}

Ask = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def ask(postgresql_address: str) -> Ask:
    """Runs statements in a database of its own."""

    def call(text: str, database: str = "schemas") -> subprocess.CompletedProcess[str]:
        place = urlsplit(postgresql_address)._replace(path=f"/{database}").geturl()
        psql = ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-qtA", place]
        return subprocess.run(psql, input=text, capture_output=True, text=True, check=False)

    made = call("DROP DATABASE IF EXISTS schemas; CREATE DATABASE schemas", "postgres")
    assert made.returncode == 0, made.stderr
    return call


@pytest.fixture(scope="module")
def table(ask: Ask) -> Ask:
    narrow = FieldSpec("level", "integer", options={"format": "u8"})
    record = record_of(replace(EVERY_TYPE, fields=(*EVERY_TYPE.fields, narrow)))
    made = ask(sql.derive(record, "postgresql", "departures", key=["flight_id"]))
    assert made.returncode == 0, made.stderr
    return ask


def test_a_record_comes_back_as_it_went_in(table: Ask) -> None:
    asked = table(f"""
        BEGIN; {INSERT.format(**GOOD)}
        SET timezone = 'UTC';
        SELECT flight_id, run_id, state, day, seats, price, opens_at, planned_at, left_at, tags, fees->>'bag',
               embedding, crew[1].role, (gate).hall, source FROM departures; ROLLBACK;
    """)
    assert asked.stdout.strip().split("|") == [
        "UA1", "018f3f2e-0000-7000-8000-000000000001", "flown", "2013-01-01", "149", "99.90", "04:30:00.125",
        "2013-01-01 05:15:00", "2013-01-01 10:17:00.25+00", "{early,full}", "30.00", "{0.5,0.25}", "pilot", "B",
        "tower",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "NULL"}, "null value"),
        ({"state": "'late'"}, "invalid input value for enum"),
        ({"seats": "32768"}, "out of range"),
        ({"hall": "NULL"}, "departures_gate_check"),
    ],
)
def test_what_the_contract_refuses_the_table_does_too(table: Ask, change: dict[str, str], words: str) -> None:
    asked = table(f"BEGIN; {INSERT.format(**(GOOD | change))} ROLLBACK;")
    assert asked.returncode != 0
    assert words in asked.stderr


def test_ranges_of_types_that_it_does_not_have_are_checks(table: Ask) -> None:
    assert table(f"BEGIN; {INSERT.format(**GOOD)} UPDATE departures SET level = 255; ROLLBACK;").returncode == 0
    asked = table(f"BEGIN; {INSERT.format(**GOOD)} UPDATE departures SET level = 256; ROLLBACK;")
    assert "departures_level_check" in asked.stderr
