"""One answer out of several runs: the gravest status, and no result lost."""

from __future__ import annotations

from typing import Any

import msgspec

from hansa.model.run import RunError, RunState
from hansa.runtime.run import Answer
from hansa.server.merge import encapsulated, merged, rfc3339


def answer(value: Any = None, status: int = 200, **changes: Any) -> Answer:
    told: dict[str, Any] = {"run": "r", "state": RunState.SUCCEEDED, "content_type": "application/json", **changes}
    return Answer(status=status, result=b"" if value is None else msgspec.json.encode(value), **told)


FAILED = RunError("logic.raised", "ValueError: no")


def test_the_gravest_status_counts() -> None:
    assert merged([("a", answer({}, 200)), ("b", answer({}, 500)), ("c", answer({}, 206))])[0] == 500


def test_one_result_stays_as_it_is() -> None:
    assert merged([("a", answer([1, 2]))]) == (200, [1, 2])


def test_objects_are_merged_key_by_key_and_clashes_kept_by_process() -> None:
    named = [("a", answer({"left": 1, "both": "l", "same": 0})), ("b", answer({"right": 2, "both": "r", "same": 0}))]
    assert merged(named)[1] == {"left": 1, "both": {"a": "l", "b": "r"}, "same": 0, "right": 2}


def test_a_key_that_some_do_not_have_clashes_only_among_those_that_do() -> None:
    named = [("a", answer({"x": 1})), ("b", answer({})), ("c", answer({"x": 2}))]
    assert merged(named)[1] == {"x": {"a": 1, "c": 2}}


def test_what_is_no_object_stands_under_the_names_of_its_process() -> None:
    named = [("a", answer({"x": 1})), ("b", answer("text", content_type="text/plain")), ("c", answer())]
    assert merged(named)[1] == {"a": {"x": 1}, "b": '"text"', "c": None}


def test_an_error_stands_in_place_of_the_result() -> None:
    named = [("a", answer({"x": 1})), ("b", answer(None, 500, state=RunState.FAILED, error=FAILED))]
    assert merged(named) == (500, {"x": 1, "error": {"code": "logic.raised", "message": "ValueError: no"}})


def test_the_encapsulated_form_tells_of_all_runs() -> None:
    answers = [
        answer({}, run="r1", accepted_us=2_000_000, finished_us=3_000_000),
        answer({}, run="r2", accepted_us=1_000_000, finished_us=4_500_000, state=RunState.FAILED, error=FAILED),
    ]
    assert encapsulated(500, {"x": 1}, answers, "http") == {
        "_status": 500,
        "_metadata": {
            "run": "r1",
            "runs": ["r1", "r2"],
            "trigger": "http",
            "state": "failed",
            "accepted_at": "1970-01-01T00:00:01Z",
            "finished_at": "1970-01-01T00:00:04.500000Z",
            "errors": [{"run": "r2", "code": "logic.raised", "message": "ValueError: no"}],
        },
        "data": {"x": 1},
    }


def test_the_whole_succeeded_where_every_run_did() -> None:
    found = encapsulated(200, None, [answer(), answer()], "http")["_metadata"]
    assert (found["state"], found["errors"]) == ("succeeded", [])


def test_times_are_in_utc() -> None:
    assert rfc3339(1_700_000_000_123_456) == "2023-11-14T22:13:20.123456Z"
