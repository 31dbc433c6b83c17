"""What authors write: decorated logic stays a function; triggers and processes refuse what cannot be."""

import inspect
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from hansa import (
    Context,
    DataProduct,
    Error,
    OutputPort,
    Problem,
    Record,
    http,
    manual,
    on,
    once,
    publish_to,
    reply,
    schedule,
)
from hansa.errors import AuthorError, HansaError
from hansa.model.product import HttpTrigger, PortTrigger
from hansa.sdk.flow import leaves
from hansa.sdk.triggers import path_names
from hansa.testing.fake import FakeContext


class Departure(Record, frozen=True):
    flight_id: str
    origin: str
    delay_min: float | None = None


departures = OutputPort("operations.flights/departures@1", Departure, key=("flight_id",))


@pytest.fixture
def product() -> DataProduct:
    return DataProduct(__file__)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(HansaError) as failure:
        call()
    return failure.value.code


def test_logic_stays_a_callable_with_its_signature(product: DataProduct) -> None:
    @product.logic
    def double(value: int, *, times: int = 2) -> int:
        """Doubles."""
        return value * times

    assert (double(3), double(3, times=5), double.doc, double.__name__) == (6, 15, "Doubles.", "double")
    assert str(inspect.signature(double)) == "(value: int, *, times: int = 2) -> int"
    assert product.logics == {"double": double}


def test_settings_are_bound_in_one_place_only(product: DataProduct) -> None:
    @product.logic
    def double(value: int, *, times: int = 2) -> int:
        return value * times

    product.process("a", double.using(times=3), reply)
    product.process("b", double, reply)
    assert [next(leaves(d.flow)).settings for d in product.declarations.values()] == [{"times": 3}, {}]


def test_on_error_is_declared_once_and_stays_a_function(product: DataProduct) -> None:
    @product.logic
    def fail(value: int) -> int:
        raise ValueError

    @fail.on_error
    def mended(error: Error) -> str:
        return error.code

    assert mended(Error("x.y", "no")) == "x.y"
    assert fail.on_error_function is mended
    assert refused(lambda: fail.on_error(mended)) == "logic.on_error_twice"


def test_names_are_unique_and_follow_the_grammar(product: DataProduct) -> None:
    def clean(value: int) -> int:
        return value

    def cleanAll(value: int) -> int:
        return value

    def engine() -> int:
        return 1

    product.logic(clean)
    product.resource(engine)
    product.process("p", reply)
    assert refused(lambda: product.aggregator(clean)) == "logic.duplicate"
    assert refused(lambda: product.resource(engine)) == "resource.duplicate"
    assert refused(lambda: product.process("p", reply)) == "process.duplicate"
    assert refused(lambda: product.logic(cleanAll)) == "id.malformed"
    assert refused(lambda: product.process("Load All", reply)) == "id.malformed"


def test_a_process_refuses_what_is_no_logic_trigger_or_option(product: DataProduct) -> None:
    assert refused(lambda: product.process("a", print)) == "process.not_logic"  # type: ignore[arg-type]
    assert refused(lambda: product.process("b", reply, on="daily")) == "process.not_trigger"
    assert refused(lambda: product.process("c", reply, timeout_s=0)) == "process.option"
    assert refused(lambda: product.process("d", reply, concurrency=0)) == "process.option"
    assert refused(lambda: product.process("e", reply, durability="all")) == "process.option"  # type: ignore[arg-type]
    assert product.declarations == {}


def test_a_declaration_knows_where_it_was_written(product: DataProduct) -> None:
    frame = inspect.currentframe()
    assert frame is not None
    product.process("a", reply, on=[manual(), once()])
    declaration = product.declarations["a"]
    assert (declaration.file, declaration.line, len(declaration.triggers)) == (__file__, frame.f_lineno - 2, 2)


