"""Traces as a collector gets them: from the call through run, logic and commit to the runs that read what it wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from relay import Heard, listening, relaying
from server import Server

CAME = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}


class Traced(NamedTuple):
    server: Server
    beyond: Heard
    collector: Heard

    def span(self, name: str, within: str | None = None, *, below: Any = None) -> Any:
        """The span of that name, once it has come; `within` is the trace that it is of, `below` its parent."""

        def look() -> Any:
            found = [s for s in self.collector.spans() if s.name == name and within in (None, s.trace_id.hex())]
            return next((s for s in found if below is None or s.parent_span_id == below.span_id), None)

        found = self.server.until(look)
        assert found is not None, (name, sorted(s.name for s in self.collector.spans()))
        return found

    def reader(self, name: str, of: Any) -> Any:
        """The span of that name which links to the span `of`, once it has come."""

        def look() -> Any:
            found = [s for s in self.collector.spans() if s.name == name]
            return next((s for s in found if of.span_id in [link.span_id for link in s.links]), None)

        found = self.server.until(look)
        assert found is not None, (name, of.span_id)
        return found

    def below(self, span: Any) -> list[str]:
        """The names of a span's children, as they began."""
        children = [s for s in self.collector.spans() if s.parent_span_id == span.span_id]
        return [s.name for s in sorted(children, key=lambda s: (s.start_time_unix_nano, s.end_time_unix_nano))]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    with (
        listening() as (url, collector),
        relaying(tmp_path_factory.mktemp("traces"), OTEL_EXPORTER_OTLP_ENDPOINT=url, **SOON) as (server, beyond),
    ):
        yield Traced(server, beyond, collector)


def told(span: Any) -> dict[str, Any]:
    found = {one.key: one.value for one in span.attributes}
    return {key: value.string_value or value.int_value for key, value in found.items()}


def test_a_call_is_one_tree_down_to_its_commit_and_the_runs_that_read_it_link_to_that(traced: Traced) -> None:
    headers = {"traceparent": CAME, "tracestate": "vendor=7"}
    answer = traced.server.call("POST", "/shop/relay/marks", {"id": "a", "size": 1}, headers=headers)
    assert answer.status_code == 200, answer.text
    trace = CAME.split("-")[1]
    call = traced.span("POST /shop/relay/marks", trace)
    run = traced.span("run shop.relay:take", trace)
    attempt, commit = traced.span("attempt", trace, below=run), traced.span("commit", trace, below=run)

    assert call.parent_span_id.hex() == CAME.split("-")[2]
    assert answer.headers["traceresponse"] == f"00-{trace}-{call.span_id.hex()}-01"
    answered = told(call)
    assert (call.kind, answered["http.route"], answered["http.response.status_code"]) == (2, "/shop/relay/marks", 200)
    assert call.trace_state == "vendor=7"
    assert run.parent_span_id == call.span_id
    about = told(run)
    assert about["hansa.run"] == answer.headers["hansa-run"]
    assert (about["hansa.product"], about["hansa.process"], about["hansa.trigger"]) == ("shop.relay", "take", "http")
    assert about["hansa.revision"]
    assert sorted(traced.below(run)) == ["attempt", "commit", "queue", "run shop.relay:double"]
    logic = [name for name in traced.below(attempt) if not name.startswith("request")]
    assert logic == ["ask_beyond", "weigh", "publish_marks"]
    assert commit.kind == 4

    out = traced.span("request beyond", trace)
    assert out.parent_span_id == attempt.span_id
    assert (out.kind, told(out)["http.response.status_code"], told(out)["hansa.connection"]) == (3, 200, "beyond")
    sent = next(headers for _, headers, _ in traced.beyond.requests if trace in headers.get("traceparent", ""))
    assert sent["traceparent"] == f"00-{trace}-{out.span_id.hex()}-01"
    assert sent["tracestate"] == "vendor=7"

    follow = traced.reader("process shop.relay/marks@1", commit)
    assert follow.trace_id.hex() != trace
    assert (trace, commit.span_id) in [(link.trace_id.hex(), link.span_id) for link in follow.links]
    assert not follow.parent_span_id
    assert (follow.kind, told(follow)["messaging.destination.name"]) == (5, "shop.relay/marks@1")
    noted = traced.span("commit", follow.trace_id.hex())
    hear = traced.reader("process _events", noted)
    assert told(hear)["hansa.process"] == "hear"


