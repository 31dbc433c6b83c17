"""What every operation of the API does: know who asks, ask for a decision, answer in JSON or with a problem."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from hansa.access.decide import HANSA, Action, Decision, Target, decide, domains_for, preclude
from hansa.access.principal import ANONYMOUS, Principal
from hansa.errors import CallerError, HansaError, InternalError, Unavailable
from hansa.model.ids import did_you_mean
from hansa.model.product import ProductState
from hansa.runtime.inputs import failure_at
from hansa.server.deprecation import warning_headers
from hansa.server.operation import JSON, Handler, Operation, Told, answered_type
from hansa.server.problems import problem, problem_headers
from hansa.server.seen import checked_token
from hansa.server.services import Services
from hansa.views.waiting import Awaited

_report = logging.getLogger("hansa.server")
BODY_MAX_BYTES: Final = 64 * 1024 * 1024
JSON_MAX_BYTES: Final = 1024 * 1024
"""A body that is decoded before it is known whether its sender may send it."""


@dataclass(slots=True)
class Asked:
    """One request: its services, who asks, for which action, and what was decided."""

    services: Services
    request: Request
    principal: Principal
    action: Action
    decided: list[Target] = field(default_factory=list)
    """The targets that the decision was yes for. Without one nothing is answered."""
    headers: dict[str, str] = field(default_factory=dict)
    """What goes with the answer, whatever it is."""

    def path(self, name: str) -> str:
        """A path parameter."""
        return str(self.request.path_params[name])

    async def token(self, given: str | None) -> str:
        """The read-your-writes token: of the header `Hansa-Token`, or `given`; without one, of all that is committed.
        Raises `CallerError("position.foreign")`."""
        log = self.services.log
        told = self.request.headers.get("hansa-token") or given
        return await checked_token(log, told) if told else log.log.now()

    async def behind(self, views: Awaited, given: str | None, view: str, timeout_s: float) -> str | None:
        """Waits until `view` shows what was committed with the caller's token; raises `Unavailable("view.behind")`
        where it does not in time. Without a token: all that is committed, as far as it comes, and why no further."""
        is_asked = bool(given or self.request.headers.get("hansa-token"))
        try:
            await views.reach(await self.token(given), timeout_s, view, gives_up=not is_asked)
        except Unavailable as late:
            if is_asked:
                raise
            return late.message
        return None

    async def body(self, most_bytes: int = BODY_MAX_BYTES) -> bytes:
        """The body. Raises `CallerError` (`body.too_large`, `body.cut`)."""
        parts, size = [], 0
        try:
            async for part in self.request.stream():
                size += len(part)
                if size > most_bytes:
                    raise CallerError(
                        "body.too_large", f"The body is larger than {most_bytes} bytes", hint="Send less."
                    )
                parts.append(part)
        except ClientDisconnect:
            raise CallerError(
                "body.cut", "The caller went away before its body was whole", hint="Send it again."
            ) from None
        return b"".join(parts)

    def allow(self, target: Target = HANSA) -> None:
        """Raises `CallerError` (`access.unauthenticated`, `access.denied`) where the one decision is no."""
        require(self.principal, self.action, target)
        self.decided.append(target)

    def within(self) -> frozenset[str] | None:
        """The domains to whose products the answer is to be limited; None is no limit. Raises as `allow` does where
        there is none."""
        found = domains_for(self.principal, self.action)
        if found is not None and not found:
            self.allow(HANSA)
        self.decided += [Target(domain=name) for name in sorted(found)] if found is not None else [HANSA]
        return found

    def sees(self, product: str) -> bool:
        """True where who asks may know of a live product: of a draft, members of its domain alone."""
        live = self.services.mesh.products.get(product)
        is_draft = live is not None and live.state is ProductState.DRAFT
        return (
            not is_draft
            or decide(self.principal, Action.CATALOGUE_READ, Target.of(product, ProductState.DRAFT)).allowed
        )

    def drafts(self) -> frozenset[str] | None:
        """The domains whose drafts who asks may know of; None are all."""
        return None if self.principal.admin else frozenset(domain for domain, _ in self.principal.roles)

    def again(self) -> None:
        """Decides once more, as of now. Raises where the answer is no any longer: a token was revoked, a role taken."""
        self.principal = principal_of(self.services, self.request)
        for target in self.decided:
            require(self.principal, self.action, target)

    def of(self, product: str, *, account: str | None = None) -> Target:
        """A product as a target, with the state in which it is served."""
        self.headers |= warning_headers(self.services.mesh.products.get(product))
        return Target.of(product, self.services.mesh.state(product), account=account)

    def member(self, name: str) -> Target:
        """The product of a process id as a target."""
        return self.of(name.partition(":")[0])


def require(principal: Principal, action: Action, target: Target) -> None:
    """Raises where `principal` may not."""
    decision = decide(principal, action, target)
    if not decision.allowed:
        raise refused(principal, decision)


def refused(principal: Principal, decision: Decision) -> CallerError:
    """The error that tells a refusal."""
    if principal == ANONYMOUS:
        return CallerError(
            "access.unauthenticated",
            "This needs a token",
            hint="Send it as `Authorization: Bearer hansa_…`; `hansa up` prints one, `hansa tokens` makes more.",
        )
    return CallerError(
        "access.denied",
        decision.reason,
        hint="GET /me says what the token may do; an admin or an owner of the domain can give more.",
        details={"rule": decision.rule, "account": principal.id},
    )


class Endpoint:
    """Operations of the API, made from handlers that return structs, dataclasses, plain values or a response. What they
    are annotated with is what documents say of their answers."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def route(
        self,
        method: str,
        path: str,
        handler: Handler,
        action: Action,
        *,
        status: int = 200,
        answers: Mapping[str, Any] | None = None,
        also: Mapping[str, Any] | None = None,
        content: str | None = None,
        kind: type[ApiRoute] | None = None,
    ) -> ApiRoute:
        """One route. What the handler raises is answered as a problem document, unless `kind` has another way.
        `answers` stands for a handler that answers in other media types, too; JSON is what it is annotated with."""
        signature = inspect.signature(handler, eval_str=True)
        query, body = (p and p.annotation for p in map(signature.parameters.get, ("query", "body")))
        told = {JSON: answered_type(signature.return_annotation)} if answers is None else answers
        operation = Operation(method, path, handler, action, status, told, also or {}, content, query, body)
        return (kind or ApiRoute)(self._services, operation)


