"""The example mesh on a real server, against the same figures computed from the files."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mesh_figures import Figures, Row, rows
from server import Server, running

MESH: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[2] / "examples" / "mesh.py"))
DEPARTURES = "operations.flights/departures@1"
HOURLY = "weather.stations/hourly@1"
JOINED = "analytics.departure_weather/departure_weather@1"
LOAD_S = 180.0
FLIGHTS = 336_776
LATE_HOUR = {"origin": "JFK", "hour_at": "2013-01-01T17:00:00Z"}
"""An hour that is missing in the files; the station reports it after the flights were joined."""
LATE_REPORT = {**LATE_HOUR, "temp_f": 39.0, "precipitation_in": 0, "visibility_mi": 10}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The running mesh, with every flight joined and counted, and one hour's weather reported late."""
    with running(tmp_path_factory.mktemp("mesh") / "data") as server:
        for person in MESH["PEOPLE"]:
            server.call("POST", "/people", person).raise_for_status()
        for product in MESH["PRODUCTS"]:
            server.deploy(MESH["folder_of"](product), product)
        for domain in MESH["DOMAINS"]:
            server.call("POST", "/domains", domain).raise_for_status()
        assert server.until(lambda: counted(server) == FLIGHTS, LOAD_S), counted(server)
        assert server.until(lambda: shows_everything(server), LOAD_S)
        server.call("POST", "/weather/stations/hours", [LATE_REPORT]).raise_for_status()
        yield server


def counted(server: Server) -> int:
    """The flights in the outlooks of all airports."""
    answers = [server.call("GET", f"/analytics/outlook/airports/{origin}") for origin in ("EWR", "JFK", "LGA")]
    return sum(answer.json()["flights"] for answer in answers if answer.status_code == 200)


def shows_everything(server: Server) -> bool:
    """True when the lookup of joined flights has caught up with the log; until then it says that it is behind."""
    return (
        server.call("GET", f"/ports/{JOINED}/lookup", params={"flight_id": "UA1545-EWR-2013-01-01"}).status_code == 200
    )


def end_of(server: Server, port: str) -> int:
    """How many records the port has had."""
    return sum(bound["end"] for bound in server.call("GET", f"/ports/{port}").json()["bounds"].values())


def found(server: Server, port: str, **key: str) -> dict[str, Any]:
    """The latest record of a key."""
    answer = server.call("GET", f"/ports/{port}/lookup", params=key)
    answer.raise_for_status()
    record: dict[str, Any] = answer.json()["record"]
    return record


def is_late(flight: Row) -> bool:
    return (flight["origin"], flight["time_hour"]) == (LATE_HOUR["origin"], LATE_HOUR["hour_at"])


def joined(server: Server, flight: Row) -> Any:
    """The flight as the mesh has joined it."""
    date = f"{flight['year']}-{flight['month']:0>2}-{flight['day']:0>2}"
    flight_id = f"{flight['carrier']}{flight['flight']}-{flight['origin']}-{date}"
    return found(server, JOINED, flight_id=flight_id)


@pytest.mark.parametrize(
    ("port", "file", "reported"),
    [
        ("reference.carriers/airlines@1", "airlines.csv", 0),
        ("reference.airports/airports@1", "airports.csv", 0),
        ("reference.aircraft/planes@1", "planes.csv", 0),
        (HOURLY, "weather.csv", 1),
    ],
)
def test_every_row_of_a_file_and_every_report_is_a_record(mesh: Server, port: str, file: str, reported: int) -> None:
    assert end_of(mesh, port) == sum(1 for _ in rows(file)) + reported


def test_every_flight_is_a_record(mesh: Server, figures: Figures) -> None:
    assert end_of(mesh, DEPARTURES) == len(figures.flights) == FLIGHTS


def test_reference_data_is_looked_up_by_its_key(mesh: Server) -> None:
    assert found(mesh, "reference.carriers/airlines@1", carrier="UA")["name"] == "United Air Lines Inc."
    assert found(mesh, "reference.airports/airports@1", code="JFK")["altitude_ft"] == 13
    assert found(mesh, "reference.aircraft/planes@1", tail_number="N14228")["built_year"] == 1999


