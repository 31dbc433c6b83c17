"""What every route of the API does: know who asks, ask for a decision, answer in JSON or with a problem document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hansa.access.decide import HANSA, Action, Target, decide
from hansa.access.principal import ANONYMOUS, Principal
from hansa.errors import CallerError, HansaError
from hansa.model.product import ProductState
from hansa.server.problems import problem
from hansa.server.services import Services

BODY_MAX_BYTES: Final = 64 * 1024 * 1024


@dataclass(slots=True)
class Asked:
    """One request: its services, who asks, and what stands in it."""

    services: Services
    request: Request
    principal: Principal

    def path(self, name: str) -> str:
        """A path parameter."""
        return str(self.request.path_params[name])

    def query(self, name: str, default: str | None = None) -> str | None:
        """A query parameter; an empty one counts as absent."""
        return self.request.query_params.get(name) or default

    def number(self, name: str, default: int | None = None, *, most: int | None = None) -> int | None:
        """A query parameter that is a whole number. Raises `CallerError("query.malformed")`."""
        text = self.query(name)
        if text is None:
            return default
        if not text.lstrip("-").isdecimal():
            raise CallerError("query.malformed", f"{name}={text!r} is not a whole number", details={"status": 422})
        value = int(text)
        return value if most is None else min(value, most)

    def seconds(self, name: str, default: float) -> float:
        """A query parameter in seconds, at most 300."""
        text = self.query(name)
        try:
            return default if text is None else min(max(float(text), 0.0), 300.0)
        except ValueError:
            raise CallerError("query.malformed", f"{name}={text!r} is not a number", details={"status": 422}) from None

    def flag(self, name: str) -> bool | None:
        """A query parameter that is true or false."""
        text = self.query(name)
        return None if text is None else text.lower() in ("1", "true", "yes")

    async def body(self) -> bytes:
        """The body, at most 64 MiB."""
        parts, size = [], 0
        async for part in self.request.stream():
            size += len(part)
            if size > BODY_MAX_BYTES:
                raise CallerError(
                    "body.too_large", f"The body is larger than {BODY_MAX_BYTES} bytes", hint="Send less."
                )
            parts.append(part)
        return b"".join(parts)

    async def json(self, kind: Any) -> Any:
        """The body as `kind`. Raises `CallerError` (`body.not_json`, `input.invalid`)."""
        data = await self.body()
        try:
            return msgspec.json.decode(data or b"{}", type=kind)
        except msgspec.ValidationError as failure:
            raise CallerError("input.invalid", str(failure), hint="docs/reference/api.md has the shape.") from None
        except msgspec.DecodeError as failure:
            raise CallerError("body.not_json", f"The body is not JSON: {failure}", hint="Send JSON.") from None

    def allow(self, action: Action, target: Target = HANSA) -> None:
        """Raises `CallerError` (`access.unauthenticated`, `access.denied`) where the one decision is no."""
        require(self.principal, action, target)

    def of(self, product: str) -> Target:
        """A product as a target, with the state that it has."""
        try:
            state = self.services.registry.product(product).state
        except CallerError:
            state = ProductState.DRAFT
        return Target.of(product, state)

    def member(self, name: str) -> Target:
        """The product of a process id as a target."""
        return self.of(name.partition(":")[0])


def require(principal: Principal, action: Action, target: Target) -> None:
    """Raises where `principal` may not."""
    decision = decide(principal, action, target)
    if decision.allowed:
        return
    if principal is ANONYMOUS:
        raise CallerError(
            "access.unauthenticated",
            "This needs a token",
            hint="Send it as `Authorization: Bearer hansa_…`; `hansa up` prints one, `hansa tokens` makes more.",
        )
    raise CallerError("access.denied", decision.reason, details={"rule": decision.rule})


Handler = Callable[[Asked], Awaitable[Any]]


class Endpoint:
    """Routes of the API, made from handlers that return plain values, structs, dataclasses or a Starlette response."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def route(self, method: str, path: str, handler: Handler, *, status: int = 200) -> Route:
        """One route. What the handler raises is answered as a problem document."""

        async def endpoint(request: Request) -> Response:
            try:
                asked = Asked(self._services, request, principal_of(self._services, request))
                found = await handler(asked)
            except HansaError as refusal:
                return problem_of(refusal)
            if isinstance(found, Response):
                return found
            return json_response(found, status)

        endpoint.__doc__ = handler.__doc__
        return Route(
            path, endpoint, methods=[method], name=f"{handler.__module__.rpartition('.')[2]}.{handler.__name__}"
        )


def principal_of(services: Services, request: Request) -> Principal:
    """Who asks, by the bearer token."""
    return bearer(services, request.headers.get("authorization", ""))


def bearer(services: Services, header: str) -> Principal:
    """The principal of an Authorization header; anonymous without one. Raises `access.unauthenticated`."""
    if not header:
        return ANONYMOUS
    kind, _, token = header.partition(" ")
    if kind.lower() != "bearer" or not token:
        raise CallerError(
            "access.unauthenticated", "The Authorization header is not `Bearer <token>`", hint="Send a token."
        )
    try:
        return services.authenticator.authenticate(token.strip())
    except CallerError as refusal:
        raise CallerError("access.unauthenticated", refusal.message, hint=refusal.hint) from refusal


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Any plain value as JSON."""
    return Response(msgspec.json.encode(value, enc_hook=str), status, headers, "application/json")


def problem_of(error: HansaError) -> Response:
    """The problem document of an error."""
    document = problem(error)
    headers = {"www-authenticate": "Bearer"} if document["status"] == 401 else None
    return Response(msgspec.json.encode(document), document["status"], headers, "application/problem+json")


def sse(lines: Any) -> StreamingResponse:
    """Server-sent events."""
    return StreamingResponse(lines, media_type="text/event-stream", headers={"cache-control": "no-store"})


def sse_event(name: str, data: Any, id_: str | None = None) -> bytes:
    """One server-sent event."""
    head = f"id: {id_}\n" if id_ is not None else ""
    return f"{head}event: {name}\ndata: ".encode() + msgspec.json.encode(data, enc_hook=str) + b"\n\n"