class ApiRoute(Route):
    """An operation as Starlette serves it."""

    def __init__(self, services: Services, operation: Operation) -> None:
        self._services = services
        self.operation = operation
        super().__init__(operation.path, self._serve, methods=[operation.method])

    async def _serve(self, request: Request) -> Response:
        response = await self._told(request)
        self._services.calls.of(self.operation.method, self.operation.template)[response.status_code] += 1
        return response

    async def _told(self, request: Request) -> Response:
        trace = request.headers.get("traceparent")
        try:
            return await self._answer(request)
        except HansaError as refusal:
            return self.refusal(request, refusal, trace)
        except Exception as failure:
            return failed(request, failure)

    def principal(self, request: Request) -> Principal:
        """Who asks. Raises `CallerError("access.unauthenticated")`."""
        return principal_of(self._services, request)

    def refusal(self, request: Request, error: HansaError, trace: str | None) -> Response:  # noqa: ARG002
        """The answer that tells an error."""
        return problem_of(error, trace)

    async def _answer(self, request: Request) -> Response:
        """The decision stands around the handler: what is refused whatever the target is does not reach it, and what
        it answers without having asked is not given."""
        operation = self.operation
        asked = Asked(self._services, request, self.principal(request), operation.action)
        if precluded := preclude(asked.principal, operation.action):
            raise refused(asked.principal, precluded)
        given: dict[str, Any] = {}
        if operation.query is not None:
            given["query"] = query_of(request.query_params, operation.query)
        if operation.body is not None:
            given["body"] = body_of(await asked.body(JSON_MAX_BYTES), operation.body)
        found = await operation.handler(asked, **given)
        if not asked.decided:
            raise InternalError("access.undecided", f"{operation.method} {operation.path} asked for no decision")
        response = response_of(found, operation.status)
        response.headers.update(asked.headers)
        return response


