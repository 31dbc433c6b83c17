"""Traces for OpenTelemetry, exported over OTLP by its own library (the extra `otel`).

Spans are made when they are over, from times that are known anyway: nothing is carried along but ids. A run is a span
within the call that started it, with children for its attempts, their logic and the commit. What a run appends carries
the context of that commit; the run that reads it belongs to a trace of its own and links to all that it has read.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from hansa.errors import HansaError
from hansa.eventlog.interface import Committed, Outcome
from hansa.model.run import LogicRun, RunEntry, RunError, RunState
from hansa.model.trace import TraceContext
from hansa.runtime import wire
from hansa.runtime.entries import refusal
from hansa.runtime.run import Run
from hansa.runtime.tracing import Outward, Traces

LINKS_MAX: Final = 128
CLOSE_S: Final = 2.0
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_FAILED: Final = frozenset({RunState.FAILED.value, RunState.TIMED_OUT.value})
_report = logging.getLogger("hansa.traces")


class _Call:
    __slots__ = ("began_ns", "context", "method", "parent", "path", "route")

    def __init__(self, method: str, route: str, path: str, parent: TraceContext | None, context: TraceContext) -> None:
        self.method, self.route, self.path = method, route, path
        self.parent, self.context = parent, context
        self.began_ns = time.time_ns()


class _Span:
    """A run under way: its parent, and the ids of what is within it."""

    __slots__ = ("attempt_id", "attempted_ns", "commit", "links", "parent")

    def __init__(self, parent: TraceContext | None, links: Sequence[TraceContext]) -> None:
        self.parent, self.links = parent, links
        self.attempt_id = ""
        self.attempted_ns = 0


class OtelTraces(Traces):
    """Exports on a thread of its own, from a queue that is bounded: what the collector does not take is dropped."""

    def __init__(self, version: str, node: str, exporter: SpanExporter | None = None) -> None:
        """As the variables `OTEL_*` say."""
        provider = TracerProvider(resource=_resource(version, node), shutdown_on_exit=False)
        self._resource, self._sampler, self._ids = provider.resource, provider.sampler, provider.id_generator
        self._scope = InstrumentationScope("hansa", version)
        self._exporter = _Telling(exporter or OTLPSpanExporter())
        self._processor = BatchSpanProcessor(self._exporter)
        self._calls: dict[str, _Call] = {}

    # Calls

    def call(self, method: str, route: str, path: str, came: TraceContext | None) -> TraceContext | None:
        attributes = {"http.request.method": method, "http.route": route, "url.path": path}
        context = self._started(f"{method} {route}", SpanKind.SERVER, came, (), attributes)
        if context.is_sampled:
            self._calls[context.span_id] = _Call(method, route, path, came, context)
        return context

    def answered(self, call: TraceContext, status: int) -> bool:
        found = self._calls.pop(call.span_id, None)
        if found is not None:
            attributes: dict[str, Any] = {
                "http.request.method": found.method,
                "http.route": found.route,
                "url.path": found.path,
                "url.scheme": "http",
                "http.response.status_code": status,
            }
            if status >= 500:
                attributes["error.type"] = str(status)
            self._end(
                f"{found.method} {found.route}", found.context, found.parent, found.began_ns, time.time_ns(),
                attributes, SpanKind.SERVER, Status(StatusCode.ERROR if status >= 500 else StatusCode.UNSET),
            )  # fmt: skip
        return True

    # Runs

    def begin(self, run: Run) -> None:
        links = run.links[:LINKS_MAX]
        parent = None if links else run.context
        kind = SpanKind.CONSUMER if links else SpanKind.INTERNAL
        run.context = self._started(_name(run), kind, parent, links, _about(run))
        span = run.span = _Span(parent, links)
        span.attempt_id = self._span_id()
        run.sends = run.context._replace(span_id=self._span_id())

    def attempted(self, run: Run, done: wire.Done) -> None:
        span, own = run.span, run.context
        if span is None or own is None:
            return
        span.attempted_ns = now_ns = time.time_ns()
        attempt, span.attempt_id = span.attempt_id, self._span_id()
        if not own.is_sampled:
            return
        given_ns = run.started_us * 1000
        began_ns = min(max(done.began_us * 1000, given_ns), now_ns)  # a worker may say what it likes
        end_ns = min(began_ns + done.duration_us * 1000, now_ns)
        within = own._replace(span_id=attempt)
        self._end("queue", own._replace(span_id=self._span_id()), own, given_ns, began_ns, {})
        self._logic(done.logic, within, began_ns, end_ns)
        state = "succeeded" if done.state == "succeeded" else "failed"
        told: dict[str, Any] = {"hansa.attempt": run.attempt, "hansa.run": run.id, "hansa.state": state}
        error = done.error if state == "failed" else None
        self._end("attempt", within, own, began_ns, end_ns, told, status=_status(error), events=_events(error, end_ns))

    def _logic(self, logic: Sequence[LogicRun], within: TraceContext, began_ns: int, end_ns: int) -> None:
        """One behind the other, as they were written: what a worker tells of each is how long it took."""
        for one in logic:
            until_ns = min(began_ns + one.duration_us * 1000, end_ns)
            status = Status(StatusCode.ERROR, one.error) if one.state == "failed" else Status()
            told = {"hansa.logic": one.name, "hansa.state": one.state}
            self._end(
                one.name, within._replace(span_id=self._span_id()), within, began_ns, until_ns, told, status=status
            )
            began_ns = until_ns

    def ended(self, run: Run, entry: RunEntry, outcome: Outcome) -> None:
        span, own = run.span, run.context
        if span is None or own is None or run.sends is None or not own.is_sampled:
            return
        now_ns = time.time_ns()
        lost = None if isinstance(outcome, Committed) else refusal(outcome)
        sent = {
            "messaging.system": "hansa",
            "messaging.operation.type": "send",
            "messaging.batch.message_count": sum(count for _, count in entry.writes) + entry.events,
            "hansa.ports": [port for port, _ in entry.writes],
        }
        self._end(
            "commit", run.sends, own, span.attempted_ns or now_ns, now_ns, sent, SpanKind.PRODUCER,
            _status(lost), events=_events(lost, now_ns),
        )  # fmt: skip
        error = lost or (entry.error if entry.state in _FAILED else None)
        kind = SpanKind.CONSUMER if span.links else SpanKind.INTERNAL
        told = {**_about(run), "hansa.state": entry.state}
        self._end(
            _name(run), own, span.parent, run.accepted_us * 1000, now_ns, told, kind,
            _status(error), _events(error, now_ns), span.links,
        )  # fmt: skip

    @contextlib.contextmanager
    def outward(self, run: Run, connection: str, operation: str, arguments: Any) -> Iterator[Outward]:
        own = run.context
        if run.span is None or own is None:
            yield Outward({})
            return
        within, context = own._replace(span_id=run.span.attempt_id), own._replace(span_id=self._span_id())
        outward, began_ns, error = Outward(context.headers), time.time_ns(), None
        try:
            yield outward
        except HansaError as failure:
            error = RunError(failure.code, failure.message)
            raise
        finally:
            if own.is_sampled:
                told: dict[str, Any] = {"hansa.connection": connection, "hansa.operation": operation}
                if outward.status:
                    told |= {"http.request.method": arguments[0], "http.response.status_code": outward.status}
                name, now_ns = f"{operation} {connection}", time.time_ns()
                self._end(
                    name,
                    context,
                    within,
                    began_ns,
                    now_ns,
                    told,
                    SpanKind.CLIENT,
                    _status(error),
                    _events(error, now_ns),
                )

    # Spans

    def _started(
        self,
        name: str,
        kind: SpanKind,
        parent: TraceContext | None,
        links: Sequence[TraceContext],
        attributes: Mapping[str, Any],
    ) -> TraceContext:
        """The context of a span that begins, as the sampler decides."""
        trace_id = int(parent.trace_id, 16) if parent else self._ids.generate_trace_id()
        around = set_span_in_context(NonRecordingSpan(_of(parent, is_remote=True)), Context()) if parent else Context()
        linked = [Link(_of(link, is_remote=True)) for link in links]
        found = self._sampler.should_sample(around, trace_id, name, kind, attributes, linked)
        is_sampled = found.decision is Decision.RECORD_AND_SAMPLE
        return TraceContext(f"{trace_id:032x}", self._span_id(), is_sampled, parent.state if parent else "")

    def _end(
        self,
        name: str,
        context: TraceContext,
        parent: TraceContext | None,
        began_ns: int,
        end_ns: int,
        attributes: Mapping[str, Any],
        kind: SpanKind = SpanKind.INTERNAL,
        status: Status | None = None,
        events: Sequence[Event] = (),
        links: Sequence[TraceContext] = (),
    ) -> None:
        """A span is over."""
        self._processor.on_end(
            ReadableSpan(
                name, _of(context), None if parent is None else _of(parent), self._resource, attributes, events,
                [Link(_of(link, is_remote=True)) for link in links], kind,
                status=status or Status(), start_time=began_ns, end_time=max(end_ns, began_ns),
                instrumentation_scope=self._scope,
            )
        )  # fmt: skip

    def _span_id(self) -> str:
        return f"{self._ids.generate_span_id():016x}"

    def close(self) -> None:
        """Sends what is left, as far as that goes within `CLOSE_S`."""
        sending = threading.Thread(target=self._processor.shutdown, name="hansa-traces", daemon=True)
        sending.start()
        sending.join(CLOSE_S)
        self._exporter.shutdown()


class _Telling(SpanExporter):
    """Says once that the collector cannot be reached, and once that it can be again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._fails = False
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it says so of every batch, and every try

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        found = self._exporter.export(spans)
        fails = found is not SpanExportResult.SUCCESS
        if fails and not self._fails:
            _report.warning("traces are dropped: the collector at OTEL_EXPORTER_OTLP_ENDPOINT does not take them")
        elif self._fails and not fails:
            _report.info("the collector takes traces again")
        self._fails = fails
        return found

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _resource(version: str, node: str) -> Resource:
    """What the environment names; where it gives no name to the service, `hansa`."""
    found = Resource.create({"service.version": version, "service.instance.id": node})
    is_unnamed = str(found.attributes[SERVICE_NAME]).startswith("unknown_service")
    return found.merge(Resource({SERVICE_NAME: "hansa"})) if is_unnamed else found


