"""The client over real HTTP: what it sends, how it reads streams, and which errors answers become."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from hansa.client import Client
from hansa.errors import CallerError, OperatorError, PlanError, Unavailable

JSON, NDJSON, SSE = "application/json", "application/x-ndjson", "text/event-stream"


@pytest.fixture
def client(server: Any) -> Iterator[Client]:
    with Client(server.url + "/", "hansa_secret", timeout_s=5.0) as client:
        yield client


def test_sends_the_token_and_only_the_query_that_is_given(server: Any, client: Client) -> None:
    server.answer(200, JSON, b'{"items": [], "next": null}')
    client.runs.find(product="a.b", state=None, dead=True, limit=3)
    (request,) = server.requests
    assert request.path == "/runs?product=a.b&dead=true&limit=3"
    assert request.headers["authorization"] == "Bearer hansa_secret"


def test_ids_keep_their_marks_in_paths(server: Any, client: Client) -> None:
    server.answer(200, JSON, b"{}")
    server.answer(202, JSON, b'{"run": "r1"}')
    client.ports.get("operations.flights/departures@1")
    client.processes.run("operations.flights:load", wait_s=0)
    assert [r.path.partition("?")[0] for r in server.requests] == [
        "/ports/operations.flights/departures@1",
        "/processes/operations.flights:load/runs",
    ]


def test_a_deploy_tells_its_progress_and_then_its_result(server: Any, client: Client) -> None:
    lines = b'{"progress": "unpacking"}\n{"progress": "loading"}\n{"result": {"revision": "abc"}}\n'
    server.answer(200, NDJSON, lines[:30], lines[30:])
    heard: list[str] = []
    done = client.products.deploy("a.b", b"tar", note="why", on_progress=heard.append)
    assert (done, heard) == ({"revision": "abc"}, ["unpacking", "loading"])
    (request,) = server.requests
    assert (request.path, request.body) == ("/products/a.b/deploy?note=why", b"tar")
    assert request.headers["content-type"] == "application/x-tar"


def test_a_deploy_that_is_refused_raises_every_finding(server: Any, client: Client) -> None:
    findings = [{"code": "product.syntax", "message": "Bad", "hint": None, "file": "product.py", "line": 3}]
    problem = {"status": 422, "code": "product.syntax", "detail": "Bad", "findings": findings}
    server.answer(200, NDJSON, json.dumps({"error": problem}).encode() + b"\n")
    with pytest.raises(PlanError) as caught:
        client.products.deploy("a.b", b"tar")
    assert caught.value.details["findings"] == findings


def test_a_deploy_whose_answer_ends_early_is_no_success(server: Any, client: Client) -> None:
    server.answer(200, NDJSON, b'{"progress": "loading"}\n')
    with pytest.raises(OperatorError) as caught:
        client.products.deploy("a.b", b"tar")
    assert caught.value.code == "deploy.interrupted"


def test_follows_records_and_leaves_out_positions_and_comments(server: Any, client: Client) -> None:
    server.answer(
        200, SSE, b": still here\n\nevent: record\nda", b'ta: {"position": 4}\n\n',
        b'id: 0:5\nevent: position\ndata: {}\n\nevent: record\ndata: {"position": 5}\n\n',
    )  # fmt: skip
    assert [item["position"] for item in client.ports.follow("a.b/c@1")] == [4, 5]
    assert server.requests[0].headers["accept"] == "text/event-stream"


def test_reads_pages_until_the_limit(server: Any, client: Client) -> None:
    server.answer(200, JSON, b'{"items": [{"position": 0}, {"position": 1}], "next": "0:2", "more": true}')
    server.answer(200, JSON, b'{"items": [{"position": 2}], "next": "0:3", "more": true}')
    assert [item["position"] for item in client.ports.read("a.b/c@1", limit=3, time="2026-01-01T00:00:00Z")] == [
        0,
        1,
        2,
    ]
    assert server.requests[1].path == "/ports/a.b/c@1/records?position=0%3A2&limit=1"


def test_a_run_that_has_not_finished_has_no_result(server: Any, client: Client) -> None:
    server.answer(202, JSON, b'{"run": "r1", "state": "running"}', hansa_run="r1")
    server.answer(201, "text/plain", b"made", hansa_run="r1")
    assert not client.processes.run("a.b:c", {"x": 1}).finished
    done = client.runs.result("r1")
    assert (done.run, done.finished, done.status, done.result) == ("r1", True, 201, "made")
    assert json.loads(server.requests[0].body) == {"x": 1}


def test_a_problem_document_becomes_the_error_it_tells(server: Any, client: Client) -> None:
    problem = b'{"status": 404, "code": "run.unknown", "detail": "There is no run", "hint": "Look", "trace_id": "t"}'
    server.answer(404, "application/problem+json", problem)
    with pytest.raises(CallerError) as caught:
        client.runs.get("r1")
    error = caught.value
    assert (error.code, error.message, error.hint, error.details["trace_id"]) == (
        "run.unknown", "There is no run", "Look", "t",
    )  # fmt: skip


def test_an_answer_that_is_no_hansas_is_said_to_be_so(server: Any, client: Client) -> None:
    server.answer(200, "text/html", b"<html>")
    server.answer(500, "text/html", b"<html>")
    with pytest.raises(OperatorError, match=r"server\.answer"):
        client.me()
    with pytest.raises(Exception, match=r"http\.500"):
        client.me()


def test_no_server_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Client(url) as client, pytest.raises(Unavailable) as caught:
            client.health()
    assert caught.value.code == "server.unreachable"


def test_a_server_that_is_silent_may_have_done_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, timeout_s=0.05) as client, pytest.raises(OperatorError) as caught:
            client.health()
    assert caught.value.code == "server.timeout"


@pytest.mark.parametrize("url", ["hansa.example.org", "ftp://x", "http://h:port"])
def test_what_is_no_url_is_said_to_be_none(url: str) -> None:
    with Client(url) as client, pytest.raises(CallerError) as caught:
        client.health()
    assert caught.value.code == "server.url"
