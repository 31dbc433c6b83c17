"""The hot path: an HTTP call becomes a run, and its commit the answer. Nothing but what every call needs.

`Calls.start` takes a whole request and answers through a callback, in the event loop and exactly once; whoever speaks
HTTP (`protocol`, or ASGI in `app`) brings the one and sends the other.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from hansa.access.decide import Action, Target, decide
from hansa.access.principal import Principal
from hansa.errors import CallerError, HansaError, InternalError
from hansa.model.ids import RESERVED
from hansa.model.product import ProductState
from hansa.model.run import RunState
from hansa.model.trace import TraceContext, context_of
from hansa.runtime import wire
from hansa.runtime.run import Answer, Run
from hansa.server.answers import Response, json_answer, problem_answer, run_answer, traceparent
from hansa.server.api.base import bearer, require
from hansa.server.deprecation import warning_headers
from hansa.server.merge import encapsulated, merged
from hansa.server.passing import Passing
from hansa.server.problems import status_of
from hansa.server.request import Headers, Request
from hansa.server.seen import checked_token
from hansa.server.services import Services
from hansa.triggers.routes import Route

ALLOWED_MAX: Final = 10_000
WAITS_CHECKED_S: Final = 0.02
"""How exact the wait of a synchronous call is."""
_encode: Final = msgspec.msgpack.Encoder().encode
_report = logging.getLogger("hansa.server")

_OPEN: Final = frozenset(("", "health", "openapi.json", "asyncapi.json"))
Respond = Callable[[Response], None]


def is_deployed(target: bytes) -> bool:
    """True where a request's target, path first, is that of a deployed route: under a domain, not the API's own."""
    if not target.startswith(b"/"):
        return False
    first = target.partition(b"?")[0][1:].partition(b"/")[0].decode("latin-1")
    return first not in RESERVED and first not in _OPEN


class Calls:
    """Calls of deployed routes. Belongs to one event loop."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.engine = services.engine
        self.tally = services.calls
        self.traces = services.engine.traces
        self.waits = _Waits()
        self._allowed: set[tuple[str | None, int, int]] = set()
        """(token, access epoch, route) of decisions that were yes: nothing that a decision depends on is missing."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._counted: dict[Route, defaultdict[int, int]] = {}
        services.mesh.on_change += [self._allowed.clear, self._counted.clear]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route of a call and its path parameters. Raises `CallerError` (`route.unknown`, `route.method`,
        `product.retired`)."""
        found = self.services.mesh.routes.match(method, path)
        if found is not None:
            return found
        refusal = self._unrouted(method, path)
        self.tally.of("", "")[status_of(refusal)] += 1
        raise refusal

    def _unrouted(self, method: str, path: str) -> CallerError:
        """Why a call has no route."""
        try:
            self.services.mesh.check_retired(".".join(path.strip("/").split("/")[:2]))
        except CallerError as retired:
            return retired
        methods = self.services.mesh.routes.methods(path)
        return no_method(method, path, methods) if methods else no_route(path)

    def start(self, route: Route, parameters: dict[str, str], request: Request, respond: Respond) -> None:
        """Starts the runs of a call. Raises nothing: what is wrong is the answer."""
        headers = Headers(request.headers)
        came = context_of(headers.trace, headers.trace_state) if headers.trace else None
        passing = self.services.passing  # the node that works the call traces it
        context = None if passing else self.traces.call(route.method, route.path, request.path, came)
        try:
            if len(request.body) > route.trigger.body_max_bytes:
                raise too_large(route.trigger.body_max_bytes)
            if passing is not None:
                self.spawn(self._pass_on(passing, route, request, respond))
                return
            _Call(self, route, parameters, request, headers, context, respond)
        except HansaError as refusal:
            self.answer(route, context, respond, problem_answer(refusal, trace=_text(context)))
        except Exception:
            _report.exception("%s %s", request.method, request.path)
            self.answer(route, context, respond, failed(_text(context)))

    def answer(self, route: Route, context: TraceContext | None, respond: Respond, response: Response) -> None:
        """Answers a call, and tells those who count and trace."""
        counted = self._counted.get(route)
        if counted is None:
            counted = self._counted[route] = self.tally.of(route.method, route.path)
        counted[response.status] += 1
        if context is not None and self.traces.answered(context, response.status):
            response.headers.append((b"traceresponse", context.text.encode()))
        respond(response)

    async def _pass_on(self, passing: Passing, route: Route, request: Request, respond: Respond) -> None:
        try:
            response = await passing.pass_on(request)
        except HansaError as refusal:
            response = problem_answer(refusal, trace=traceparent(request.headers))
        except Exception:
            _report.exception("a call could not be passed on")
            response = failed(traceparent(request.headers))
        self.answer(route, None, respond, response)

    def admitted(self, route: Route, authorization: str) -> Principal:
        """Who calls. Raises `CallerError` where they may not."""
        services = self.services
        principal = bearer(services, authorization)
        key = (principal.token, services.registry.access_epoch(), id(route))
        if key not in self._allowed:
            state = services.mesh.state(route.product)
            target = Target.of(route.product, state, public=route.trigger.public)
            if state is ProductState.DRAFT and not decide(principal, Action.ROUTE_CALL, target).allowed:
                raise no_route(route.path)  # whoever may not know of a draft is not told that it is there
            require(principal, Action.ROUTE_CALL, target)
            if len(self._allowed) >= ALLOWED_MAX:
                self._allowed.clear()
            self._allowed.add(key)
        return principal

    async def see(self, route: Route, token: str) -> None:
        """Waits until the lookups of a route's products show what was committed with `token`. Raises
        `CallerError("position.foreign")`, `Unavailable("view.behind")`."""
        await checked_token(self.services.log, token)
        for product in {live.product.id for live, _ in route.starts}:
            await self.services.mesh.see(product, token)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Goes on with a call that has to wait for more than its runs."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def earlier(self, run_id: str) -> Answer:
        """The answer of an earlier run with the same idempotency key, when there is one."""
        operations = self.services.operations
        answer = await operations.answer(run_id)
        while answer is None or answer.state in (RunState.ACCEPTED, RunState.RUNNING):
            await asyncio.sleep(0.02)
            answer = await operations.answer(run_id)
        return answer