def test_times_of_a_tree_lie_within_its_parents(traced: Traced) -> None:
    traced.server.call("POST", "/shop/relay/marks", {"id": "b", "size": 1}).raise_for_status()
    traced.span("run shop.relay:take")
    traced.span("POST /shop/relay/marks")
    by_id = {span.span_id: span for span in traced.server.until(lambda: _whole(traced.collector))}
    for span in by_id.values():
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        parent = by_id.get(span.parent_span_id)
        if parent is not None and parent.name == "attempt":
            assert parent.start_time_unix_nano <= span.start_time_unix_nano, (parent.name, span.name)
            assert span.end_time_unix_nano <= parent.end_time_unix_nano, (parent.name, span.name)


def _whole(collector: Heard) -> list[Any]:
    """The spans, once every one that came has its parent beside it."""
    spans = collector.spans()
    ids = {span.span_id for span in spans}
    roots = {b"", bytes.fromhex(CAME.split("-")[2])}
    return spans if spans and all(s.parent_span_id in ids | roots for s in spans) else []


def test_what_fails_says_so_with_its_reason(traced: Traced) -> None:
    answer = traced.server.call("POST", "/shop/relay/falls", {})
    assert answer.status_code == 500
    trace = answer.headers["traceresponse"].split("-")[1]
    assert answer.json()["trace_id"] == trace
    run, call = traced.span("run shop.relay:fall", trace), traced.span("POST /shop/relay/falls", trace)
    logic = traced.span("fall", trace)
    assert [span.status.code for span in (run, call, logic)] == [2, 2, 2]
    (event,) = run.events
    reason = {one.key: one.value.string_value for one in event.attributes}
    assert (event.name, reason["exception.type"]) == ("exception", "logic.raised")
    assert "there is no floor" in reason["exception.message"]
    assert "in fall" in reason["exception.stacktrace"]


def test_a_refused_call_is_traced_too(traced: Traced) -> None:
    answer = httpx.post(f"{traced.server.url}/shop/relay/marks", json={})
    assert answer.status_code == 401
    call = traced.span("POST /shop/relay/marks", answer.headers["traceresponse"].split("-")[1])
    assert told(call)["http.response.status_code"] == 401


def test_what_the_caller_does_not_sample_is_not_exported(traced: Traced) -> None:
    quiet = CAME.replace("0af7", "1af7")[:-2] + "00"
    answer = traced.server.call("POST", "/shop/relay/marks", {"id": "q", "size": 1}, headers={"traceparent": quiet})
    assert answer.headers["traceresponse"].endswith("-00")
    answer = traced.server.call("POST", "/shop/relay/falls", {})
    traced.span("run shop.relay:fall", answer.headers["traceresponse"].split("-")[1])
    assert quiet.split("-")[1] not in {span.trace_id.hex() for span in traced.collector.spans()}


def test_the_standard_variables_are_obeyed(tmp_path: Path) -> None:
    named = {"OTEL_SERVICE_NAME": "ours", "OTEL_RESOURCE_ATTRIBUTES": "team=blue", "OTEL_TRACES_SAMPLER": "always_off"}
    with (
        listening() as (url, collector),
        relaying(tmp_path, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{url}/in", **named, **SOON) as (server, _),
    ):
        server.call("POST", "/shop/relay/falls", {})
        server.stop()
        assert not collector.requests
        server.start(OTEL_TRACES_SAMPLER="parentbased_always_on")
        server.call("POST", "/shop/relay/falls", {})
        server.until(lambda: collector.requests)
        assert {path for path, _, _ in collector.requests} == {"/in"}
        resource = collector.resource()
        assert (resource["service.name"], resource["team"]) == ("ours", "blue")


def test_a_collector_that_is_not_there_costs_one_line_and_no_call(tmp_path: Path) -> None:
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with relaying(tmp_path, **away, **SOON) as (server, _):
        for number in range(3):
            server.call("POST", "/shop/relay/marks", {"id": str(number), "size": 1}).raise_for_status()
        server.until(lambda: "traces are dropped" in server.output.read_text())
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 15
        lines = [line for line in server.output.read_text().splitlines() if "Traceback" in line or "trace" in line]
    assert len(lines) == 1, lines


def test_without_tracing_a_callers_trace_goes_on_as_it_came(tmp_path: Path) -> None:
    with relaying(tmp_path) as (server, beyond):
        headers = {"traceparent": CAME, "tracestate": "vendor=7"}
        answer = server.call("POST", "/shop/relay/marks", {"id": "a", "size": 1}, headers=headers)
        assert "traceresponse" not in answer.headers
        followed = server.until(lambda: server.runs(process="shop.relay:follow"))
        assert server.http.get(f"/runs/{followed[0]['id']}").json()["trace"] == CAME
        assert beyond.requests[0][1]["traceparent"] == CAME
        assert beyond.requests[0][1]["tracestate"] == "vendor=7"
