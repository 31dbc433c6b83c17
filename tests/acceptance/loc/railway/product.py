"""Three logics and an aggregator, any of which raises on request, in its body or in its on_error."""

from dataclasses import dataclass

from hansa import Context, DataProduct, Error, Reply, http

product = DataProduct(__file__)


@dataclass(frozen=True)
class Journey:
    """`raises` names the logic whose body raises, `on_error_raises` the one whose on_error does."""

    raises: str = ""
    on_error_raises: str = ""


def travel(station: str, journey: Journey, ctx: Context) -> Journey:
    """Passes a station, unless the journey ends there."""
    ctx.emit("station.passed", source=ctx.run.id, target=station)
    if journey.raises == station:
        raise ValueError(f"derailed at {station}")
    return journey


def recover(station: str, journey: Journey, ctx: Context) -> None:
    """Notes that the station was passed on the other rail."""
    ctx.emit("station.handled", source=ctx.run.id, target=station)
    if journey.on_error_raises == station:
        raise RuntimeError(f"derailed again at {station}")


@product.logic
def first(journey: Journey, *, ctx: Context) -> Journey:
    return travel("first", journey, ctx)


@first.on_error
def first_error(error: Error, *, ctx: Context, payload: Journey) -> None:
    recover("first", payload, ctx)


@product.logic
def second(journey: Journey, *, ctx: Context) -> Journey:
    return travel("second", journey, ctx)


@second.on_error
def second_error(error: Error, *, ctx: Context, payload: Journey) -> None:
    recover("second", payload, ctx)


@product.logic
def third(journey: Journey, *, ctx: Context) -> Journey:
    return travel("third", journey, ctx)


@third.on_error
def third_error(error: Error, *, ctx: Context, payload: Journey) -> None:
    recover("third", payload, ctx)


@product.aggregator
def finish(journey: Journey, *, ctx: Context) -> dict[str, str]:
    travel("finish", journey, ctx)
    return {"status": "ok"}


@finish.on_error
def finish_error(error: Error, *, ctx: Context, payload: Journey) -> Reply[dict[str, str]]:
    recover("finish", payload, ctx)
    told = {"status": "error", "message": error.message, "origin": error.origin, "revision": ctx.run.revision}
    return Reply(told, status=500)


product.process("journey", first, second, third, finish, on=http.post("/journeys"))
