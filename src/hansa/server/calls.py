"""The hot path: an HTTP call becomes a run, and its commit the answer. Raw ASGI, nothing but what every call needs."""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import msgspec

from hansa.errors import CallerError, HansaError
from hansa.model.product import HttpTrigger
from hansa.model.run import RunState
from hansa.runtime import wire
from hansa.runtime.engine import Answer, Engine, Run
from hansa.server.merge import encapsulated, merged
from hansa.server.problems import problem_response
from hansa.triggers.routes import Route

Send = Callable[[dict[str, Any]], Any]
_encode: Final = msgspec.msgpack.Encoder().encode
_JSON: Final = (b"content-type", b"application/json")


class Waiter:
    """Waits for the answers of the runs that one call started."""

    __slots__ = ("answers", "future", "missing")

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.missing = count
        self.answers: list[Answer] = []
        self.future: asyncio.Future[None] = loop.create_future()

    def tell(self, answer: Answer) -> None:
        self.answers.append(answer)
        self.missing -= 1
        if not self.missing and not self.future.done():
            self.future.set_result(None)


async def handle(
    engine: Engine,
    route: Route,
    path: dict[str, str],
    scope: MutableMapping[str, Any],
    receive: Callable[[], Any],
    send: Send,
    principal: str,
    result_of: Callable[[str], Any],
) -> None:
    """Answers one call. `result_of(run)` gives the answer of an earlier run with the same idempotency key."""
    trigger = route.trigger
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    body = await _body(receive, trigger.body_max_bytes)
    content_type, key, trace, prefer_async = _read_headers(headers)
    source = _encode(
        wire.Source(
            "http",
            body,
            content_type,
            path,
            _query(scope["query_string"]),
            _kept(headers),
            scope["method"],
            scope["path"],
        )
    )
    loop = asyncio.get_running_loop()
    waiter = Waiter(len(route.starts), loop)
    runs = []
    for live, _ in route.starts:
        run = Run(live, "http", source, principal, waiter.tell)
        run.idempotency_key, run.trace = key, trace
        runs.append(run)
    if trigger.mode == "async" or prefer_async:
        await _accept(engine, runs, send)
        return
    for run in runs:
        engine.start(run)
    await _wait(waiter, trigger.wait_s)
    if waiter.missing:
        await send_json(
            send, 202, {"run": runs[0].id, "state": "running", "result": f"/runs/{runs[0].id}/result"}, runs[0].id
        )
        return
    await _answer(waiter.answers, runs, trigger, send, result_of)


async def _wait(waiter: Waiter, wait_s: float) -> None:
    """Until all have answered, at most `wait_s`. The timer is one handle, cancelled when the answer comes."""
    loop = asyncio.get_running_loop()
    future = waiter.future
    timer = loop.call_later(wait_s, _settle, future)
    try:
        await future
    finally:
        timer.cancel()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _accept(engine: Engine, runs: list[Run], send: Send) -> None:
    earlier = None
    for run in runs:
        earlier = await engine.accept(run) or earlier
    run_id = earlier.run if earlier is not None else runs[0].id
    found: dict[str, Any] = {"run": run_id, "state": "accepted", "result": f"/runs/{run_id}/result"}
    if len(runs) > 1:
        found["runs"] = {run.live.spec.name: run.id for run in runs}
    await send_json(send, 202, found, run_id)


async def _answer(
    answers: list[Answer], runs: list[Run], trigger: HttpTrigger, send: Send, result_of: Callable[[str], Any]
) -> None:
    if answers[0].headers and "Idempotent-Replay" in answers[0].headers:
        answers = [await result_of(answer.run) for answer in answers]
    if len(runs) == 1 and not trigger.encapsulated:
        answer = answers[0]
        if answer.error is not None and not answer.result:
            await problem_response(send, _failure(answer), run=answer.run)
            return
        await send_answer(send, answer)
        return
    order = {run.id: run for run in runs}
    named = [(order[a.run].live.spec.name if a.run in order else runs[0].live.spec.name, a) for a in answers]
    status, value = merged(named)
    if trigger.encapsulated:
        value = encapsulated(status, value, [a for _, a in named], "http")
    await send_json(send, status, value, answers[0].run, answers[0].token)


def _failure(answer: Answer) -> HansaError:
    error = answer.error
    assert error is not None
    details = {**(error.details or {}), "status": answer.status, "origin": error.origin}
    return HansaError(error.code, error.message, hint=error.hint, details=details)


async def send_answer(send: Send, answer: Answer) -> None:
    """An answer as its run made it."""
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.result)).encode()),
        (b"hansa-run", answer.run.encode()),
    ]
    if answer.token:
        headers.append((b"hansa-token", answer.token.encode()))
    if answer.headers:
        headers += [(n.lower().encode(), v.encode()) for n, v in answer.headers.items() if n.lower() != "content-type"]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.result})


async def send_json(send: Send, status: int, value: Any, run: str = "", token: str = "") -> None:
    """Any value as JSON."""
    body = msgspec.json.encode(value)
    headers = [_JSON, (b"content-length", str(len(body)).encode())]
    if run:
        headers.append((b"hansa-run", run.encode()))
    if token:
        headers.append((b"hansa-token", token.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Callable[[], Any], max_bytes: int) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > max_bytes:
            raise too_large(max_bytes)
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerError("body.cut", "The caller went away before its body was whole", hint="Send it again.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise too_large(max_bytes)
    return b"".join(parts)


def too_large(max_bytes: int) -> CallerError:
    """The error for a body over its limit."""
    return CallerError(
        "body.too_large",
        f"The body is larger than {max_bytes} bytes",
        hint="Send it in parts, or raise body_max_bytes of the route.",
    )


def _read_headers(headers: list[tuple[bytes, bytes]]) -> tuple[str, str | None, str | None, bool]:
    content_type, key, trace, prefer_async = "", None, None, False
    for name, value in headers:
        if name == b"content-type":
            content_type = value.decode("latin-1")
        elif name == b"idempotency-key":
            key = value.decode("latin-1")
        elif name == b"traceparent":
            trace = value.decode("latin-1")
        elif name == b"prefer":
            prefer_async = b"respond-async" in value
    return content_type, key, trace, prefer_async


_SECRET: Final = frozenset((b"authorization", b"cookie", b"proxy-authorization"))


def _kept(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What author code and the history see: never a credential."""
    return [pair for pair in headers if pair[0] not in _SECRET]


def _query(text: bytes) -> dict[str, str | list[str]]:
    if not text:
        return {}
    found = urllib.parse.parse_qs(text.decode("latin-1"), keep_blank_values=True)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def running(answer: Answer | None) -> bool:
    """True while there is no final answer."""
    return answer is None or answer.state in (RunState.ACCEPTED, RunState.RUNNING)
