"""The examples of LOC, the system that Hansa starts from, as products: they give the results of its documentation."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from server import Server, running

HERE = Path(__file__).parent
PRODUCTS = (
    "loc.hello_world",
    "loc.hello_name",
    "tutorial.greeting",
    "loc.interest",
    "loc.railway",
    "loc.data_service",
    "insurance.policies",
    "loc.system_lineage",
)


class Echo(BaseHTTPRequestHandler):
    """A service that answers each call with the method and path that it got."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.dumps({"method": self.command, "path": self.path}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def echo_service() -> Iterator[str]:
    """The URL of an echo service for the length of a block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as service:
        thread = threading.Thread(target=service.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{service.server_port}"
        service.shutdown()
        thread.join()


def connections(echo: str) -> dict[str, Any]:
    service = {"type": "http", "url": echo}
    return {
        "products": {
            "loc.data_service": {"db": {"type": "sql", "url": "sqlite:///logs.db"}},
            "loc.system_lineage": {"billing": service, "shipping": service},
        }
    }


@pytest.fixture(scope="module")
def loc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running Hansa with all of LOC's examples."""
    data = tmp_path_factory.mktemp("loc") / "data"
    with echo_service() as echo, running(data) as server:
        (data / "connections.yaml").write_text(json.dumps(connections(echo)))
        for product in PRODUCTS:
            server.deploy(HERE / product.partition(".")[2], product)
        migrated = {"process": "migrate", "state": "succeeded"}
        assert server.until(lambda: server.runs(product="loc.data_service", **migrated))
        yield server


def started(server: Server, process: str, payload: Any = None) -> Any:
    """The answer of a process that is started by hand."""
    return server.call("POST", f"/processes/{process}/runs", payload)


def states(run: dict[str, Any]) -> list[tuple[str, str]]:
    return [(logic["name"], logic["state"]) for logic in run["logic"]]


# 1. Hello World


def test_hello_world_is_said_without_any_input(loc: Server) -> None:
    answer = started(loc, "loc.hello_world:hello")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "run": answer.headers["hansa-run"], "message": "Hello World!"}


# 2. Hello with a name


@pytest.mark.parametrize(
    ("body", "message"), [({"name": "Arthur Dent"}, "Hello, Arthur Dent!"), (None, "Hello, World!")]
)
def test_hello_is_said_to_who_calls(loc: Server, body: Any, message: str) -> None:
    assert loc.call("POST", "/loc/hello_name/hello", body).json() == {"message": message}


def test_a_schedule_cannot_be_greeted_and_fails(loc: Server) -> None:
    found = loc.until(lambda: loc.runs(product="loc.hello_name", trigger="schedule", state="failed"))
    run = loc.call("GET", f"/runs/{found[0]['id']}").json()
    assert states(run) == [("parse", "failed"), ("greet", "skipped"), ("reply", "skipped")]
    assert run["error"]["origin"] == "parse"
    assert "A schedule is no caller to greet" in run["error"]["message"]


# 3. A greeting behind a route, with a shared module


def test_a_greeting_is_encapsulated(loc: Server) -> None:
    answer = loc.call("POST", "/tutorial/greeting", {"name": "Arthur Dent"})
    told = answer.json()
    assert (answer.status_code, told["_status"], told["_metadata"]["trigger"]) == (200, 200, "http")
    assert told["data"] == {"message": "Greetings, Arthur Dent!"}


def test_what_is_no_person_is_refused(loc: Server) -> None:
    answer = started(loc, "tutorial.greeting:greet", ["Arthur Dent"])
    assert (answer.status_code, answer.json()["code"]) == (422, "input.invalid")


# 4. The interest calculator

LOAN = {"principle": 10000, "interest": 0.06, "months": 36}


@pytest.mark.parametrize(
    ("kind", "amount"),
    [({}, 11800), ({"type": "compound"}, 11966.805248234146), ({"type": "usurious"}, None)],
)
def test_a_loan_amounts_to(loc: Server, kind: dict[str, str], amount: float | None) -> None:
    told = loc.call("POST", "/loc/interest/calculate", LOAN | kind).json()
    assert told == {"amount": pytest.approx(amount, abs=1e-9) if amount else None}


# 5. The railway

STATIONS = ("first", "second", "third", "finish")


def in_order(server: Server, query: str) -> list[dict[str, Any]]:
    """The events, the first first."""
    return server.events(query)[::-1]


