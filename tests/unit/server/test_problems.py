"""Errors over HTTP: the status of each, and the problem document with what its reader can use."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hansa.errors import AuthorError, CallerError, HansaError, InternalError, OperatorError, PlanError, Unavailable
from hansa.server.answers import problem_answer
from hansa.server.problems import problem, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CallerError("access.unauthenticated", "m"), 401),
        (CallerError("access.denied", "m"), 403),
        (CallerError("body.not_json", "m"), 400),
        (CallerError("route.method", "m"), 405),
        (CallerError("position.expired", "m"), 410),
        (CallerError("run.unknown", "m"), 404),
        (CallerError("token.exists", "m"), 409),
        (PlanError("route.taken", "m"), 409),
        (CallerError("upload.too_large", "m"), 413),
        (CallerError("query.malformed", "m"), 400),
        (AuthorError("lookup.key", "m"), 422),
        (AuthorError("lookup.unknown", "m"), 422),
        (OperatorError("connection.unknown", "m"), 500),
        (Unavailable("run.queue_full", "m"), 503),
        (Unavailable("log.unknown", "m"), 503),
        (OperatorError("disk.full", "m"), 507),
        (OperatorError("settings.wrong", "m"), 500),
        (InternalError("log.damaged", "m"), 500),
    ],
)
def test_the_status_goes_by_code_then_reason_then_family(error: HansaError, status: int) -> None:
    assert status_of(error) == status


@pytest.mark.parametrize(("told", "status"), [(418, 418), (200, 404), ("418", 404)])
def test_a_status_that_the_error_carries_wins_where_it_is_one_of_an_error(told: Any, status: int) -> None:
    assert status_of(CallerError("run.unknown", "m", details={"status": told})) == status


def test_the_document_says_what_happened_and_what_to_do() -> None:
    errors = [{"path": "body.x", "code": "field.type", "message": "bad"}]
    error = CallerError("input.invalid", "body.x: bad", hint="Look", details={"errors": errors, "inner": 1})
    assert problem(error, run="018f-12") == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "body.x: bad",
        "code": "input.invalid",
        "trace_id": "018f12",
        "hint": "Look",
        "errors": errors,
        "run": "018f-12",
    }


def test_what_there_is_nothing_of_is_left_out() -> None:
    found = problem(CallerError("run.unknown", "m"))
    assert found.keys() == {"type", "title", "status", "detail", "code", "trace_id", "errors"}
    assert found["errors"] == []


def test_a_trace_of_the_caller_is_told_in_place_of_the_run() -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    error = CallerError("run.unknown", "m")
    assert problem(error, run="r", trace=f"00-{trace}-00f067aa0ba902b7-01")["trace_id"] == trace
    assert problem(error, run="r", trace="no trace")["trace_id"] == "r"


def test_every_problem_has_a_trace_of_its_own() -> None:
    traces = {problem(CallerError("run.unknown", "m"))["trace_id"] for _ in range(3)}
    assert len(traces) == 3
    assert all(len(trace) == 32 for trace in traces)


def test_a_wrong_method_names_the_right_ones() -> None:
    headers = sent(CallerError("route.method", "m", details={"methods": ["GET", "POST"]}))[1]
    assert headers[b"allow"] == b"GET, POST"


def sent(error: HansaError, run: str = "") -> tuple[int, dict[bytes, bytes], dict[str, Any]]:
    status, lines, body = problem_answer(error, run)
    headers = dict(lines)
    assert headers[b"content-length"] == str(len(body)).encode()
    assert headers[b"content-type"] == b"application/problem+json"
    return status, headers, msgspec.json.decode(body)


def test_a_response_carries_the_document_and_its_run() -> None:
    status, headers, document = sent(CallerError("run.unknown", "No such run ü"), "r1")
    assert (status, headers[b"hansa-run"], document["detail"]) == (404, b"r1", "No such run ü")
    assert not headers.keys() & {b"www-authenticate", b"retry-after"}


def test_who_has_no_token_is_told_which_kind_to_bring() -> None:
    assert sent(CallerError("access.unauthenticated", "m"))[1][b"www-authenticate"] == b"Bearer"


@pytest.mark.parametrize("error", [Unavailable("log.stopped", "m"), OperatorError("disk.full", "m")])
def test_who_may_try_again_is_told_when(error: HansaError) -> None:
    assert sent(error)[1][b"retry-after"] == b"1"
