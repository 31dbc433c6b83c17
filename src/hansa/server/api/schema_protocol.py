"""What every route of the schema registry's protocol does: take a request as clients send it, decide, answer in the
protocol's form.

Parameters that are not known are ignored, and flags are taken in any spelling (`normalize=False`): clients differ.
Errors are problem documents that have the protocol's `error_code` and `message`, too. A token comes as a bearer token,
or as the password of basic auth.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hansa.access.decide import HANSA, Action, Target, decide
from hansa.access.principal import Principal
from hansa.errors import CallerError, HansaError
from hansa.protocols.schema_registry import forms
from hansa.protocols.schema_registry.failures import error_code, status_by_code
from hansa.protocols.schema_registry.names import canonical
from hansa.protocols.schema_registry.registry import Owner, Used
from hansa.protocols.schema_registry.subject import Entry, Subject
from hansa.registry.values import SchemaContent, SchemaReference
from hansa.server.api.base import ApiRoute, Asked, Endpoint, bearer
from hansa.server.operation import JSON, Handler
from hansa.server.problems import MEDIA as PROBLEM
from hansa.server.problems import problem, problem_headers, status_of

MEDIA: Final = "application/vnd.schemaregistry.v1+json"
PREFIX: Final = "/schema-registry"
ANSWERS: Final = {MEDIA: Any, JSON: Any}
"""What is answered has the forms of the protocol, which is described elsewhere."""


class SchemaBody(msgspec.Struct):
    """A schema that is looked for, judged or registered. `schemaType` is AVRO without one. `id` and `version` are for
    registries that import, and refused where they ask for something."""

    schema: str
    schemaType: Literal["AVRO", "JSON", "PROTOBUF"] | None = None  # noqa: N815
    references: list[SchemaReference] | None = None
    metadata: dict[str, Any] | None = None
    ruleSet: dict[str, Any] | None = None  # noqa: N815
    id: int | None = None
    version: int | None = None

    def check_not_imported(self, subject: str) -> None:
        """Raises `CallerError("subject.no_import")` where an id or a version is to be had that the registry did not
        give: -1 and 0 are none."""
        if (self.id or 0) > 0 or (self.version or 0) > 0:
            raise CallerError(
                "subject.no_import",
                f"{subject} is not in import mode: ids and versions are given by Hansa",
                hint="Leave out `id` and `version`; the answer has the id.",
            )

    def content(self) -> SchemaContent:
        """The schema. Lists of rules that are empty are none."""
        rules = {name: value for name, value in (self.ruleSet or {}).items() if value}
        metadata = {name: value for name, value in (self.metadata or {}).items() if value}
        references = tuple(self.references or ())
        return SchemaContent(self.schemaType or "AVRO", self.schema, references, metadata or None, rules or None)


class RegistryRoute(ApiRoute):
    """A route of the protocol: basic auth is taken, and errors have the protocol's members."""

    def principal(self, request: Request) -> Principal:
        return bearer(self._services, _as_bearer(request.headers.get("authorization", "")))

    def refusal(self, request: Request, error: HansaError, trace: str | None) -> Response:
        if (status := status_by_code(error)) is not None:
            error.details["status"] = status
        told = problem(error, trace=trace)
        message = f"{error.message}. {error.hint}" if error.hint else error.message
        told |= {"error_code": error_code(error, status_of(error)), "message": message}
        headers = problem_headers(told, error)
        headers["content-type"] = MEDIA if "schemaregistry" in request.headers.get("accept", "") else PROBLEM
        return Response(msgspec.json.encode(told), told["status"], headers)


def _as_bearer(header: str) -> str:
    """Basic auth as the bearer token that it carries: the password, or the user where there is no password."""
    kind, _, credentials = header.partition(" ")
    if kind.lower() != "basic":
        return header
    try:
        user, _, password = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise CallerError(
            "access.unauthenticated", "The Authorization header is not basic auth", hint="Send a token as the password."
        ) from None
    return f"Bearer {password or user}"


def route(endpoint: Endpoint, method: str, path: str, handler: Handler, action: Action) -> ApiRoute:
    """A route of the protocol."""
    return endpoint.route(method, PREFIX + path, handler, action, answers=ANSWERS, kind=RegistryRoute)


def answer(value: Any) -> Response:
    """A value in the protocol's media type."""
    return Response(msgspec.json.encode(value), media_type=MEDIA)


def flag(asked: Asked, name: str) -> bool:
    """A parameter that is true or false; false without it."""
    return asked.request.query_params.get(name, "").lower() == "true"


def page(asked: Asked, found: list[Any]) -> list[Any]:
    """The part of a list that `offset` and `limit` ask for; a limit below 1 is none."""
    given = asked.request.query_params
    offset, limit = (_number(given.get(name)) for name in ("offset", "limit"))
    return found[max(offset, 0) :][: limit if limit > 0 else None]


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else 0


async def subject_of(asked: Asked, *, deleted: bool = True) -> Subject:
    """The subject that the path names, once the request is allowed. Raises `CallerError` (`subject.unknown`, …)."""
    name = await owned(asked)
    return await asyncio.to_thread(asked.services.schemas.subject, name, deleted=deleted)


async def owned(asked: Asked) -> str:
    """The name of the subject in the path, once the request is allowed to whoever asks."""
    name = canonical(asked.path("subject"))
    asked.allow(target_of(asked, await asyncio.to_thread(asked.services.schemas.owner, name)))
    return name


def target_of(asked: Asked, owner: Owner) -> Target:
    """What a decision on a subject is about: the port's product, else the domain, else Hansa."""
    return asked.of(owner.product) if owner.product else Target(domain=owner.domain)


async def schema_of(asked: Asked) -> Used:
    """The schema of the id in the path, once one of its subjects may be read, and those that may; with the rules of the
    subject that the request names. Raises `CallerError("schema.unknown")`."""
    given = asked.request.query_params.get("subject")
    number, subject = _number(asked.path("schema")), given and canonical(given)
    try:
        found = await asyncio.to_thread(asked.services.schemas.used, number, subject)
    except CallerError:
        asked.allow()
        raise
    targets = {owner: target_of(asked, owner) for owner in found.owners}
    allowed = {o for o, target in targets.items() if decide(asked.principal, asked.action, target).allowed}
    asked.allow(next((targets[owner] for owner in allowed or targets), HANSA))
    seen = (use for use, owner in zip(found.uses, found.owners, strict=True) if owner in allowed)
    return found._replace(uses=tuple(seen))


async def text_of(asked: Asked, content: SchemaContent) -> str:
    """A schema's text; of Protobuf the descriptor where `format=serialized` asks for it."""
    if content.type != "PROTOBUF" or asked.request.query_params.get("format") != "serialized":
        return content.text
    schemas = asked.services.schemas
    return await asyncio.to_thread(lambda: forms.serialised(schemas.source(content)))


async def told_schema(asked: Asked, content: SchemaContent) -> dict[str, Any]:
    """A schema as the protocol has it: what is empty is left out, and so is the type where it is AVRO."""
    found: dict[str, Any] = {"schema": await text_of(asked, content)}
    if content.type != "AVRO":
        found["schemaType"] = content.type
    if content.references:
        found["references"] = content.references
    if content.metadata:
        found["metadata"] = content.metadata
    if content.rules:
        found["ruleSet"] = content.rules
    return found


async def told_entry(asked: Asked, subject: str, entry: Entry) -> dict[str, Any]:
    """A version of a subject as the protocol has it."""
    found = {"subject": subject, "id": entry.id, "version": entry.version}
    return {**found, **await told_schema(asked, entry.content)}