def _of(context: TraceContext, *, is_remote: bool = False) -> SpanContext:
    state = TraceState.from_header([context.state]) if context.state else None
    flags = _SAMPLED if context.is_sampled else None
    return SpanContext(int(context.trace_id, 16), int(context.span_id, 16), is_remote, flags, state)


def _name(run: Run) -> str:
    """Few names: what differs from run to run is an attribute."""
    return f"process {run.detail['topic']}" if run.links else f"run {run.live.id}"


def _about(run: Run) -> dict[str, Any]:
    product = run.live.product
    found: dict[str, Any] = {
        "hansa.product": product.id,
        "hansa.process": run.live.spec.name,
        "hansa.run": run.id,
        "hansa.revision": product.revision,
        "hansa.trigger": run.kind,
    }
    if run.links:
        detail = run.detail
        found |= {
            "messaging.system": "hansa",
            "messaging.operation.type": "process",
            "messaging.destination.name": detail["topic"],
            "messaging.destination.partition.id": str(detail["partition"]),
            "messaging.batch.message_count": sum(part.count for part in run.records),
            "messaging.consumer.group.name": run.live.id,
        }
    return found


def _status(error: RunError | None) -> Status:
    return Status() if error is None else Status(StatusCode.ERROR, f"{error.code}: {error.message}")


def _events(error: RunError | None, now_ns: int) -> list[Event]:
    if error is None:
        return []
    told = {"exception.type": error.code, "exception.message": error.message}
    if error.traceback:
        told["exception.stacktrace"] = error.traceback
    return [Event("exception", told, now_ns)]
