"""The ASGI application: deployed routes on the hot path, the API beside them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as ApiRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from hansa.access.decide import Action, Target
from hansa.access.principal import Principal
from hansa.errors import CallerError, HansaError, InternalError
from hansa.model.ids import RESERVED
from hansa.runtime.engine import Answer
from hansa.server import calls
from hansa.server.api import admin, events, ports, products, runs
from hansa.server.api.base import Endpoint, bearer, json_response, problem_of, require
from hansa.server.openapi import document
from hansa.server.problems import problem_response
from hansa.server.services import Services

_report = logging.getLogger("hansa.server")
ALLOWED_MAX: Final = 10_000
_OPEN: Final = {"", "health", "openapi.json"}


class App:
    """`Services` over HTTP. What stands under a domain is a deployed route; everything else is the API."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._api = api(services)
        self._allowed: set[tuple[str | None, int, int]] = set()
        """(token, access epoch, route) of decisions that were yes: nothing that a decision depends on is missing."""
        services.mesh.on_change.append(self._allowed.clear)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        end = path.find("/", 1)
        first = path[1:] if end < 0 else path[1:end]
        if first in RESERVED or first in _OPEN:
            await self._api(scope, receive, send)
            return
        try:
            await self._call(scope, receive, send)
        except HansaError as refusal:
            await problem_response(send, refusal)
        except asyncio.CancelledError:
            raise
        except Exception:
            _report.exception("%s %s", scope["method"], path)
            failure = InternalError(
                "hansa.internal", "Hansa failed to answer", hint="The server's output has the reason."
            )
            await problem_response(send, failure)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        routes = services.mesh.routes
        matched = routes.match(scope["method"], scope["path"])
        if matched is None:
            raise self._no_route(scope)
        route, path = matched
        principal = self._principal(scope)
        key = (principal.token, services.registry.access_epoch(), id(route))
        if key not in self._allowed:
            product = services.registry.product(route.product)
            target = Target.of(route.product, product.state, public=route.trigger.public)
            require(principal, Action.ROUTE_CALL, target)
            if len(self._allowed) >= ALLOWED_MAX:
                self._allowed.clear()
            self._allowed.add(key)
        await calls.handle(services.engine, route, path, scope, receive, send, principal.id, self._result_of)

    def _principal(self, scope: Scope) -> Principal:
        for name, value in scope["headers"]:
            if name == b"authorization":
                return bearer(self._services, value.decode("latin-1"))
        return bearer(self._services, "")

    async def _result_of(self, run_id: str) -> Answer:
        operations = self._services.operations
        answer = await operations.answer(run_id)
        while calls.running(answer):
            await asyncio.sleep(0.02)
            answer = await operations.answer(run_id)
        return answer

    def _no_route(self, scope: Scope) -> CallerError:
        methods = self._services.mesh.routes.methods(scope["path"])
        if methods:
            return CallerError(
                "route.method",
                f"{scope['path']} has no {scope['method']}",
                hint=f"It has {', '.join(methods)}.",
                details={"methods": methods},
            )
        return CallerError(
            "route.unknown", f"Nothing is deployed at {scope['path']}", hint="/openapi.json lists every route."
        )


def api(services: Services) -> ASGIApp:
    """The control API as a Starlette application."""
    endpoint = Endpoint(services)

    async def health(_: Request) -> Response:
        failures = [*services.views.failures(), *services.followed.failures()]
        state = "degraded" if failures or services.mesh.failures else "ok"
        return json_response(
            {
                "status": state,
                "version": services.version,
                "products": len(services.mesh.products),
                "problems": [str(f) for f in [*failures, *services.mesh.failures.values()]],
            }
        )

    async def openapi(_: Request) -> Response:
        return json_response(document(services.mesh.routes.routes, services.version))

    async def home(_: Request) -> Response:
        return json_response({"hansa": services.version, "openapi": "/openapi.json", "health": "/health"})

    open_routes = [ApiRoute("/", home), ApiRoute("/health", health), ApiRoute("/openapi.json", openapi)]
    made = [r for module in (products, runs, ports, events, admin) for r in module.routes(endpoint)]
    handlers: dict[Any, Any] = {404: _unknown, 405: _wrong_method, Exception: _failed}
    return Starlette(routes=[*open_routes, *made], exception_handlers=handlers)


async def _unknown(request: Request, _: Exception) -> Response:
    return problem_of(
        CallerError("route.unknown", f"There is no {request.url.path}", hint="/openapi.json lists every route.")
    )


async def _wrong_method(request: Request, _: Exception) -> Response:
    return problem_of(
        CallerError("route.method", f"{request.url.path} has no {request.method}", hint="See /openapi.json.")
    )


async def _failed(request: Request, failure: Exception) -> Response:
    _report.exception("%s %s", request.method, request.url.path, exc_info=failure)
    return problem_of(
        InternalError("hansa.internal", "Hansa failed to answer", hint="The server's output has the reason.")
    )
