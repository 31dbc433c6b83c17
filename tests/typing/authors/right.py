"""What an author may write: mypy strict and pyright strict find nothing to say."""

from collections.abc import Iterator
from typing import Any

from hansa import (
    Chunk,
    Context,
    DataProduct,
    Drop,
    Error,
    Files,
    Http,
    Problem,
    ReadContext,
    Reply,
    Retry,
    Sql,
    each,
    http,
    manual,
    on,
    once,
    parallel,
    publish_to,
    reply,
    schedule,
    when,
)

from .ports import Delay, Departure, delays, departures

product = DataProduct(__file__)


@product.resource
def limits() -> dict[str, float]:
    return {"JFK": 15.0}


@product.logic
def add_delay(departure: Departure, *, ctx: Context, limits: dict[str, float]) -> Delay | Drop:
    known = ctx.lookup(departures, flight_id=departure.flight_id)
    if known is None:
        return Drop("unknown")
    ctx.emit("delay.seen", source=known.origin, payload={"limit": limits["JFK"]})
    return Delay(departure.flight_id, 3.0, temp_f=None)


@add_delay.on_error
def keep(error: Error, *, ctx: Context) -> str:
    ctx.output.error(error.message, origin=error.origin)
    return error.code


@product.logic
def load(*, files: Files, ctx: ReadContext) -> Iterator[Chunk[Delay]]:
    for number, file in enumerate(files.list()):
        if ctx.position is None or number > ctx.position:
            yield Chunk([Delay(file.path, 1.0)], number)


@product.logic
def write(body: list[str], *, db: Sql, api: Http, ctx: Context, service: str, limit: int = 10) -> dict[str, int]:
    if not body:
        raise Problem(400, "logs.empty", "The list is empty", hint="Send one.")
    rows = db.query("select 1 from logs where service = ?", (service,))
    answer = api.get("/limits", query={"limit": limit})
    ctx.publish(delays, Delay(service, float(len(rows))))
    ctx.publish(delays, [Delay(line, answer.json()["delay"]) for line in body])
    ctx.state.put(service, ctx.now().isoformat())
    return {"affected": db.execute("insert into logs values (?, ?)", [(service, line) for line in body])}


@product.aggregator
def respond(result: dict[str, int], *, created: bool = False) -> Reply[dict[str, Any]]:
    return Reply({"result": result}, status=201 if created else 200, headers={"x-made": "here"})


@product.logic
def is_late(delay: Delay) -> bool:
    return delay.delay_min > 15


@product.logic
def many(departures: list[Departure]) -> list[Departure]:
    return departures


@product.aggregator
def end(value: dict[str, Any], *, many: list[Departure], add_delay: Delay | None = None) -> int:
    return len(many)


product.process("side", parallel(add_delay, [many, each(add_delay, concurrency=4)], quorum=1, timeout_s=2.5), end)
product.process("ways", add_delay, when(is_late, [add_delay, many], respond.using()), reply)
product.process("then", add_delay, when(is_late, parallel(many, when(is_late, many))), reply)
product.process("join", add_delay, publish_to(delays), on=on(departures, batch=1000, origin="JFK"))
product.process("load", load, publish_to(delays), on=[once(), manual()], retry=Retry(attempts=3), durability="step")
product.process("write", write, respond.using(created=True), on=http.post("/logs/{service}", mode="async"))
product.process("echo", write, reply, on=[on.event("log.written"), schedule.every("5m"), schedule.cron("0 6 * * *")])

answered: Reply[dict[str, Any]] = respond({"affected": 1}, created=True)
text: str = delays.name