def test_the_first_flight_has_the_weather_of_its_hour(mesh: Server, figures: Figures) -> None:
    first = figures.flights[0]
    record = joined(mesh, first)
    assert record["weather"] == "known"
    assert record["temp_f"] == float(figures.temperatures[first["origin"], first["time_hour"]])


def test_flights_in_hours_without_weather_are_there_without_it(mesh: Server, figures: Figures) -> None:
    assert len(figures.without_weather) == 1556
    for flight in [flight for flight in figures.without_weather if not is_late(flight)][::75]:
        record = joined(mesh, flight)
        assert (record["weather"], record["temp_f"]) == ("missing", None)


def corrected(server: Server, flights: list[Row]) -> bool:
    """True when every one of the flights has the weather that came late. Does not wait for the schedule."""
    server.call("POST", "/processes/analytics.departure_weather:correct/runs", []).raise_for_status()
    records = [joined(server, flight) for flight in flights]
    return all((record["weather"], record["temp_f"]) == ("late", LATE_REPORT["temp_f"]) for record in records)


def test_flights_get_the_weather_that_comes_late(mesh: Server, figures: Figures) -> None:
    late = [flight for flight in figures.flights if is_late(flight)]
    assert late
    assert mesh.until(lambda: corrected(mesh, late))


def test_the_outlook_of_every_airport_is_exact(mesh: Server, figures: Figures) -> None:
    for origin, expected in figures.airports.items():
        outlook = mesh.call("GET", f"/analytics/outlook/airports/{origin.lower()}").json()
        assert (outlook["origin"], outlook["flights"]) == (origin, expected.flights)
        assert outlook["cancelled"] == expected.flights - len(expected.delays)
        assert outlook["mean_delay_min"] == pytest.approx(expected.mean_delay_min)
        assert outlook["median_delay_min"] == expected.median_delay_min
        assert outlook["late_share"] == pytest.approx(expected.late_share)


def unknown(server: Server) -> int:
    """The flights whose temperature is unknown, at all airports."""
    outlooks = [server.call("GET", f"/analytics/outlook/airports/{origin}").json() for origin in ("EWR", "JFK", "LGA")]
    return sum(band["flights"] for outlook in outlooks for band in outlook["bands"] if band["band"] == "unknown")


def test_a_flight_whose_weather_came_late_is_counted_once(mesh: Server, figures: Figures) -> None:
    late = [flight for flight in figures.flights if is_late(flight)]
    without = [f for f in figures.flights if figures.temperatures.get((f["origin"], f["time_hour"]), "NA") == "NA"]
    assert mesh.until(lambda: corrected(mesh, late))
    assert mesh.until(lambda: unknown(mesh) == len(without) - len(late))
    assert counted(mesh) == FLIGHTS


def test_an_unknown_airport_is_not_found(mesh: Server) -> None:
    answer = mesh.call("GET", "/analytics/outlook/airports/XYZ")
    assert (answer.status_code, answer.json()["code"]) == (404, "outlook.unknown")


def test_a_snapshot_is_published_with_events(mesh: Server, figures: Figures) -> None:
    answer = mesh.call("POST", "/processes/analytics.outlook:publish/runs")
    assert answer.json() == {"published": 3}
    events = mesh.events(f'name="outlook.published" and run="{answer.headers["hansa-run"]}"')
    assert {event["source"]: event["payload"]["flights"] for event in events} == {
        f"airport {origin}": airport.flights for origin, airport in figures.airports.items()
    }


def test_lineage_leads_from_the_outlook_back_to_the_sources(mesh: Server) -> None:
    query = {"node": "analytics.outlook/outlooks@1", "direction": "up", "depth": 8}
    found = mesh.call("GET", "/lineage", params=query).json()
    assert {DEPARTURES, HOURLY, JOINED} <= {node["id"] for node in found["nodes"]}


def test_the_date_in_utc_gives_duplicates_and_the_local_one_none(figures: Figures) -> None:
    departed = [flight for flight in figures.flights if flight["dep_time"] != "NA"]
    assert figures.duplicates_in_utc(figures.flights) == 1108
    assert figures.duplicates_in_utc(departed) == 1055
    assert figures.duplicates_in_local_time(figures.flights) == 0
