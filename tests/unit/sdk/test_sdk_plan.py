"""Plan: each name from exactly one place, each value into a type that can take it, and findings with file and line."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hansa.model.product import (
    ContractSpec,
    EventTrigger,
    HttpTrigger,
    InputPortSpec,
    OutputPortSpec,
    PortKind,
    PortTrigger,
    ProductSpec,
)
from hansa.sdk.load import load_product, unload_product
from hansa.sdk.plan import compile_product
from hansa.sdk.process import MISSING
from hansa.sdk.product import DataProduct

PORTS = """
from hansa import InputPort, OutputPort, Record

class Departure(Record, frozen=True):
    flight_id: str
    origin: str

class Delay(Record, frozen=True):
    flight_id: str
    delay_min: float | None = None

departures = InputPort("operations.flights/departures@1", Departure, key=("flight_id",))
hours = InputPort("weather.hours/hourly@1", Departure, key=("origin",))
delays = OutputPort("analytics.delays/delays@1", Delay, key=("flight_id",))
"""

HEAD = """
from __future__ import annotations
from collections.abc import Iterator
from hansa import *
from . import ports
from .ports import Delay, Departure, delays, departures
product = DataProduct(__file__)
"""

DECLARED = ProductSpec(
    "analytics.delays",
    "Delays",
    connections=("db", "mailbox"),
    inputs=(
        InputPortSpec("departures", "operations.flights/departures@1"),
        InputPortSpec("hours", "weather.hours/hourly@1"),
    ),
    outputs=(
        OutputPortSpec("analytics.delays/delays@1", "delays", "1.0.0", PortKind.STREAM, ContractSpec("d", "1.0.0", ())),
    ),
)

Compiled = tuple[DataProduct, ProductSpec, list[str]]
Compile = Callable[..., Compiled]


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[Compile]:
    """Compiles a product of that source; findings come as `code @line: message hint`."""

    def compiled(source: str, declared: ProductSpec = DECLARED) -> Compiled:
        (tmp_path / "ports.py").write_text(PORTS)
        (tmp_path / "product.py").write_text(HEAD + textwrap.dedent(source))
        product = load_product(tmp_path, "planned_product")
        spec, findings = compile_product(product, declared)
        assert all(f.file == "product.py" for f in findings)
        return product, spec, [f"{f.code} @{f.line - HEAD.count(chr(10))}: {f.message} {f.hint}" for f in findings]

    yield compiled
    unload_product("planned_product")


def sources(product: DataProduct, process: str = "p", step: int = 0) -> dict[str, str]:
    return {parameter.name: parameter.source for parameter in product.processes[process].steps[step].parameters}


EVERY_SOURCE = """
@product.resource
def model() -> dict[str, float]:
    return {}

@product.logic
def first(body: dict[str, int]) -> dict[str, int]:
    return body

@product.logic
def second(value: dict[str, int], *, ctx: Context, model: dict[str, float], db: Sql, order_id: int,
           first: dict[str, int], payload: object, factor: int, page: int, size: int = 10) -> str:
    return ""

