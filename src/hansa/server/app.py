"""The ASGI application: deployed routes on the hot path, the API beside them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hansa.errors import CallerError, HansaError
from hansa.server import calls, health
from hansa.server.answers import Response as Answered
from hansa.server.answers import problem_answer, traceparent
from hansa.server.api import operations
from hansa.server.api.base import ApiRoute, Endpoint, json_response, problem_of
from hansa.server.api.interfaces import mesh_openapi
from hansa.server.calls import Calls, no_method, no_route
from hansa.server.request import Request as Call
from hansa.server.services import Services


class App:
    """`Services` over ASGI. What stands under a domain is a deployed route; everything else is the API."""

    def __init__(self, services: Services, calls: Calls) -> None:
        self._api = api(services)
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if not calls.is_deployed(scope["path"].encode()):
            await self._api(scope, receive, send)
            return
        response = await self._answer(scope, receive)
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answered:
        """A call that did not come the short way."""
        try:
            route, parameters = self._calls.find(scope["method"], scope["path"])
            body = await _body(receive, route.trigger.body_max_bytes)
        except CallerError as refusal:
            return problem_answer(refusal, trace=traceparent(scope["headers"]))
        answered: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        request = Call(scope["method"], scope["path"], scope["query_string"], scope["headers"], body)
        self._calls.start(route, parameters, request, partial(_settle, answered))
        return await answered


def _settle(answered: asyncio.Future[Answered], response: Answered) -> None:
    if not answered.done():
        answered.set_result(response)


async def _body(receive: Receive, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerError("body.cut", "The caller went away before its body was whole", hint="Send it again.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise calls.too_large(max_bytes)
        more = message.get("more_body", False)
    return b"".join(parts)


def api(services: Services) -> ASGIApp:
    """The control API as a Starlette application."""

    async def openapi(request: Request) -> Response:
        try:
            return await mesh_openapi(services, request)
        except HansaError as refusal:
            return problem_of(refusal, request.headers.get("traceparent"))

    async def home(_: Request) -> Response:
        return json_response({"hansa": services.version, "openapi": "/openapi.json", "health": "/health"})

    made = operations.routes(Endpoint(services))
    open_routes = [Route("/", home), *health.routes(services), Route("/openapi.json", openapi)]
    handlers: dict[Any, Any] = {404: _unknown, 405: _wrong_method(made)}
    return Starlette(routes=[*open_routes, *made], exception_handlers=handlers)


async def _unknown(request: Request, _: Exception) -> Response:
    return problem_of(no_route(request.url.path), request.headers.get("traceparent"))


def _wrong_method(routes: list[ApiRoute]) -> Any:
    async def answer(request: Request, _: Exception) -> Response:
        path = request.url.path
        methods = sorted({m for route in routes if route.path_regex.match(path) for m in route.methods or ()})
        return problem_of(no_method(request.method, path, methods or ["GET", "HEAD"]))

    return answer