def response_of(found: Any, status: int) -> Response:
    """What a handler returned as a response; a list goes as `{"items": […]}`."""
    match found:
        case Response():
            return found
        case Told(value, own, headers):
            return json_response(value, own, headers)
        case list():
            return json_response({"items": found}, status)
        case _:
            return json_response(found, status)


def query_of(given: Any, kind: Any) -> Any:
    """The query parameters as `kind`, a struct, or as they are where that is a dict. Raises
    `CallerError("query.malformed")`, for one that the struct does not know, too."""
    found = dict(given)
    if not issubclass(kind, msgspec.Struct):
        return found
    for name in found:
        if name not in kind.__struct_fields__:
            known = kind.__struct_fields__
            hint = did_you_mean(name, known) or f"There are {', '.join(known)}."
            text = f"There is no query parameter {name!r}"
            raise _malformed(text, hint, {"path": f"query.{name}", "code": "field.unknown", "message": text})
    try:
        made = msgspec.convert(found, kind, strict=False)
        for name in found:
            if getattr(made, name) is None:  # msgspec takes the text "null" for no value
                raise msgspec.ValidationError(f"{found[name]!r} is no value - at `$.{name}`")
    except msgspec.ValidationError as failure:
        error = failure_at("query", str(failure))
        hint = _known_values(kind, error["path"]) or "/openapi.json has its form."
        raise _malformed(f"{error['path']}: {error['message']}", hint, error) from None
    return made


def _known_values(kind: Any, path: str) -> str | None:
    """The values that a field can have, or the items of its list, where they are few."""
    schemas = msgspec.json.schema_components([kind])[1]
    told = schemas[kind.__name__]["properties"].get(path.partition(".")[2].partition("[")[0], {})
    for part in (told, *told.get("anyOf", ()), told.get("items", {})):
        values = (schemas[part["$ref"].rpartition("/")[2]] if "$ref" in part else part).get("enum")
        if values:
            return f"It is one of {', '.join(map(str, values))}."
    return None


def _malformed(text: str, hint: str, error: dict[str, str]) -> CallerError:
    return CallerError("query.malformed", text, hint=hint, details={"errors": [error], "status": 422})


def body_of(data: bytes, kind: Any) -> Any:
    """The body as `kind`. Raises `CallerError` (`body.not_json`, `input.invalid`)."""
    try:
        return msgspec.json.decode(data or b"{}", type=kind)
    except msgspec.ValidationError as failure:
        error = failure_at("body", str(failure))
        raise CallerError(
            "input.invalid",
            f"{error['path']}: {error['message']}",
            hint=_known_values(kind, error["path"]) or "/openapi.json has its form.",
            details={"errors": [error]},
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        raise CallerError("body.not_json", f"The body is not JSON: {failure}", hint="Send JSON.") from None


def base_url(request: Request) -> str:
    """Where this Hansa was asked, without a slash at its end."""
    return str(request.base_url).rstrip("/")


def principal_of(services: Services, request: Request) -> Principal:
    """Who asks, by the bearer token."""
    return bearer(services, request.headers.get("authorization", ""))


def bearer(services: Services, header: str) -> Principal:
    """The principal of an Authorization header; anonymous without one. Raises `access.unauthenticated`,
    `access.stale`."""
    if not header:
        services.authenticator.check_lease()
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


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str = JSON
) -> Response:
    """Any plain value as JSON, or as a format that is JSON."""
    return Response(msgspec.json.encode(value, enc_hook=str), status, headers, media_type)


def problem_of(error: HansaError, trace: str | None = None, run: str | None = None) -> Response:
    """The problem document of an error."""
    document = problem(error, trace=trace, run=run)
    return Response(msgspec.json.encode(document), document["status"], problem_headers(document, error))


def failed(request: Request, failure: Exception) -> Response:
    """The answer to a bug of ours, whose reason stands in the server's output."""
    _report.error("%s %s", request.method, request.url.path, exc_info=failure)
    hint = "The server's output has the reason."
    error = InternalError("hansa.internal", "Hansa failed to answer", hint=hint)
    return problem_of(error, request.headers.get("traceparent"))
