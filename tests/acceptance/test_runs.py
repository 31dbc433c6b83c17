"""What a run does, over HTTP: input, answer, history, railway, retries, dead letters, replay, cancel, idempotency."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from server import Server

ROOT = "/lab/bench"


def test_a_call_is_answered_and_kept(bench: Server) -> None:
    answer = bench.call("POST", f"{ROOT}/sums", {"left": 2, "right": 3})
    assert answer.status_code == 201
    assert answer.json() == {"sum": 5, "place": "here"}
    assert answer.headers["x-place"] == "here"
    run = bench.run(answer)
    assert run["state"] == "succeeded"
    assert run["payload"]["body"] == {"left": 2, "right": 3}
    assert run["result"] == {"sum": 5, "place": "here"}
    assert [(logic["name"], logic["state"]) for logic in run["logic"]] == [
        ("add", "succeeded"),
        ("created", "succeeded"),
    ]
    assert run["output"] == "adding 2 3\n"
    assert run["principal"] == "admin"
    assert run["revision"] == bench.call("GET", "/products/lab.bench").json()["revision"]


def test_credentials_are_not_kept(bench: Server) -> None:
    answer = bench.call("POST", f"{ROOT}/sums", {"left": 2})
    assert bench.token not in bench.call("GET", f"/runs/{answer.headers['hansa-run']}").text


def test_settings_path_and_query(bench: Server) -> None:
    answer = bench.call("POST", f"{ROOT}/places/berlin/sums", {"left": 2}, params={"limit": "5"})
    assert answer.status_code == 201
    told = answer.json()
    assert told["data"] == {"sum": 3, "place": "there"}
    assert told["_status"] == 201
    assert told["_metadata"]["state"] == "succeeded"


@pytest.mark.parametrize(
    ("body", "params", "paths"),
    [
        ({"right": 3}, {}, ["body.left"]),
        ({"left": "x"}, {}, ["body.left"]),
        ({"left": 1}, {"limit": "many"}, ["query.limit"]),
        (None, {}, ["body"]),
    ],
)
def test_input_that_does_not_fit(bench: Server, body: Any, params: dict[str, str], paths: list[str]) -> None:
    answer = bench.call("POST", f"{ROOT}/sums", body, params=params)
    assert answer.status_code == 422
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "input.invalid"
    assert [error["path"] for error in problem["errors"]] == paths


def test_a_body_that_is_not_json(bench: Server) -> None:
    answer = bench.http.post(f"{ROOT}/sums", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "body.not_json")


def test_a_problem_is_an_answer(bench: Server) -> None:
    answer = bench.call("POST", f"{ROOT}/sums", {"left": -1})
    assert (answer.status_code, answer.json()["code"], answer.json()["hint"]) == (
        400,
        "sum.negative",
        "Use a number from 0 on.",
    )
    assert bench.run(answer)["state"] == "succeeded"


def test_an_error_shows_the_authors_frames(bench: Server) -> None:
    answer = bench.call("POST", f"{ROOT}/sums", {"left": 5000})
    assert (answer.status_code, answer.json()["code"]) == (500, "logic.raised")
    run = bench.run(answer)
    assert (run["state"], run["dead"]) == ("failed", True)
    assert run["error"]["origin"] == "add"
    assert run["error"]["traceback"].startswith("product.py:")
    assert "hansa/runtime" not in run["error"]["traceback"]


def test_unknown_routes_and_methods(bench: Server) -> None:
    assert bench.call("GET", f"{ROOT}/nothing").json()["code"] == "route.unknown"
    wrong = bench.call("DELETE", f"{ROOT}/sums")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "route.method")


def test_without_a_token(bench: Server) -> None:
    answer = bench.http.post(f"{ROOT}/sums", json={"left": 1}, headers={"authorization": ""})
    assert (answer.status_code, answer.json()["code"]) == (401, "access.unauthenticated")


def test_an_asynchronous_call(bench: Server) -> None:
    answer = bench.call("POST", f"{ROOT}/later", {"left": 1, "right": 1})
    assert answer.status_code == 202
    result = bench.until(lambda: (r := bench.http.get(answer.json()["result"])).status_code == 200 and r)
    assert result.json() == {"sum": 2}


def test_a_call_that_takes_longer_than_it_waits(bench: Server) -> None:
    answer = bench.call(
        "POST", f"{ROOT}/misbehave", {"seconds": 0.5}, params={"how": "slow"}, headers={"prefer": "respond-async"}
    )
    assert answer.status_code == 202
    assert bench.http.get(f"/runs/{answer.json()['run']}/result").status_code == 202
    result = bench.until(lambda: (r := bench.http.get(answer.json()["result"])).status_code == 200 and r)
    assert result.json() == {"slept": 0.5}


def test_an_idempotency_key_is_used_once(bench: Server) -> None:
    head = {"idempotency-key": "once"}
    first = bench.call("POST", f"{ROOT}/counter", headers=head)
    second = bench.call("POST", f"{ROOT}/counter", headers=head)
    assert first.json() == second.json()
    assert first.headers["hansa-run"] == second.headers["hansa-run"]


def test_an_idempotency_key_is_used_once_whatever_is_journalled_before(bench: Server) -> None:
    head = {"idempotency-key": "once, with steps"}
    first = bench.call("POST", f"{ROOT}/steps", {"n": 1}, headers=head)
    second = bench.call("POST", f"{ROOT}/steps", {"n": 1}, headers=head)
    assert (first.json(), first.headers["hansa-run"]) == (second.json(), second.headers["hansa-run"])


def test_state_is_changed_by_one_run_at_a_time(bench: Server) -> None:
    answers: list[int] = []

    def call() -> None:
        for _ in range(10):
            answers.append(bench.call("POST", f"{ROOT}/counter").json()["counter"])

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 40
    assert max(answers) - min(answers) == 39


def test_retries_end_as_a_dead_letter_that_can_be_replayed(bench: Server) -> None:
    answer = bench.call("POST", f"{ROOT}/again", {"left": 5000})
    assert answer.status_code == 500
    run = bench.run(answer)
    assert (run["attempt"], run["state"], run["dead"]) == (3, "failed", True)
    assert run["id"] in [item["id"] for item in bench.http.get("/dead_letters").json()["items"]]
    replayed = bench.call("POST", f"/runs/{run['id']}/replay", {})
    assert replayed.status_code == 500
    assert replayed.headers["hansa-run"] == run["id"]
    assert bench.run(replayed)["attempt"] == 4


def test_a_replay_of_a_success_is_dry(bench: Server) -> None:
    before = bench.records("lab.bench/numbers@1")
    put = bench.call("PUT", f"{ROOT}/numbers", [{"name": "replayed", "value": 1}])
    replayed = bench.call("POST", f"/runs/{put.headers['hansa-run']}/replay", {})
    assert replayed.status_code == 200
    run = bench.run(replayed)
    assert (run["dry"], run["replay_of"]) == (True, put.headers["hansa-run"])
    assert len(bench.records("lab.bench/numbers@1")) == len(before) + 1
    again = bench.call("POST", f"/runs/{put.headers['hansa-run']}/replay", {"publish": True})
    assert bench.run(again)["writes"] == [{"port": "lab.bench/numbers@1", "records": 1}]
    assert len(bench.records("lab.bench/numbers@1")) == len(before) + 2


def test_a_run_is_cancelled(bench: Server) -> None:
    answer = bench.call(
        "POST", f"{ROOT}/misbehave", {"seconds": 0.9}, params={"how": "slow"}, headers={"prefer": "respond-async"}
    )
    run_id = answer.json()["run"]
    time.sleep(0.1)
    cancelled = bench.call("POST", f"/runs/{run_id}/cancel")
    assert cancelled.json()["state"] == "cancelled"
    assert bench.call("POST", f"/runs/{run_id}/cancel").json()["code"] == "run.finished"
    assert bench.http.get(f"/runs/{run_id}/result").status_code == 500


def test_at_most_one_at_a_time(bench: Server) -> None:
    begun = time.monotonic()
    answers = [
        bench.call(
            "POST", f"{ROOT}/single", {"seconds": 0.2}, params={"how": "slow"}, headers={"prefer": "respond-async"}
        )
        for _ in range(3)
    ]
    for answer in answers:
        bench.until(lambda a=answer: bench.http.get(a.json()["result"]).status_code == 200)
    assert time.monotonic() - begun >= 0.6


def test_the_railway(bench: Server) -> None:
    answer = bench.call("POST", f"{ROOT}/rail", 1)
    assert answer.json() == {"code": "logic.raised", "message": "RuntimeError: derailed", "origin": "railed_2"}
    run = bench.run(answer)
    assert [(logic["name"], logic["state"]) for logic in run["logic"]] == [
        ("railed", "succeeded"), ("railed_2", "failed"), ("railed_3", "handled"), ("told", "handled"),
    ]  # fmt: skip
    assert run["events"] == 2
    assert bench.call("POST", f"{ROOT}/rail/ok", 1).json() == {"value": 1}


def test_an_error_in_the_handler_derails(bench: Server) -> None:
    answer = bench.call("POST", f"{ROOT}/rail/broken", 1)
    assert answer.status_code == 500
    run = bench.run(answer)
    assert run["error"]["message"] == "RuntimeError: the handler, too"
    assert [logic["state"] for logic in run["logic"]] == ["succeeded", "failed", "skipped", "skipped"]
    assert run["events"] == 0


def test_two_processes_share_a_route(bench: Server) -> None:
    answer = bench.call("GET", f"{ROOT}/shared")
    assert answer.status_code == 206
    assert answer.json() == {"left": 1, "right": 2, "both": {"left": "left", "right": "right"}}


def test_a_process_calls_another(bench: Server) -> None:
    answer = bench.call("GET", f"{ROOT}/call")
    assert answer.json() == {"peeked": True, "parent": "call"}
    run = bench.run(answer)
    assert len(run["children"]) == 1
    assert bench.http.get(f"/runs/{run['children'][0]}").json()["parent"] == run["id"]


def test_callers_never_wait_for_each_other_for_ever(bench: Server) -> None:
    answers: list[int] = []

    def call() -> None:
        answers.append(bench.call("GET", f"{ROOT}/call").status_code)

    threads = [threading.Thread(target=call) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 12


def test_chunks_are_child_runs(bench: Server) -> None:
    answer = bench.call("POST", f"{ROOT}/load", params={"count": 4})
    assert answer.json() == {"chunks": 4, "records": 4, "position": 4}
    children = bench.run(answer)["children"]
    assert len(children) == 4
    assert [r["name"] for r in bench.records("lab.bench/numbers@1") if r["name"].startswith("chunk")][-4:] == [
        "chunk 1", "chunk 2", "chunk 3", "chunk 4",
    ]  # fmt: skip


def test_records_are_worked_and_a_bad_one_fails_alone(bench: Server) -> None:
    sent = [
        {"name": "three", "value": 3},
        {"name": "unlucky", "value": 13},
        {"name": "nil", "value": 0},
        {"name": "four", "value": 4},
    ]
    put = bench.call("PUT", f"{ROOT}/numbers", sent)
    assert put.json()["put"] == 4
    found = bench.until(
        lambda: (
            {"four"} <= {r["name"] for r in bench.records("lab.bench/squares@1")}
            and bench.records("lab.bench/squares@1")
        )
    )
    squares = {r["name"]: r["value"] for r in found}
    assert (squares["three"], squares["four"]) == (9, 16)
    assert "unlucky" not in squares
    assert "nil" not in squares
    dead = bench.until(lambda: [d for d in bench.http.get("/dead_letters").json()["items"] if d["process"] == "square"])
    assert dead[0]["error_message"] == "ValueError: 13 brings bad luck"


def test_a_bad_record_of_a_chunk_fails_alone_and_is_replayed_alone(bench: Server) -> None:
    loaded = bench.call("POST", f"{ROOT}/load_squares?count=14")
    assert loaded.json() == {"chunks": 14, "records": 14, "position": 14}

    def letters() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = bench.http.get("/dead_letters").json()["items"]
        return [item for item in items if item["process"] == "load_squares"]

    [letter] = bench.until(letters)
    squares = bench.records("lab.bench/squares@1")
    assert {"chunk 12", "chunk 14"} <= {record["name"] for record in squares}
    again = bench.run(bench.call("POST", f"/runs/{letter['id']}/replay", {}))
    assert (again["id"], again["attempt"], again["state"]) == (letter["id"], 2, "failed")
    assert again["logic"][0]["name"] == "square"  # nothing is loaded again
    assert len(bench.records("lab.bench/squares@1")) == len(squares)


def test_a_record_that_breaks_its_contract_never_reaches_the_port(bench: Server) -> None:
    before = len(bench.records("lab.bench/numbers@1"))
    answer = bench.call("PUT", f"{ROOT}/numbers", [{"name": "good", "value": 1}, {"name": "bad", "value": -1}])
    assert answer.status_code == 422
    assert len(bench.records("lab.bench/numbers@1")) == before


def test_lookup_reads_what_was_written(bench: Server) -> None:
    put = bench.call("PUT", f"{ROOT}/numbers", [{"name": "looked", "value": 7}])
    found = bench.http.get(
        "/ports/lab.bench/numbers@1/lookup", params={"name": "looked", "token": put.headers["hansa-token"]}
    )
    assert found.json()["record"] == {"name": "looked", "value": 7}
    assert bench.http.get("/ports/lab.bench/numbers@1/lookup", params={"name": "nobody"}).status_code == 404
    second = bench.call("PUT", f"{ROOT}/numbers", [{"name": "looked", "value": 8}])
    assert second.json()["before"] == 7


def test_events_are_found_at_once(bench: Server) -> None:
    bench.call("PUT", f"{ROOT}/numbers", [{"name": "eventful", "value": 99}])
    found = bench.events('name=number.put and payload.value=99 and source="number eventful"')
    assert len(found) == 1
    assert (found[0]["target"], found[0]["process"], found[0]["logic"]) == ("the bench", "put", "put")


def test_an_event_starts_a_process(bench: Server) -> None:
    bench.call("PUT", f"{ROOT}/numbers", [{"name": "answer", "value": 42}, {"name": "other", "value": 43}])
    runs = bench.until(lambda: bench.runs(product="lab.bench", process="heard"))
    assert runs[0]["trigger"] == "event"


def test_a_replay_of_a_filtered_subscription_gets_what_its_filter_wanted(bench: Server) -> None:
    values = (41, 42, 43, 44)
    put = bench.call("PUT", f"{ROOT}/numbers", [{"name": f"n{value}", "value": value} for value in values])
    assert put.is_success
    runs = bench.until(lambda: bench.runs(product="lab.bench", process="heard", state="succeeded"))
    assert runs
    read = bench.http.get(f"/runs/{runs[0]['id']}").json()["reads"]
    again = bench.call("POST", f"/runs/{runs[0]['id']}/replay", {})
    assert again.is_success, again.text
    replayed = bench.run(again)
    assert (replayed["dry"], replayed["replay_of"]) == (True, runs[0]["id"])
    assert again.json() == bench.http.get(f"/runs/{runs[0]['id']}/result").json(), read


def test_schedules_and_once(bench: Server) -> None:
    ticks = bench.until(
        lambda: len(bench.events("name=tick and process=tick")) >= 3 and bench.events("name=tick and process=tick")
    )
    times = [event["payload"]["time"] for event in ticks]
    assert len(set(times)) == len(times)
    assert len(bench.runs(product="lab.bench", process="first")) == 1


def test_lineage_from_ports_and_events(bench: Server) -> None:
    bench.call("PUT", f"{ROOT}/numbers", [{"name": "lineage", "value": 5}])
    bench.until(lambda: [r for r in bench.records("lab.bench/squares@1") if r["name"] == "lineage"])
    graph = bench.http.get("/lineage", params={"node": "lab.bench/squares@1", "direction": "up", "depth": 4}).json()
    edges = {(edge["source"], edge["target"]) for edge in graph["edges"]}
    assert ("lab.bench/numbers@1", "lab.bench:square") in edges
    assert ("lab.bench:square", "lab.bench/squares@1") in edges
    assert ("lab.bench:put", "lab.bench/numbers@1") in edges


@pytest.mark.parametrize(
    ("how", "body", "state", "code"),
    [
        ("raise", {}, "failed", "logic.raised"),
        ("exit", {}, "failed", "logic.exited"),
        ("os_exit", {}, "failed", "run.crashed"),
        ("hang", {}, "timed_out", "run.timed_out"),
        ("spin", {}, "timed_out", "run.timed_out"),
        ("segfault", {}, "failed", "run.crashed"),
        ("fork", {}, "failed", "logic.raised"),
        ("memory", {}, "failed", "logic.out_of_memory"),
        ("socket", {}, "failed", "logic.raised"),
        ("run", {}, "failed", "logic.raised"),
        ("read", {"path": "/etc/passwd"}, "failed", "logic.raised"),
        ("write", {"path": "/tmp/escaped"}, "failed", "logic.raised"),
        ("disconnect", {}, "failed", "run.crashed"),
    ],
)
def test_bad_logic_costs_only_its_own_run(bench: Server, how: str, body: dict[str, Any], state: str, code: str) -> None:
    answer = bench.call("POST", f"{ROOT}/misbehave", body, params={"how": how})
    run = bench.run(answer)
    assert (run["state"], run["error"]["code"]) == (state, code), run
    if code == "logic.raised" and how != "raise":
        assert "PermissionError" in run["error"]["message"]
    assert bench.call("POST", f"{ROOT}/sums", {"left": 1}).status_code == 201


def test_others_in_flight_survive_a_crash(bench: Server) -> None:
    answers: list[int] = []

    def call() -> None:
        answers.append(bench.call("POST", f"{ROOT}/sums", {"left": 1}).status_code)

    threads = [threading.Thread(target=call) for _ in range(16)]
    crash = threading.Thread(target=lambda: bench.call("POST", f"{ROOT}/misbehave", {}, params={"how": "os_exit"}))
    crash.start()
    for thread in threads:
        thread.start()
    for thread in [crash, *threads]:
        thread.join()
    assert answers == [201] * 16


def test_endless_output_is_cut(bench: Server) -> None:
    answer = bench.call("POST", f"{ROOT}/misbehave", {}, params={"how": "print"})
    assert answer.json() == {"printed": True}
    output = bench.run(answer)["output"]
    assert len(output) < 70_000
    assert "output was cut after 65536 bytes" in output


def test_durable_steps_resume_behind_the_last(bench: Server) -> None:
    answer = bench.call("POST", f"{ROOT}/steps", {"n": 99})
    assert answer.status_code == 500
    run = bench.run(answer)
    assert (run["attempt"], run["error"]["code"]) == (2, "run.crashed")
    assert bench.call("POST", f"{ROOT}/steps", {"n": 1}).json() == {"n": 2}