def journey(server: Server, **request: str) -> tuple[Any, dict[str, Any]]:
    answer = server.call("POST", "/loc/railway/journeys", request)
    return answer, server.run(answer)


def stations(server: Server, run: dict[str, Any], event: str) -> list[str]:
    """The stations of the events of that name, in order."""
    return [found["target"] for found in in_order(server, f'name="{event}" and run="{run["id"]}"')]


def test_without_an_error_every_logic_runs(loc: Server) -> None:
    answer, run = journey(loc)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert states(run) == [(station, "succeeded") for station in STATIONS]
    assert stations(loc, run, "station.passed") == list(STATIONS)


@pytest.mark.parametrize("raising", STATIONS)
def test_from_the_logic_that_raises_on_only_the_handlers_run(loc: Server, raising: str) -> None:
    answer, run = journey(loc, raises=raising)
    at = STATIONS.index(raising)
    expected = ["succeeded"] * at + ["failed"] + ["handled"] * (len(STATIONS) - at - 1)
    assert states(run) == list(zip(STATIONS, expected, strict=True))
    told = {"status": "error", "message": answer.json()["message"], "origin": raising, "revision": run["revision"]}
    assert (answer.status_code, answer.json()) == (500, told)
    assert f"derailed at {raising}" in told["message"]
    assert stations(loc, run, "station.passed") == []
    assert stations(loc, run, "station.handled") == list(STATIONS[at:])


@pytest.mark.parametrize(
    ("raising", "again", "expected"),
    [
        ("second", "second", ["succeeded", "failed", "skipped", "skipped"]),
        ("second", "third", ["succeeded", "failed", "failed", "skipped"]),
        ("second", "finish", ["succeeded", "failed", "handled", "failed"]),
    ],
)
def test_a_handler_that_raises_ends_the_run(loc: Server, raising: str, again: str, expected: list[str]) -> None:
    answer, run = journey(loc, raises=raising, on_error_raises=again)
    assert states(run) == list(zip(STATIONS, expected, strict=True))
    assert (run["state"], run["result"]) == ("failed", None)
    assert answer.headers["content-type"] == "application/problem+json"
    assert f"derailed again at {again}" in answer.json()["detail"]
    assert stations(loc, run, "station.handled") == []


# 6. The REST service on a database

LOGS = ["Life, Universe and Everything", "42", "Don't Panic"]
LOGS_URL = "/loc/data_service/v1/logs"


def test_logs_are_written_and_read_newest_first(loc: Server) -> None:
    written = loc.call("POST", LOGS_URL, {"logs": LOGS})
    assert written.status_code == 201
    assert written.json() | {"timestamp": ""} == {
        "status": "ok",
        "statusCode": 201,
        "timestamp": "",
        "result": {"affectedRowCount": 3},
    }
    read = loc.call("GET", LOGS_URL, params={"limit": "3"}).json()["result"]
    assert (read["logCount"], [log["message"] for log in read["logs"]]) == (3, LOGS[::-1])
    assert loc.call("GET", LOGS_URL, params={"limit": "1"}).json()["result"]["logCount"] == 1


def test_an_empty_list_of_logs_is_refused(loc: Server) -> None:
    answer = loc.call("POST", LOGS_URL, {"logs": []})
    assert (answer.status_code, answer.json()["code"]) == (400, "logs.empty")


@contextmanager
def without_table(database: Path) -> Iterator[None]:
    """A block in which the database has no table of logs."""
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("ALTER TABLE logs RENAME TO hidden")
        yield
        db.execute("ALTER TABLE hidden RENAME TO logs")


def test_a_database_that_fails_is_told_with_its_place(loc: Server) -> None:
    with without_table(loc.data / "logs.db"):
        answer = loc.call("GET", LOGS_URL)
    told = answer.json()
    assert (answer.status_code, told["statusCode"]) == (500, 500)
    assert told["error"]["name"].startswith("connection.")
    assert "no such table" in told["error"]["message"]
    assert "db.query(LATEST" in told["error"]["stack"]
    assert told["task"] == {"run": answer.headers["hansa-run"], "process": "list", "logic": "read"}


# 10 and 11. Applications for policies, and their assignment by a second process


def application(request: str, policy: str, applicant: str) -> dict[str, str]:
    return {"requestID": request, "policyCode": policy, "applicantID": applicant}


APPLICATIONS = [
    application("R0042", "P100", "A1979"),
    application("R0043", "P300", "A1982"),
    application("R0044", "P500", "A1982"),
]