product.process("p", first, second.using(factor=2), reply, on=http.post("/orders/{order_id}"))
"""


def test_every_name_comes_from_its_one_place(plan: Compile) -> None:
    product, spec, findings = plan(EVERY_SOURCE)
    assert findings == []
    assert sources(product, step=1) == {
        "ctx": "ctx", "model": "resource", "db": "connection", "order_id": "path", "first": "result",
        "payload": "payload", "factor": "setting", "page": "query", "size": "query",
    }  # fmt: skip
    required = {p.name: p.required for p in spec.processes[0].steps[1].parameters}
    assert (required["page"], required["size"]) == (True, False)
    assert product.processes["p"].steps[1].settings == {"factor": 2}


def test_a_default_stands_in_where_there_is_no_query(plan: Compile) -> None:
    product, _, findings = plan("""
        @product.aggregator
        def end(*, size: int = 10): ...
        product.process("p", end, on=schedule.every("5m"))
    """)
    [parameter] = product.processes["p"].steps[0].parameters
    assert (findings, parameter.source, parameter.default) == ([], "default", 10)


@pytest.mark.parametrize(
    ("parameters", "on", "expected"),
    [
        ("*, odrer_id: str", "on(departures)", "parameter.unknown @2: Nothing gives end its parameter 'odrer_id'"),
        ("*, ctxt: Context", "http.get('/')", "Nothing gives end its parameter 'ctxt' Did you mean 'ctx'?"),
        ("*, modle: dict", "on(departures)", "Did you mean 'model'?"),
        ("*, page: int", "[http.get('/'), schedule.every(5)]", "not only HTTP starts the process Give it a default"),
        ("*, a: int", "[http.get('/x/{a}'), http.get('/y')]", "another does not give it"),
        ("*, warehouse: Sql", "http.get('/')", "connection.unknown @2: 'warehouse' of end is Sql, but product.yaml"),
        ("*, dbs: Sql", "http.get('/')", "Did you mean 'db'?"),
        ("*, db: int", "http.get('/')", "type.mismatch @2: 'db' of end is int, but a connection of that"),
        ("*, ctx: str", "http.get('/')", "type.mismatch @2: 'ctx' of end is str, but the context"),
        ("*, model: str", "http.get('/')", "but a resource of that name is dict[str, int]"),
        ("*, model: dict", "http.get('/{model}')", "parameter.ambiguous @2: 'model' of end could be"),
        ("*, db: Sql", "http.get('/{db}')", "could be a path parameter and a connection Rename one of them."),
        ("a, b", "http.get('/')", "parameter.position @2: end takes 'b' as its parameter 2"),
        ("*, body: Departure", "http.get('/')", "parameter.unknown @2: Nothing gives end its parameter 'body'"),
        ("**rest", "http.get('/')", "parameter.variadic"),
        ("a: Nowhere", "http.get('/')", "annotation.unknown @2: An annotation of end cannot be read: name 'Nowhere'"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_resolved_is_refused_in_words(
    plan: Compile, parameters: str, on: str, expected: str
) -> None:
    _, _, findings = plan(f"""
        @product.aggregator
        def end({parameters}): ...
        @product.resource
        def model() -> dict[str, int]: ...
        product.process("p", end, on={on})
    """)
    assert len(findings) == 1, findings
    assert expected in findings[0]


def test_a_setting_that_no_parameter_takes_is_refused(plan: Compile) -> None:
    _, _, findings = plan("""
        @product.aggregator
        def end(*, created: bool = False): ...
        product.process("p", end.using(craeted=True))
    """)
    assert findings == [
        "setting.unknown @4: end has no parameter 'craeted' that the setting could be for Did you mean 'created'?"
    ]


def test_a_setting_of_the_wrong_type_is_refused(plan: Compile) -> None:
    _, _, [finding] = plan("""
        @product.aggregator
        def end(*, created: bool = False): ...
        product.process("p", end.using(created="yes"))
    """)
    assert "'created' of end is bool, but a setting of that name is str" in finding


def test_on_error_takes_an_error_and_the_same_names(plan: Compile) -> None:
    product, _, findings = plan("""
        @product.aggregator
        def end(*, db: Sql): ...
        @end.on_error
        def mend(error: Error, *, ctx: Context, db: Sql, page: int = 1): ...
        @product.aggregator
        def other(): ...
        @other.on_error
        def wrong(text: str): ...
        product.process("p", end, on=http.get("/"))
        product.process("q", other)
    """)
    step = product.processes["p"].steps[0]
    assert step.on_error is not None
    assert [(p.name, p.source) for p in step.on_error_parameters] == [
        ("ctx", "ctx"),
        ("db", "connection"),
        ("page", "query"),
    ]
    assert findings == [
        "on_error.parameter @8: The on_error function wrong does not take an Error "
        "Its first parameter is 'error: Error'."
    ]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            "clean",
            "process.no_aggregator @10: The process p ends in the logic clean, not in an aggregator",
        ),
        ("reply, clean, reply", "process.aggregator_early @10: The aggregator reply is not the last of the process p"),
        ("", "process.empty @10: The process p has no logic"),
        ("later, reply", "logic.async @5: later is 'async def'; logic is plain 'def'"),
        ("stream, reply", "logic.async @8: stream is 'async def'; logic is plain 'def'"),
    ],
)
def test_a_process_that_is_not_composed_rightly_is_refused(plan: Compile, steps: str, expected: str) -> None:
    _, _, [finding] = plan(f"""
        @product.logic
        def clean(value): return value

        @product.logic
        async def later(value): return value

        @product.logic
        async def stream(value): yield value
        product.process("p"{steps and ", "}{steps})
    """)
    assert expected in finding


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ("departure: Departure) -> Departure", "d: Departure", True),
        ("departure: Departure) -> Departure | Drop", "d: Departure", True),
        ("departure: Departure) -> Departure | None", "d: Departure | None", True),
        ("departure: Departure) -> Departure | None", "d: Departure", False),
        ("departure: Departure)", "d: Delay", True),
        ("departure: Departure) -> list[Departure]", "d: Departure", True),
        ("departure: Departure) -> list[Departure]", "d: list[Departure]", False),
        ("departure: Departure) -> Iterator[Departure]", "d: list[Departure]", False),
        ("departure: Departure) -> Departure", "d: list[Departure]", True),
        ("departures: list[Departure]) -> Iterator[Chunk[Departure]]", "d: Departure", True),
        ("departure: Departure) -> Reply[int]", "d: Reply[int]", True),
        ("departure: Departure) -> Reply[int]", "d: float", False),
        ("departure: Departure) -> Delay", "d: Departure", False),
        ("departure: Departure) -> list[Delay]", "d: list[Departure]", False),
        ("departures: list[Departure]) -> Iterator[Chunk[Delay]]", "d: Departure", False),
        ("departure: Departure) -> None", "d: Departure", False),
        ("departure: Departure) -> None", "", True),
        ("departure: Departure) -> dict[str, int]", "d: dict[str, str]", False),
        ("departure: Departure) -> dict[str, int]", "d: Delay", False),
    ],
)
def test_what_a_logic_returns_must_fit_the_next(plan: Compile, first: str, second: str, fits: bool) -> None:
    _, _, findings = plan(f"""
        @product.logic
        def before({first}: ...
        @product.aggregator
        def after({second}): ...
        product.process("p", before, after, on=on(departures, batch=10))
    """)
    assert [finding.partition(" after it takes")[0].partition(":")[0] for finding in findings] == (
        [] if fits else ["type.mismatch @2"]
    )


def test_the_records_of_the_port_must_fit_the_first_logic(plan: Compile) -> None:
    _, _, [finding] = plan("""
        @product.aggregator
        def end(delay: Delay): ...
        product.process("p", end, on=on(departures))
    """)
    assert "type.mismatch @4: end takes Delay, but operations.flights/departures@1 has Departure" in finding


def test_what_is_published_must_fit_the_port(plan: Compile) -> None:
    _, _, [finding] = plan("""
        @product.logic
        def same(departure: Departure) -> Departure: ...
        product.process("p", same, publish_to(delays), on=on(departures))
    """)
    assert "same returns Departure, but publish_delays after it takes list[Delay]" in finding


def test_the_payload_is_what_the_first_logic_takes(plan: Compile) -> None:
    _, _, findings = plan("""
        @product.logic
        def before(departure: Departure) -> int: ...
        @product.aggregator
        def right(value: int, *, payload: Departure): ...
        @product.aggregator
        def wrong(value: int, *, payload: Delay): ...
        @product.aggregator
        def none(*, payload: Delay): ...
        @product.aggregator
        def one(value: list[int], *, payload: Departure): ...
        product.process("a", before, right, on=http.post("/a"))
        product.process("b", before, wrong, on=http.post("/b"))
        product.process("c", none, on=http.post("/c"))
        product.process("d", before, one, on=on(departures, batch=10))
    """)
    wrong, none, one = findings
    assert "'payload' of wrong is Delay, but the payload of the process b is Departure" in wrong
    assert "'payload' of none is Delay, but the payload of the process c is None" in none
    assert "'payload' of one is Departure, but the payload of the process d is Departure | list[Departure]" in one


def test_what_a_clock_gives_must_fit_the_first_logic(plan: Compile) -> None:
    _, _, findings = plan("""
        @product.aggregator
        def end(departure: Departure): ...
        @product.aggregator
        def start(): ...
        product.process("fine", end, on=schedule.every("5m", payload={"flight_id": "UA1", "origin": "EWR"}))
        product.process("pure", start, on=schedule.every("5m"))
        product.process("none", end, on=schedule.every("5m"))
        product.process("other", end, on=once(payload={"flight_id": 1, "origin": "EWR"}))
    """)
    none, other = findings
    assert "end takes Departure, but its schedule gives None: Expected `object`, got `null`" in none
    assert "but its once gives {'flight_id': 1, 'origin': 'EWR'}: Expected `str`, got `int` - at `$.flight_id`" in other


def test_what_is_yielded_first_are_chunks_and_has_no_result_of_its_own(plan: Compile) -> None:
    _, _, findings = plan("""
        @product.logic
        def numbers() -> Iterator[int]:
            yield 1
        @product.logic
        def load() -> Iterator[Chunk[int]]:
            yield Chunk([1])
        @product.aggregator
        def end(value: int, *, load: list[int]): ...
        product.process("a", numbers, reply)
        product.process("b", load, end)
    """)
    assert "chunk.missing @2: numbers yields what is no Chunk: it returns Iterator[int]" in findings[0]
    assert "The result of load is out of reach of end: it is a load" in findings[1]


def test_shapes_follow_the_annotation(plan: Compile) -> None:
    product, spec, findings = plan("""
        @product.aggregator
        def one(d: Departure): ...
        @product.aggregator
        def many(d: list[Departure] | None): ...
        @product.aggregator
        def none(): ...
        for logic in (one, many, none):
            product.process(logic.name, logic, on=[on(departures, batch=5), on.event("x")])
    """)
    assert findings == []
    record = load_record(product)
    shapes = {name: (p.steps[0].input.shape, p.steps[0].input.annotation) for name, p in product.processes.items()}
    assert shapes == {"one": ("one", record), "many": ("list", record), "none": ("none", Any)}
    single = {
        p.name: [t.single for t in p.triggers if isinstance(t, PortTrigger | EventTrigger)] for p in spec.processes
    }
    assert single == {"one": [True, True], "many": [False, False], "none": [False, False]}


def load_record(product: DataProduct) -> Any:
    return product.logics["one"].function.__globals__["Departure"]


def test_tables_are_told_by_name_without_importing_their_library(plan: Compile) -> None:
    product, _, _ = plan("""
        import types
        Table = type("Table", (), {"__module__": "pyarrow.lib"})
        DataFrame = type("DataFrame", (), {"__module__": "polars.dataframe.frame"})
        @product.aggregator
        def arrow(t: Table): ...
        @product.aggregator
        def polars(t: DataFrame): ...
        product.process("a", arrow)
        product.process("b", polars)
    """)
    assert [p.steps[0].input.shape for p in product.processes.values()] == ["arrow", "polars"]


def test_routes_are_completed(plan: Compile) -> None:
    _, spec, findings = plan("""
        @product.aggregator
        def write(d: Departure, *, n: int = 1) -> Reply[dict[str, int]]: ...
        @product.aggregator
        def raw(body: bytes): ...
        @product.aggregator
        def show() -> int: ...
        product.process("write", write, on=[http.post("/x/{n}"), http.put("/analytics/delays/y/{n}")])
        product.process("raw", raw, on=http.post("/"))
        product.process("show", show, on=http.get("/z"))
    """)
    assert findings == []
    routes = {(t.method, t.path): t for p in spec.processes for t in p.triggers if isinstance(t, HttpTrigger)}
    assert set(routes) == {
        ("POST", "/analytics/delays/x/{n}"), ("PUT", "/analytics/delays/y/{n}"),
        ("POST", "/analytics/delays"), ("GET", "/analytics/delays/z"),
    }  # fmt: skip
    write, raw, show = spec.processes
    post = write.triggers[0]
    assert isinstance(post, HttpTrigger)
    assert post.body_schema is not None
    assert post.body_schema["$defs"]["Departure"]["required"] == ["flight_id", "origin"]
    assert post.result_schema == {"type": "object", "additionalProperties": {"type": "integer"}}
    assert [t.body for p in (raw, show) for t in p.triggers if isinstance(t, HttpTrigger)] == ["bytes", "none"]


def test_reply_answers_with_what_the_last_logic_returns(plan: Compile) -> None:
    _, spec, _ = plan("""
        @product.logic
        def count(body: list[int]) -> int: ...
        product.process("p", count, reply, on=http.post("/"))
    """)
    [route] = spec.processes[0].triggers
    assert isinstance(route, HttpTrigger)
    assert (route.body_schema, route.result_schema) == (
        {"type": "array", "items": {"type": "integer"}}, {"type": "integer"}
    )  # fmt: skip


def test_ports_are_read_from_the_code(plan: Compile) -> None:
    _, spec, findings = plan("""
        def helper(ctx): return ctx.lookup(ports.hours, origin="JFK")
        @product.logic
        def join(d: Departure, *, ctx: Context) -> Delay:
            def inner(): return helper(ctx)
            return inner()
        @product.logic
        def again(d: Departure, *, ctx: Context) -> Delay:
            return ctx.lookup(delays, flight_id=d.flight_id)
        product.process("p", join, publish_to(delays), on=on(departures))
        product.process("q", again, reply)
    """)
    assert findings == []
    p, q = spec.processes
    assert p.reads == ("operations.flights/departures@1", "weather.hours/hourly@1")
    assert p.publishes == ("analytics.delays/delays@1",)
    assert (q.reads, q.publishes) == (("analytics.delays/delays@1",), ())


def test_a_port_that_the_files_do_not_declare_is_refused(plan: Compile) -> None:
    source = """
        @product.logic
        def late(d: Departure) -> Delay: ...
        product.process("p", late, publish_to(delays), on=on(departures))
    """
    _, _, findings = plan(source, ProductSpec("analytics.delays", "Delays"))
    assert findings == [
        f"port.undeclared @4: The process p {verb}, which product.yaml does not declare "
        "Declare it there, then run 'hansa sync'."
        for verb in ("reads operations.flights/departures@1", "publishes to analytics.delays/delays@1")
    ]


def test_a_resource_takes_nothing(plan: Compile) -> None:
    _, _, [finding] = plan("""
        @product.resource
        def model(name: str): ...
    """)
    assert finding.startswith("resource.parameters @2")


def test_logic_used_twice_has_two_names_and_one_finding(plan: Compile) -> None:
    product, spec, findings = plan("""
        @product.logic
        def add(n: int, *, by: int = 1, what: Departure) -> int: ...
        product.process("p", add, add.using(by=2), reply)
    """)
    assert [step.name for step in product.processes["p"].steps] == ["add", "add_2", "reply"]
    assert len(findings) == 1
    assert [logic.name for logic in spec.logic] == ["add"]


def test_the_digest_changes_with_the_source_alone(plan: Compile) -> None:
    source = "@product.logic\ndef add(n: int) -> int:\n    return n + 1\n"
    first = plan(source)[1].logic[0]
    moved = plan("\n\n" + source)[1].logic[0]
    changed = plan(source.replace("1", "2"))[1].logic[0]
    assert (first.digest, first.line + 2) == (moved.digest, moved.line)
    assert first.digest != changed.digest


def test_the_digest_changes_with_what_runs_when_something_raised(plan: Compile) -> None:
    source = "@product.logic\ndef add(n: int) -> int:\n    return n\n"
    handled = source + "@add.on_error\ndef failed(error: Error) -> int:\n    return 1\n"
    digests = {plan(code)[1].logic[0].digest for code in (source, handled, handled.replace("1", "2"))}
    assert len(digests) == 3


def test_translators_are_described_by_the_digest_of_their_source(plan: Compile) -> None:
    source = "@product.translator\ndef up(departure: Departure) -> Departure:\n    return departure\n"
    first, moved, changed = (
        plan(code)[1].translators["up"] for code in (source, f"\n{source}", source.replace("return d", "return  d"))
    )
    assert first == moved != changed


def test_options_and_descriptions_reach_the_spec(plan: Compile) -> None:
    _, spec, _ = plan('''
        @product.aggregator
        def end():
            """Ends it."""
        product.process("p", end, on=manual(), use_case="u", tags=["a"], timeout_s=5, retry=Retry(attempts=3),
                        durability="step", concurrency=2, description="Does it.")
    ''')
    [process] = spec.processes
    assert (process.use_case, process.tags, process.timeout_s, process.retry.attempts) == ("u", ("a",), 5, 3)
    assert (process.durability, process.concurrency, process.description) == ("step", 2, "Does it.")
    assert (spec.logic[0].description, process.file, process.line - HEAD.count("\n")) == ("Ends it.", "product.py", 5)
    assert MISSING.value == "missing"
