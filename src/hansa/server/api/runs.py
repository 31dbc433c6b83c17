"""Runs: start by hand, find, follow, replay, cancel; schedules and triggers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final

import msgspec
from starlette.responses import Response

from hansa.access.decide import Action
from hansa.discovery.runs import RunQuery
from hansa.errors import CallerError
from hansa.eventlog.interface import Chunk, as_array
from hansa.lifecycle.operations import SEEN_S
from hansa.model.product import (
    EventTrigger,
    KafkaTrigger,
    OnceTrigger,
    PortTrigger,
    ScheduleTrigger,
    Trigger,
    flow_text,
)
from hansa.model.run import CARRIED, FINAL, RUNS_TOPIC, RunEntry, RunState
from hansa.model.trigger_key import trigger_names
from hansa.registry.values import TriggerKey
from hansa.runtime import wire
from hansa.runtime.live import LiveProcess
from hansa.server.api.base import ApiRoute, Asked, Endpoint, require
from hansa.server.api.run_forms import Output, RunDetail, RunsFound, answered, run_detail
from hansa.server.api.streaming import sse, sse_event
from hansa.server.forms import Limit, Moment, ServerSentEvent, Time, Waiting
from hansa.server.merge import rfc3339
from hansa.server.operation import EVENT_STREAM, JSON
from hansa.server.passing import passed_on
from hansa.triggers import schedule
from hansa.views.times import parse_time

NEXT_TIMES: Final = 5
OUTPUTS: Final = 50
"""Of how many runs `/output` tells what they printed before it was asked."""
WAIT_S: Final = 15.0
Wait = Annotated[float, msgspec.Meta(ge=0, le=300, description="How many seconds the answer may wait for the result.")]


class StartQuery(msgspec.Struct):
    """`from_run` takes the payload of that run, `only` works that one logic, `dry` commits nothing."""

    from_run: str | None = None
    only: str | None = None
    dry: bool = False
    wait_s: Wait = WAIT_S


class DeadQuery(msgspec.Struct, kw_only=True):
    product: str | None = None
    process: str | None = None
    state: RunState | None = None
    trigger: str | None = None
    principal: str | None = None
    parent: str | None = None
    since: Time | None = None
    until: Time | None = None
    text: str | None = None
    limit: Limit = 50
    after: str | None = None
    token: str | None = None


class RunsQuery(DeadQuery, kw_only=True):
    dead: bool | None = None


class ReplayQuery(msgspec.Struct):
    wait_s: Wait = WAIT_S


class OutputQuery(msgspec.Struct):
    """`follow` goes on with what runs will print."""

    product: str | None = None
    run: str | None = None
    follow: bool = False


RESULT: Final = {JSON: Any, "*/*": Any}
"""What a run answers has the media type that its aggregator gives it, and with any other status of success `2XX`."""
ALSO: Final = {"202": Waiting, "2XX": Any}


class Replay(msgspec.Struct, forbid_unknown_fields=True):
    """`publish` makes the replay of a run that succeeded publish again, marked as such."""

    publish: bool = False


class ProcessSummary(msgspec.Struct, frozen=True):
    """A live process: what starts it, its steps, how they are composed, and how many runs it has now."""

    id: str
    product: str
    triggers: tuple[Trigger, ...]
    steps: list[str]
    flow: str
    description: str
    use_case: str | None
    running: int


class ScheduleDetail(msgspec.Struct, frozen=True):
    """A schedule in words, its next times, the last one that was kept, and whether it is paused."""

    process: str
    index: int
    trigger: ScheduleTrigger | OnceTrigger
    explained: str
    next: list[Moment]
    last: Moment | None
    paused: bool


class TriggerSet(msgspec.Struct, frozen=True):
    """Whether a trigger is paused now."""

    process: str
    index: int
    paused: bool


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [
        endpoint.route("GET", "/processes", processes, Action.CATALOGUE_READ),
        endpoint.route(
            "POST", "/processes/{process}/runs", start, Action.RUN_START, content=JSON, answers=RESULT, also=ALSO
        ),
        endpoint.route("GET", "/runs", find, Action.RUN_READ),
        endpoint.route("GET", "/dead_letters", dead_letters, Action.RUN_READ),
        endpoint.route("GET", "/runs/{run}", show, Action.RUN_READ),
        endpoint.route("GET", "/runs/{run}/result", result, Action.RESULT_READ, answers=RESULT, also=ALSO),
        endpoint.route("POST", "/runs/{run}/cancel", cancel, Action.RUN_CANCEL),
        endpoint.route("POST", "/runs/{run}/replay", replay, Action.RUN_REPLAY, answers=RESULT, also=ALSO),
        endpoint.route("GET", "/output", output, Action.RUN_READ, answers={EVENT_STREAM: ServerSentEvent}),
        endpoint.route("GET", "/schedules", schedules, Action.CATALOGUE_READ),
        endpoint.route("POST", "/triggers/{process}/{index:int}/pause", pause, Action.TRIGGER_MANAGE),
        endpoint.route("POST", "/triggers/{process}/{index:int}/resume", resume, Action.TRIGGER_MANAGE),
    ]


async def processes(asked: Asked) -> list[ProcessSummary]:
    """All live processes and what starts them."""
    asked.allow()
    mesh = asked.services.mesh
    return [
        _process(live)
        for product in mesh.products.values()
        if asked.sees(product.id)
        for live in product.processes.values()
    ]


def _process(live: LiveProcess) -> ProcessSummary:
    spec = live.spec
    return ProcessSummary(
        live.id, live.product.id, spec.triggers, [s.name for s in spec.steps], flow_text(spec.flow), spec.description,
        spec.use_case, live.running,
    )  # fmt: skip


async def start(asked: Asked, query: StartQuery) -> Response:
    """Starts a process by hand, with any JSON payload; waits for its result. Two requests with the same header
    `Idempotency-Key` are one run."""
    process = asked.path("process")
    asked.allow(asked.member(process))
    payload = await asked.body()
    if payload:
        _check_json(payload)
    source, records = None, None
    if query.from_run is not None:
        entry, records = await asked.services.operations.source_of(query.from_run)
        require(asked.principal, Action.RUN_READ, asked.of(entry.product))
        source = entry.payload or msgspec.msgpack.encode(wire.Source(entry.trigger, detail=entry.trigger_detail))
    answer = await asked.services.operations.start(
        asked.principal.id, process, payload, wait_s=query.wait_s, only=query.only, dry=query.dry, source=source,
        records=records, key=asked.request.headers.get("idempotency-key"),
    )  # fmt: skip
    return answered(answer)


def _check_json(payload: bytes) -> None:
    try:
        msgspec.json.decode(payload)
    except msgspec.DecodeError as failure:
        raise CallerError("body.not_json", f"The payload is not JSON: {failure}", hint="Send JSON.") from None


async def find(asked: Asked, query: RunsQuery) -> RunsFound:
    """Runs, newest first: those of the domains in which the caller may see them. `behind` says why the newest may be
    missing, where the view could not follow the log."""
    return await _find(asked, query, query.dead)


async def dead_letters(asked: Asked, query: DeadQuery) -> RunsFound:
    """Runs and records that failed for good; each can be replayed."""
    return await _find(asked, query, True)


async def _find(asked: Asked, query: DeadQuery, dead: bool | None) -> RunsFound:
    domains = _readable(asked, query.product)
    services = asked.services
    behind = await asked.behind(services.views, query.token, "runs", SEEN_S)
    wanted = RunQuery(
        product=query.product, domains=domains, process=query.process, state=query.state, trigger=query.trigger,
        principal=query.principal, parent=query.parent, dead=dead,
        since_us=parse_time(query.since) if query.since else None,
        until_us=parse_time(query.until) if query.until else None,
        text=query.text, size=query.limit, after=query.after,
    )  # fmt: skip
    return RunsFound.of(await asyncio.to_thread(services.runs.find, wanted), behind)


def _readable(asked: Asked, product: str | None) -> list[str] | None:
    """Decides on one product, or on all: then these are the domains that can be seen, None for all."""
    if product is not None:
        asked.allow(asked.of(product))
        return None
    found = asked.within()
    return sorted(found) if found is not None else None


async def show(asked: Asked) -> RunDetail:
    """Everything that is known of a run."""
    entry = await asked.services.operations.detail(asked.path("run"))
    asked.allow(asked.of(entry.product))
    return await _detail(asked, entry)


async def _detail(asked: Asked, entry: RunEntry) -> RunDetail:
    children = await asyncio.to_thread(asked.services.runs.find, RunQuery(parent=entry.id, size=100))
    return run_detail(entry, [run.id for run in children.runs])


async def result(asked: Asked) -> Response:
    """The result of a run as its caller would have got it; 202 while it runs."""
    run_id = asked.path("run")
    active = asked.services.engine.active.get(run_id)
    if active is not None:
        asked.allow(asked.of(active.live.product.id, account=active.principal))
    else:
        entry = await asked.services.operations.detail(run_id)
        asked.allow(asked.of(entry.product, account=entry.principal))
    return answered(await asked.services.operations.answer(run_id))


async def cancel(asked: Asked) -> RunDetail:
    """Ends a run that is not over, at whichever node it is."""
    run_id = asked.path("run")
    active = asked.services.engine.active.get(run_id)
    product = active.live.product.id if active else (await asked.services.operations.detail(run_id)).product
    asked.allow(asked.of(product))
    if active is None and (told := await passed_on(asked.request, asked.services.others())) is not None:
        return msgspec.json.decode(told, type=RunDetail)
    return await _detail(asked, await asked.services.operations.cancel(asked.principal.id, run_id))


async def replay(asked: Asked, query: ReplayQuery, body: Replay) -> Response:
    """A dead letter gets a new attempt; a run that succeeded is run again, publishing nothing unless asked to."""
    entry = await asked.services.operations.detail(asked.path("run"))
    asked.allow(asked.of(entry.product))
    operations = asked.services.operations
    return answered(await operations.replay(asked.principal.id, entry.id, publish=body.publish, wait_s=query.wait_s))


async def output(asked: Asked, query: OutputQuery) -> Response:
    """What runs print, as they end: server-sent events."""
    if query.run is not None:
        entry = await asked.services.operations.detail(query.run)
        asked.allow(asked.of(entry.product))
        return sse(asked, _outputs(asked, query, None))
    return sse(asked, _outputs(asked, query, _readable(asked, query.product)))


async def _outputs(asked: Asked, query: OutputQuery, domains: list[str] | None) -> AsyncGenerator[bytes, None]:
    log = asked.services.log
    position = log.log.bounds(RUNS_TOPIC, 0)[1]
    for run_id in await _earlier(asked, query, domains):
        entry = await asked.services.operations.detail(run_id)
        if _told(entry):
            yield sse_event("output", Output.of(entry))
    if not query.follow:
        return
    woken = asyncio.Event()
    stop = log.watch(RUNS_TOPIC, woken.set)
    try:
        while True:
            woken.clear()
            for chunk in await asyncio.to_thread(log.log.read, RUNS_TOPIC, 0, position):
                for entry in _entries(chunk, position):
                    if _told(entry) and _wanted(entry, query, domains):
                        yield sse_event("output", Output.of(entry))
                position = chunk.end
            await woken.wait()
    finally:
        stop()


async def _earlier(asked: Asked, query: OutputQuery, domains: list[str] | None) -> list[str]:
    """The runs, oldest first, whose output is told before any that is to come."""
    if query.run is not None:
        return [query.run]
    if query.follow:
        return []
    await asked.services.views.reach(await asked.token(None), SEEN_S, "runs")
    wanted = RunQuery(product=query.product, domains=domains, size=OUTPUTS)
    page = await asyncio.to_thread(asked.services.runs.find, wanted)
    return [found.id for found in reversed(page.runs)]


def _wanted(entry: RunEntry, query: OutputQuery, domains: list[str] | None) -> bool:
    is_visible = domains is None or entry.product.partition(".")[0] in domains
    return is_visible and query.product in (None, entry.product) and query.run in (None, entry.id)


def _entries(chunk: Chunk, position: int) -> list[RunEntry]:
    if CARRIED in chunk.header:
        return []
    pairs = msgspec.msgpack.decode(as_array(chunk.entries, chunk.count), type=list[tuple[str, RunEntry]])
    return [entry for at, (_, entry) in enumerate(pairs, chunk.base) if at >= position]


def _told(entry: RunEntry) -> bool:
    """True for what people follow: whatever was printed, and every failure."""
    return bool(entry.output) or (entry.error is not None and entry.state in FINAL)


async def schedules(asked: Asked) -> list[ScheduleDetail]:
    """Every schedule: when it fires next, when it fired last (null before it did, and since it was resumed), whether it
    is paused."""
    asked.allow()
    services = asked.services
    now_us = time.time_ns() // 1000
    paused = await asyncio.to_thread(services.registry.paused_triggers)
    found = []
    for product in filter(lambda product: asked.sees(product.id), services.mesh.products.values()):
        for live in product.processes.values():
            names = trigger_names(live.spec.triggers)
            for index, trigger in enumerate(live.spec.triggers):
                if not isinstance(trigger, ScheduleTrigger | OnceTrigger):
                    continue
                key = TriggerKey(product.id, live.spec.name, names[index])
                stands = services.log.log.position(f"schedule:{services.scheduler.place(str(key))}", "_schedules", 0)
                last = schedule.fired_last(trigger, stands or None)
                times = [rfc3339(at) for at in schedule.next_times(trigger, now_us, NEXT_TIMES)]
                found.append(
                    ScheduleDetail(
                        live.id, index, trigger, schedule.explain(trigger), times, rfc3339(last) if last else None,
                        key in paused,
                    )
                )  # fmt: skip
    return found


async def pause(asked: Asked) -> TriggerSet:
    """The trigger starts nothing until it is resumed."""
    return await _toggle(asked, paused=True)


async def resume(asked: Asked) -> TriggerSet:
    """The trigger starts runs again."""
    return await _toggle(asked, paused=False)


_PAUSED: Final = (ScheduleTrigger, OnceTrigger, PortTrigger, EventTrigger, KafkaTrigger)
"""What starts runs by itself."""


async def _toggle(asked: Asked, *, paused: bool) -> TriggerSet:
    process, index = asked.path("process"), int(asked.path("index"))
    asked.allow(asked.member(process))
    live = asked.services.mesh.process(process)
    names = dict(enumerate(trigger_names(live.spec.triggers)))
    if index < len(names) and not isinstance(live.spec.triggers[index], _PAUSED):
        raise CallerError(
            "trigger.not_pausable",
            f"{names[index]} of {process} starts what somebody asks for, and is not paused",
            hint="Pause a schedule or a subscription; `hansa schedules` tells the index of each schedule.",
            details={"status": 409},
        )
    key = TriggerKey(live.product.id, live.spec.name, names.get(index, f"#{index}"))
    registry = asked.services.registry
    change = registry.pause_trigger if paused else registry.resume_trigger
    await asyncio.to_thread(change, asked.principal.id, key)
    await asked.services.mesh.resubscribe(live.product.id)
    (asked.services.scheduler.pause if paused else asked.services.scheduler.resume)(str(key))
    await asked.services.mesh.spread()
    return TriggerSet(process, index, paused)