@pytest.fixture(scope="module")
def applied(loc: Server) -> Any:
    """The answer to the three applications, when all of them are assigned."""
    answer = loc.call("POST", "/insurance/policies/applications", APPLICATIONS)
    assert loc.until(lambda: len(assignments(loc, *(a["requestID"] for a in APPLICATIONS))) == 3)
    return answer


def assignments(server: Server, *requests: str) -> list[tuple[str, str]]:
    """(request, agent) of every assignment of the requests."""
    events = server.events('name="EventAssignAgent"')
    return sorted((event["source"], event["target"]) for event in events if event["source"] in requests)


def edges(server: Server, node: str, direction: str, **query: Any) -> set[tuple[str, str, str]]:
    """(source, target, event) of the event edges around a node."""
    found = server.call("GET", "/lineage", params={"node": node, "direction": direction, **query}).json()
    return {(edge["source"], edge["target"], edge["name"]) for edge in found["edges"] if edge["kind"] == "event"}


def test_each_application_is_an_event(loc: Server, applied: Any) -> None:
    assert applied.json() == {"emitted_length": 3}
    events = in_order(loc, f'name="EventPolicyRequest" and run="{applied.headers["hansa-run"]}"')
    assert [(event["source"], event["target"], event["payload"]["policy"]) for event in events] == [
        ("A1979", "R0042", "P100"),
        ("A1982", "R0043", "P300"),
        ("A1982", "R0044", "P500"),
    ]


def test_an_applicant_leads_to_the_requests(loc: Server, applied: Any) -> None:
    assert edges(loc, "A1982", "down", depth=1) == {
        ("A1982", "R0043", "EventPolicyRequest"),
        ("A1982", "R0044", "EventPolicyRequest"),
    }


def test_each_request_is_assigned_to_its_agent(loc: Server, applied: Any) -> None:
    assert assignments(loc, "R0042", "R0043", "R0044") == [
        ("R0042", "Trillian"),
        ("R0043", "Marvin"),
        ("R0044", "Trillian"),
    ]


def test_lineage_joins_the_events_of_both_processes(loc: Server, applied: Any) -> None:
    path = {("A1979", "R0042", "EventPolicyRequest"), ("R0042", "Trillian", "EventAssignAgent")}
    assert path <= edges(loc, "A1979", "down", depth=2)
    assert path <= edges(loc, "Trillian", "up", depth=2)


def test_requests_and_their_assignments_form_a_pattern(loc: Server, applied: Any) -> None:
    query = {
        "steps": ['name="EventPolicyRequest"', 'name="EventAssignAgent"'],
        "sharing": [["target", "source"]],
    }
    found = loc.call("POST", "/events/patterns", query).json()["sequences"]
    assert {"R0042", "R0043", "R0044"} <= {sequence["keys"][0] for sequence in found}


def test_a_request_that_comes_again_is_not_assigned_again(loc: Server) -> None:
    again, behind = application("R0099", "P200", "A2001"), application("R0100", "P100", "A2002")
    for applications in ([again], [again], [behind]):
        loc.call("POST", "/insurance/policies/applications", applications).raise_for_status()
    assert loc.until(lambda: assignments(loc, "R0100")) == [("R0100", "Trillian")]
    assert assignments(loc, "R0099") == [("R0099", "Marvin")]


# 15. System lineage


def test_every_call_to_the_outside_is_known_with_its_logic(loc: Server) -> None:
    answer = loc.call("POST", "/loc/system_lineage/orders", {"id": "17"})
    assert answer.json()["parcel"] == {"method": "POST", "path": "/parcels"}
    run = loc.run(answer)
    assert states(run) == [
        ("invoice", "succeeded"),
        ("ship", "succeeded"),
        ("confirm", "succeeded"),
        ("reply", "succeeded"),
    ]
    assert [(logic, connection) for logic, connection, *_ in run["uses"]] == [
        ("invoice", "billing"),
        ("ship", "shipping"),
        ("confirm", "billing"),
        ("confirm", "shipping"),
    ]


def test_the_lineage_of_a_process_has_its_connections(loc: Server) -> None:
    loc.call("POST", "/loc/system_lineage/orders", {"id": "18"}).raise_for_status()
    found = loc.call("GET", "/lineage", params={"node": "loc.system_lineage:order", "direction": "down"}).json()
    assert {edge["target"] for edge in found["edges"] if edge["kind"] == "use"} == {
        "connection:loc.system_lineage/billing",
        "connection:loc.system_lineage/shipping",
    }
