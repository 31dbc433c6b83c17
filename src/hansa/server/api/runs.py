"""Runs: start by hand, find, follow, replay, cancel; schedules and triggers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from hansa.access.decide import HANSA, Action
from hansa.discovery.runs import RunQuery
from hansa.errors import CallerError
from hansa.eventlog.interface import Chunk, as_array
from hansa.model.product import OnceTrigger, ScheduleTrigger
from hansa.model.run import FINAL, RUNS_TOPIC, RunEntry
from hansa.registry.values import TriggerKey
from hansa.runtime import wire
from hansa.runtime.engine import Answer
from hansa.server.api.base import Asked, Endpoint, json_response, problem_of, sse, sse_event
from hansa.server.merge import rfc3339
from hansa.triggers import schedule
from hansa.views.times import parse_time

NEXT_TIMES = 5


class Replay(msgspec.Struct, forbid_unknown_fields=True):
    """`publish` makes the replay of a run that succeeded publish again, marked as such."""

    publish: bool = False


def routes(endpoint: Endpoint) -> list[Route]:
    return [
        endpoint.route("GET", "/processes", processes),
        endpoint.route("POST", "/processes/{process}/runs", start),
        endpoint.route("GET", "/runs", find),
        endpoint.route("GET", "/dead_letters", dead_letters),
        endpoint.route("GET", "/runs/{run}", show),
        endpoint.route("GET", "/runs/{run}/result", result),
        endpoint.route("POST", "/runs/{run}/cancel", cancel),
        endpoint.route("POST", "/runs/{run}/replay", replay),
        endpoint.route("GET", "/output", output),
        endpoint.route("GET", "/schedules", schedules),
        endpoint.route("POST", "/triggers/{process}/{index:int}/pause", pause),
        endpoint.route("POST", "/triggers/{process}/{index:int}/resume", resume),
    ]


async def processes(asked: Asked) -> Any:
    """All live processes and what starts them."""
    asked.allow(Action.CATALOGUE_READ)
    mesh = asked.services.mesh
    return {
        "items": [
            {"id": live.id, "product": product.id, "triggers": live.spec.triggers,
            "steps": [s.name for s in live.spec.steps],
             "description": live.spec.description, "use_case": live.spec.use_case, "running": live.running}
            for product in mesh.products.values()
            for live in product.processes.values()
        ]
    }  # fmt: skip


async def start(asked: Asked) -> Any:
    """Starts a process by hand, with any JSON payload; waits for its result."""
    process = asked.path("process")
    asked.allow(Action.RUN_START, asked.member(process))
    payload = await asked.body()
    if payload:
        _check_json(payload)
    source, records = None, None
    earlier = asked.query("from_run")
    if earlier is not None:
        entry, records = await asked.services.operations.source_of(earlier)
        source = entry.payload or msgspec.msgpack.encode(wire.Source(entry.trigger, detail=entry.trigger_detail))
    answer = await asked.services.operations.start(
        asked.principal.id, process, payload, wait_s=asked.seconds("wait_s", 15.0), only=asked.query("only"),
        dry=bool(asked.flag("dry")), source=source, records=records,
    )  # fmt: skip
    return answered(answer)


def _check_json(payload: bytes) -> None:
    try:
        msgspec.json.decode(payload)
    except msgspec.DecodeError as failure:
        raise CallerError("body.not_json", f"The payload is not JSON: {failure}", hint="Send JSON.") from None


def answered(answer: Answer) -> Response:
    """The answer of a run over HTTP: its result, 202 while there is none, or its error."""
    headers = {"hansa-run": answer.run}
    if answer.token:
        headers["hansa-token"] = answer.token
    if answer.state not in FINAL:
        return json_response(
            {"run": answer.run, "state": answer.state, "result": f"/runs/{answer.run}/result"}, 202, headers
        )
    if answer.error is not None and not answer.result:
        error = answer.error
        details = {
            **(error.details or {}),
            "status": answer.status if answer.status >= 400 else 500,
            "origin": error.origin,
            "traceback": error.traceback,
        }
        response = problem_of(CallerError(error.code, error.message, hint=error.hint, details=details))
        response.headers["hansa-run"] = answer.run
        return response
    return Response(answer.result, answer.status, {**headers, **(answer.headers or {})}, answer.content_type)


async def find(asked: Asked) -> Any:
    """Runs, newest first."""
    product = asked.query("product")
    asked.allow(Action.RUN_READ, asked.of(product) if product else HANSA)
    return await _find(asked, asked.flag("dead"))


async def dead_letters(asked: Asked) -> Any:
    """Runs and records that failed for good; each can be replayed."""
    product = asked.query("product")
    asked.allow(Action.RUN_READ, asked.of(product) if product else HANSA)
    return await _find(asked, True)


async def _find(asked: Asked, dead: bool | None) -> Any:
    services = asked.services
    await services.views.reach(asked.query("token") or services.log.log.now(), 10.0, "runs")
    since, until = asked.query("since"), asked.query("until")
    query = RunQuery(
        product=asked.query("product"), process=asked.query("process"), state=asked.query("state"),
        trigger=asked.query("trigger"), principal=asked.query("principal"), parent=asked.query("parent"), dead=dead,
        since_us=parse_time(since) if since else None, until_us=parse_time(until) if until else None,
        text=asked.query("text"), size=asked.number("limit", 50) or 50, after=asked.query("after"),
    )  # fmt: skip
    page = await asyncio.to_thread(services.runs.find, query)
    return {"items": page.runs, "next": page.next}


async def show(asked: Asked) -> Any:
    """Everything that is known of a run."""
    entry = await asked.services.operations.detail(asked.path("run"))
    asked.allow(Action.RUN_READ, asked.of(entry.product))
    children = await asyncio.to_thread(asked.services.runs.find, RunQuery(parent=entry.id, size=100))
    return {**plain(entry), "children": [run.id for run in children.runs]}


def plain(entry: RunEntry) -> dict[str, Any]:
    """A run as JSON shows it: payload and result decoded, times as text."""
    found: dict[str, Any] = msgspec.structs.asdict(entry)
    for name in ("accepted", "started", "finished"):
        at = found.pop(f"{name}_us")
        found[f"{name}_at"] = rfc3339(at) if at else None
    found["duration_ms"] = max(entry.finished_us - entry.started_us, 0) / 1000 if entry.finished_us else None
    found["payload"] = _payload(entry.payload)
    found["result"] = _text(entry.result)
    found["error"] = msgspec.to_builtins(entry.error) if entry.error else None
    found["logic"] = [
        {"name": run.name, "state": run.state, "duration_ms": run.duration_us / 1000, "error": run.error}
        for run in entry.logic
    ]
    found["reads"] = [
        {"port": port, "partition": part, "from": first, "to": end} for port, part, first, end in entry.reads
    ]
    found["writes"] = [{"port": port, "records": records} for port, records in entry.writes]
    return found


def _payload(payload: bytes) -> Any:
    if not payload:
        return None
    source = msgspec.msgpack.decode(payload, type=wire.Source)
    found: dict[str, Any] = {"body": _text(source.body)}
    for name in ("method", "url", "path", "query", "content_type", "detail"):
        if getattr(source, name):
            found[name] = getattr(source, name)
    return found


def _text(data: bytes) -> Any:
    """Bytes as the JSON value that they are, else as text."""
    if not data:
        return None
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data.decode("utf-8", "replace")


async def result(asked: Asked) -> Any:
    """The result of a run as its caller would have got it; 202 while it runs."""
    answer = await asked.services.operations.answer(asked.path("run"))
    if answer.state in FINAL:
        entry = await asked.services.operations.detail(answer.run)
        if entry.principal != asked.principal.id:
            asked.allow(Action.RUN_READ, asked.of(entry.product))
    return answered(answer)


async def cancel(asked: Asked) -> Any:
    """Ends a run that is not over."""
    run_id = asked.path("run")
    active = asked.services.engine.active.get(run_id)
    product = active.live.product.id if active else (await asked.services.operations.detail(run_id)).product
    asked.allow(Action.RUN_CANCEL, asked.of(product))
    return plain(await asked.services.operations.cancel(asked.principal.id, run_id))


async def replay(asked: Asked) -> Any:
    """A dead letter gets a new attempt; a run that succeeded is run again, publishing nothing unless asked to."""
    entry = await asked.services.operations.detail(asked.path("run"))
    asked.allow(Action.RUN_REPLAY, asked.of(entry.product))
    body = await asked.json(Replay)
    return answered(
        await asked.services.operations.replay(
            asked.principal.id, entry.id, publish=body.publish, wait_s=asked.seconds("wait_s", 15.0)
        )
    )


async def output(asked: Asked) -> Any:
    """What runs print, as they end: server-sent events."""
    product = asked.query("product")
    asked.allow(Action.RUN_READ, asked.of(product) if product else HANSA)
    return sse(_outputs(asked, product, asked.query("run"), bool(asked.flag("follow"))))


async def _outputs(asked: Asked, product: str | None, run: str | None, follow: bool) -> AsyncIterator[bytes]:
    log = asked.services.log
    position = log.log.bounds(RUNS_TOPIC, 0)[1]
    if not follow or run:
        page = await asyncio.to_thread(asked.services.runs.find, RunQuery(product=product, size=50))
        ids = [run] if run else [found.id for found in reversed(page.runs)]
        for run_id in ids:
            entry = await asked.services.operations.detail(run_id)
            if _told(entry):
                yield sse_event("output", _output(entry))
    if not follow:
        return
    woken = asyncio.Event()
    stop = log.watch(RUNS_TOPIC, woken.set)
    try:
        while True:
            woken.clear()
            for chunk in await asyncio.to_thread(log.log.read, RUNS_TOPIC, 0, position):
                for entry in _entries(chunk, position):
                    if _told(entry) and product in (None, entry.product) and run in (None, entry.id):
                        yield sse_event("output", _output(entry))
                position = chunk.end
            try:
                await asyncio.wait_for(woken.wait(), 15.0)
            except TimeoutError:
                yield b": still here\n\n"
    finally:
        stop()


def _entries(chunk: Chunk, position: int) -> list[RunEntry]:
    pairs = msgspec.msgpack.decode(as_array(chunk.entries, chunk.count), type=list[tuple[str, RunEntry]])
    return [entry for at, (_, entry) in enumerate(pairs, chunk.base) if at >= position]


def _output(entry: RunEntry) -> dict[str, Any]:
    found = {"run": entry.id, "process": f"{entry.product}:{entry.process}", "state": entry.state, "text": entry.output}
    if entry.error is not None:
        found["error"] = msgspec.to_builtins(entry.error)
    return found


def _told(entry: RunEntry) -> bool:
    """True for what people follow: whatever was printed, and every failure."""
    return bool(entry.output) or (entry.error is not None and entry.state in FINAL)


async def schedules(asked: Asked) -> Any:
    """Every schedule: when it fires next, when it fired last, whether it is paused."""
    asked.allow(Action.CATALOGUE_READ)
    services = asked.services
    now_us = time.time_ns() // 1000
    paused = services.registry.paused_triggers()
    found = []
    for product in services.mesh.products.values():
        for live in product.processes.values():
            for index, trigger in enumerate(live.spec.triggers):
                if not isinstance(trigger, ScheduleTrigger | OnceTrigger):
                    continue
                key = TriggerKey(product.id, live.spec.name, index)
                last = services.log.log.position(f"schedule:{key}", "_schedules", 0)
                found.append(
                    {"process": live.id, "index": index, "trigger": trigger, "explained": schedule.explain(trigger),
                     "next": [rfc3339(at) for at in schedule.next_times(trigger, now_us, NEXT_TIMES)],
                     "last": rfc3339(last) if last else None, "paused": key in paused}
                )  # fmt: skip
    return found


async def pause(asked: Asked) -> Any:
    """The trigger starts nothing until it is resumed."""
    return await _toggle(asked, paused=True)


async def resume(asked: Asked) -> Any:
    """The trigger starts runs again."""
    return await _toggle(asked, paused=False)


async def _toggle(asked: Asked, *, paused: bool) -> Any:
    process, index = asked.path("process"), int(asked.path("index"))
    asked.allow(Action.TRIGGER_MANAGE, asked.member(process))
    live = asked.services.mesh.process(process)
    key = TriggerKey(live.product.id, live.spec.name, index)
    registry = asked.services.registry
    change = registry.pause_trigger if paused else registry.resume_trigger
    await asyncio.to_thread(change, asked.principal.id, key)
    await asked.services.mesh.resubscribe(live.product.id)
    (asked.services.scheduler.pause if paused else asked.services.scheduler.resume)(str(key))
    return {"process": process, "index": index, "paused": paused}
