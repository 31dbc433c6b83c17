"""What an author may not write: each line that ends in `# error` is one for mypy and pyright; no other line is."""

from hansa import (
    Context,
    DataProduct,
    OutputPort,
    Problem,
    ReadContext,
    Reply,
    each,
    http,
    on,
    parallel,
    publish_to,
    reply,
    when,
)

from .ports import Delay, Departure, delays, departures

product = DataProduct(__file__)


@product.logic
def look(departure: Departure, *, ctx: ReadContext) -> Delay:
    ctx.publish(delays, Delay("a", 1.0))  # error
    ctx.emit("seen")  # error
    return Delay(departure.flight_id, departure.delay_min)  # error


@product.logic
def write(departure: Departure, *, ctx: Context) -> float:
    ctx.publish(delays, departure)  # error
    ctx.publish(delays, [departure])  # error
    ctx.publish(departures, departure)  # error
    departure.origin = "JFK"  # error
    raise Problem("400", "a.b", "text")  # error


@product.logic
def read(departure: Departure, *, ctx: Context) -> str:
    found = ctx.lookup(departures, flight_id="x")
    return found.origin  # error


def plain(value: int) -> int:
    return value


missing = Delay("a")  # error
surplus = Departure("a", "JFK", 3)  # error
misfit = Delay("a", "late")  # error
port: OutputPort[Departure] = delays  # error

look(1)  # error
look(Departure("a", "JFK"))  # error
answer: Reply[str] = Reply(1)  # error

product.process("a", plain, reply)  # error
product.process("b", look, publish_to(departures))  # error
product.process("c", look, reply, on="daily")  # error
product.process("d", look, reply, durability="all")  # error
product.process("e", look, reply, on=http.get("/", mode="later"))  # error
product.process("f", look, reply, on=on("operations.flights/departures@1"))  # error
product.process("g", look, reply, on=on.event())  # error
product.process("h", parallel(look, plain), reply)  # error
product.process("i", parallel(look, quorum="all"), reply)  # error
product.process("j", each(look, timeout_s="2s"), reply)  # error
product.process("k", each([look]), reply)  # error
product.process("l", when(look, write), reply)  # error
product.process("m", when(lambda value: True, write), reply)  # error
product.process("n", [look, write], reply)  # error
