"""Which family of errors an answer belongs to, and how server-sent events are read. Pure."""

from __future__ import annotations

import pytest

from hansa.client.problem import error_of
from hansa.client.stream import ServerEvent, server_events
from hansa.errors import AuthorError, CallerError, HansaError, InternalError, OperatorError, PlanError, Unavailable


@pytest.mark.parametrize(
    ("status", "document", "family"),
    [
        (400, {}, CallerError),
        (401, {}, CallerError),
        (409, {}, CallerError),
        (422, {}, AuthorError),
        (422, {"findings": [{}]}, PlanError),
        (429, {}, Unavailable),
        (500, {}, InternalError),
        (500, {"origin": "clean"}, AuthorError),
        (503, {}, Unavailable),
        (507, {}, OperatorError),
    ],
)
def test_the_family_says_who_must_act(status: int, document: dict[str, object], family: type[HansaError]) -> None:
    assert type(error_of(status, document)) is family


@pytest.mark.parametrize("body", [None, [], "text", {"code": None}])
def test_a_body_of_any_shape_is_an_error_with_the_status(body: object) -> None:
    error = error_of(404, body)
    assert (error.code, error.message, error.hint) == ("http.404", "Not Found", None)
    assert error_of(499, body).message == "The server answered 499"


def test_events_end_at_an_empty_line() -> None:
    lines = [": comment", "event: a", "id: 7", "data: one", "data:two", "", "data: three", "", "", "data: cut off"]
    assert list(server_events(lines)) == [ServerEvent("a", "one\ntwo", "7"), ServerEvent("message", "three", "7")]