@pytest.mark.parametrize("published", [Departure("a", "JFK"), [Departure("a", "JFK")], iter([Departure("a", "JFK")])])
def test_publish_to_takes_one_record_or_many(published: object) -> None:
    seen: list[object] = []

    class Publishing:
        def publish(self, port: object, records: list[object]) -> int:
            seen.append((port, records))
            return len(records)

    assert publish_to(departures)(published, ctx=Publishing()) == {"published": 1}
    assert seen == [(departures, [Departure("a", "JFK")])]
    assert publish_to(departures)(None, ctx=Publishing()) == {"published": 0}


def test_a_filter_must_name_fields_of_the_records() -> None:
    trigger = on(departures, batch=10, start="latest", where={"origin": "JFK"}, flight_id="x")
    assert isinstance(trigger, PortTrigger)
    assert (trigger.where, trigger.batch, trigger.start) == ({"origin": "JFK", "flight_id": "x"}, 10, "latest")
    assert refused(lambda: on(departures, orign="JFK")) == "port.field_unknown"
    assert refused(lambda: on(departures, batch=0)) == "trigger.batch"


@pytest.mark.parametrize("path", ["orders", "/a b", "/{a", "/a}", "/{a}/{a}", "/{1}", "/{}", "/a?b=1", "/#"])
def test_a_path_that_cannot_be_a_route_is_refused(path: str) -> None:
    assert refused(lambda: http.get(path)) == "http.path"


def test_every_method_makes_its_route() -> None:
    methods = ["get", "post", "put", "patch", "delete", "head", "options"]
    routes = [getattr(http, method)("/a/{b}", mode="async", wait_s=3) for method in methods]
    assert [(r.method, r.mode, r.wait_s) for r in routes] == [(m.upper(), "async", 3) for m in methods]
    assert (path_names("/a/{b}/{c}"), isinstance(routes[0], HttpTrigger)) == (("b", "c"), True)
    assert refused(lambda: http.get("/", wait_s=0)) == "http.wait"


@pytest.mark.parametrize(
    ("interval", "seconds"), [(5, 5), ("30s", 30), ("5m", 300), ("1.5h", 5400), ("2d", 172800), ("500ms", 0.5)]
)
def test_intervals_are_seconds_or_text(interval: float | str, seconds: float) -> None:
    assert schedule.every(interval).every_s == seconds


@pytest.mark.parametrize("interval", [0, -1, "5", "m", "5 weeks", ""])
def test_other_intervals_are_refused(interval: float | str) -> None:
    assert refused(lambda: schedule.every(interval)) == "schedule.interval"


def test_schedules_name_their_fault() -> None:
    assert schedule.cron("0 6 * * *", timezone="Europe/Berlin").timezone == "Europe/Berlin"
    assert refused(lambda: schedule.cron("0 6 * *")) == "schedule.cron"
    assert refused(lambda: schedule.cron("0 6 * * *", timezone="Berlin")) == "schedule.timezone"
    assert refused(lambda: once("tomorrow")) == "once.time"
    assert refused(lambda: once("2026-12-24T18:00:00")) == "once.time"
    assert (
        once("2026-12-24T18:00:00Z").at
        == once(datetime(2026, 12, 24, 18, tzinfo=UTC)).at
        == "2026-12-24T18:00:00+00:00"
    )


def test_a_problem_survives_the_way_between_processes() -> None:
    problem = pickle.loads(
        pickle.dumps(Problem(404, "order.unknown", "No order 7", hint="Ask for another.", details={"id": 7}))
    )
    assert (problem.status, problem.code, problem.hint, problem.details) == (
        404,
        "order.unknown",
        "Ask for another.",
        {"id": 7},
    )


def test_context_is_abstract() -> None:
    assert {"publish", "emit", "lookup", "call", "now", "uuid"} <= Context.__abstractmethods__


@pytest.mark.parametrize("act", [on, publish_to])
def test_the_name_of_a_port_is_no_port(act: Callable[[Any], object]) -> None:
    with pytest.raises(AuthorError) as caught:
        act("shop.orders/refunds@1")
    assert caught.value.code == "port.not_handle"
    assert caught.value.hint == "Import its handle: 'from .ports import refunds'."
    with pytest.raises(AuthorError, match="takes a port, not 'refunds'"):
        FakeContext().publish("refunds", [])  # type: ignore[arg-type]