class _Call:
    """One call, until it is answered. Making it starts its runs."""

    __slots__ = ("_answers", "_calls", "_context", "_missing", "_respond", "_route", "_runs")

    def __init__(
        self,
        calls: Calls,
        route: Route,
        parameters: dict[str, str],
        request: Request,
        headers: Headers,
        context: TraceContext | None,
        respond: Respond,
    ) -> None:
        self._calls = calls
        self._route = route
        self._respond: Respond | None = respond
        self._answers: list[Answer] = []
        self._missing = len(route.starts)
        self._context = context
        self._begin(headers, request, parameters)

    def _begin(self, headers: Headers, request: Request, parameters: dict[str, str]) -> None:
        calls, route = self._calls, self._route
        principal = calls.admitted(route, headers.authorization)
        source = _encode(
            wire.Source(
                "http", request.body, headers.content_type, parameters, _query(request.query), headers.kept,
                request.method, request.path,
            )
        )  # fmt: skip
        runs: list[Run] = []
        self._runs = runs
        for live, _ in route.starts:
            run = Run(live, "http", source, principal.id, self._tell)
            run.idempotency_key, run.context = headers.idempotency_key, self._context
            runs.append(run)
        is_async = route.trigger.mode == "async" or headers.is_async
        if headers.seen is not None:
            calls.spawn(self._later(self._see(headers.seen, is_async)))
        elif is_async:
            calls.spawn(self._later(self._accept()))
        else:
            self._start()

    def _start(self) -> None:
        for run in self._runs:
            self._calls.engine.start(run)
        if self._missing:
            self._calls.waits.add(self, self._route.trigger.wait_s)

    async def _see(self, token: str, is_async: bool) -> None:
        """Begins when what the caller has written can be seen."""
        await self._calls.see(self._route, token)
        if is_async:
            await self._accept()
        else:
            self._start()

    def late(self) -> None:
        """It took longer than the caller waits: the runs go on, the answer is fetched later."""
        run = self._runs[0].id
        self._send(json_answer(202, {"run": run, "state": "running", "result": f"/runs/{run}/result"}, run))

    def _tell(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._missing -= 1
        if self._missing or self._respond is None:
            return
        self._calls.waits.remove(self, self._route.trigger.wait_s)
        first = self._answers[0].headers
        if first is not None and "Idempotent-Replay" in first:
            self._calls.spawn(self._repeat())
        else:
            self._answer()

    def _send(self, response: Response) -> None:
        respond, self._respond = self._respond, None
        if respond is not None:
            self._calls.answer(self._route, self._context, respond, self._warned(response))

    def _warned(self, response: Response) -> Response:
        """The answer, with what it warns of where the product is deprecated."""
        live = self._route.starts[0][0].product
        if live.state is ProductState.DEPRECATED:
            response.headers.extend((name.encode(), value.encode()) for name, value in warning_headers(live).items())
        return response

    async def _repeat(self) -> None:
        """The key was used before: the earlier answers are this call's."""
        self._answers = [await self._calls.earlier(answer.run) for answer in self._answers]
        self._answer()

    async def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that goes on when `start` is over. What is wrong is the answer."""
        trace = _text(self._context)
        try:
            await work
        except HansaError as refusal:
            self._send(problem_answer(refusal, trace=trace))
        except Exception:
            _report.exception("a call could not be accepted")
            self._send(failed(trace))

    async def _accept(self) -> None:
        """202, when all runs are on disk."""
        runs, earlier = self._runs, None
        for run in runs:
            earlier = await self._calls.engine.accept(run) or earlier
        run_id = earlier.run if earlier is not None else runs[0].id
        found: dict[str, Any] = {"run": run_id, "state": "accepted", "result": f"/runs/{run_id}/result"}
        if len(runs) > 1:
            found["runs"] = {run.live.spec.name: run.id for run in runs}
        self._send(json_answer(202, found, run_id))

    def _answer(self) -> None:
        trigger, answers = self._route.trigger, self._answers
        first = answers[0]
        if len(self._runs) > 1 or trigger.encapsulated:
            self._send(self._merged())
        elif first.error is not None and not first.result:
            self._send(problem_answer(_failure(first), first.run, _text(self._context)))
        else:
            self._send(run_answer(first))

    def _merged(self) -> Response:
        names = {run.id: run.live.spec.name for run in self._runs}
        named = [(names.get(answer.run, self._runs[0].live.spec.name), answer) for answer in self._answers]
        status, value = merged(named)
        if self._route.trigger.encapsulated:
            value = encapsulated(status, value, self._answers, "http")
        return json_answer(status, value, self._answers[0].run, self._answers[0].token)


class _Waits:
    """Calls that wait for their runs, by how long they do. One timer for all: they are many and few are late."""

    def __init__(self) -> None:
        self._calls: dict[float, dict[_Call, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call: _Call, wait_s: float) -> None:
        """Has `call.late()` called after `wait_s`, where it is not removed before."""
        loop = asyncio.get_running_loop()
        self._calls.setdefault(wait_s, {})[call] = loop.time() + wait_s
        if self._timer is None:
            self._timer = loop.call_later(WAITS_CHECKED_S, self._check, loop)

    def remove(self, call: _Call, wait_s: float) -> None:
        """It waits no more."""
        calls = self._calls.get(wait_s)
        if calls is not None:
            calls.pop(call, None)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = loop.time()
        for calls in self._calls.values():
            for call in [call for call, _ in itertools.takewhile(lambda at: at[1] <= now_s, calls.items())]:
                del calls[call]
                call.late()
        waiting = any(self._calls.values())
        self._timer = loop.call_later(WAITS_CHECKED_S, self._check, loop) if waiting else None


def _text(context: TraceContext | None) -> str | None:
    return None if context is None else context.text


def _query(text: bytes) -> dict[str, str | list[str]]:
    if not text:
        return {}
    found = urllib.parse.parse_qs(text.decode("latin-1"), keep_blank_values=True)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def too_large(max_bytes: int) -> CallerError:
    """The error for a body over its limit."""
    return CallerError(
        "body.too_large",
        f"The body is larger than {max_bytes} bytes",
        hint="Send it in parts, or raise body_max_bytes of the route.",
    )


def no_route(path: str) -> CallerError:
    """The error for a path that there is not."""
    return CallerError("route.unknown", f"There is nothing at {path}", hint="/openapi.json lists every route.")


def no_method(method: str, path: str, methods: list[str]) -> CallerError:
    """The error for a method that a path has not."""
    return CallerError(
        "route.method", f"{path} has no {method}", hint=f"It has {', '.join(methods)}.", details={"methods": methods}
    )


def failed(trace: str | None = None) -> Response:
    """The answer where Hansa itself is at fault."""
    error = InternalError("hansa.internal", "Hansa failed to answer", hint="The server's output has the reason.")
    return problem_answer(error, trace=trace)


def _failure(answer: Answer) -> HansaError:
    error = answer.error
    assert error is not None
    details = {**(error.details or {}), "status": answer.status, "origin": error.origin}
    return HansaError(error.code, error.message, hint=error.hint, details=details)
