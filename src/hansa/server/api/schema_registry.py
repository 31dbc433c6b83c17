"""The schema registry: subjects, their versions, and schemas by their ids."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.responses import Response

from hansa.access.decide import Action, decide
from hansa.protocols.schema_registry import forms
from hansa.protocols.schema_registry.names import DEFAULT_CONTEXT, within_context
from hansa.protocols.schema_registry.registry import Owner
from hansa.server.api.base import ApiRoute, Asked, Endpoint
from hansa.server.api.schema_protocol import (
    MEDIA,
    SchemaBody,
    answer,
    flag,
    owned,
    page,
    route,
    schema_of,
    subject_of,
    target_of,
    text_of,
    told_entry,
    told_schema,
)
from hansa.server.operation import Handler

_READ: Final = Action.CATALOGUE_READ
_WRITE: Final = Action.SCHEMA_WRITE


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    of_version = "/subjects/{subject}/versions/{version}"
    judged = "/compatibility/subjects/{subject}/versions"
    table: list[tuple[str, str, Handler, Action]] = [
        ("GET", "/subjects", subjects, _READ),
        ("POST", "/subjects/{subject}", lookup, _READ),
        ("DELETE", "/subjects/{subject}", delete_subject, _WRITE),
        ("GET", "/subjects/{subject}/versions", versions, _READ),
        ("POST", "/subjects/{subject}/versions", register, _WRITE),
        ("GET", "/subjects/{subject}/metadata", with_metadata, _READ),
        ("GET", of_version, version, _READ),
        ("DELETE", of_version, delete_version, _WRITE),
        ("GET", f"{of_version}/schema", version_text, _READ),
        ("GET", f"{of_version}/referencedby", referenced_by, _READ),
        ("GET", "/schemas", schemas, _READ),
        ("GET", "/schemas/types", types, _READ),
        ("GET", "/schemas/ids/{schema}", by_id, _READ),
        ("GET", "/schemas/ids/{schema}/schema", text_by_id, _READ),
        ("GET", "/schemas/ids/{schema}/subjects", subjects_by_id, _READ),
        ("GET", "/schemas/ids/{schema}/versions", versions_by_id, _READ),
        ("POST", judged, judge, _READ),
        ("POST", f"{judged}/{{version}}", judge_version, _READ),
        ("GET", "/contexts", contexts, _READ),
    ]
    return [route(endpoint, *row) for row in table]


async def subjects(asked: Asked) -> Response:
    """The names of all subjects that may be read. `subjectPrefix` (`:*:` are those of every context, `:.:` those of
    none), `deleted`, `deletedOnly`, `offset` and `limit` choose among them."""
    return answer(page(asked, await _names(asked)))


async def _names(asked: Asked) -> list[str]:
    asked.within()
    prefix, only = asked.request.query_params.get("subjectPrefix", ""), flag(asked, "deletedOnly")
    default_only, prefix = prefix.startswith(":.:"), prefix.removeprefix(":*:").removeprefix(":.:")
    found = []
    for one in await asyncio.to_thread(lambda: list(asked.services.schemas.names())):
        is_asked_for = one.is_deleted if only else flag(asked, "deleted") or not one.is_deleted
        is_inside = not default_only or within_context(one.name)[0] == DEFAULT_CONTEXT
        if is_asked_for and is_inside and one.name.startswith(prefix):
            target = target_of(asked, Owner(one.product, None))
            if decide(asked.principal, asked.action, target).allowed:
                found.append(one.name)
    return sorted(found)


async def versions(asked: Asked) -> Response:
    """The numbers of a subject's versions; with `deleted`, of deleted ones too."""
    subject = await subject_of(asked, deleted=flag(asked, "deleted"))
    return answer(page(asked, [entry.version for entry in subject.versions(deleted=flag(asked, "deleted"))]))


async def version(asked: Asked) -> Response:
    """One version of a subject, or its `latest`: that of a port is the schema of its live contract."""
    subject = await subject_of(asked, deleted=flag(asked, "deleted"))
    entry = subject.version(asked.path("version"), deleted=flag(asked, "deleted"))
    return answer(await told_entry(asked, subject.name, entry))


async def version_text(asked: Asked) -> Response:
    """The schema of a version, as it is written."""
    subject = await subject_of(asked, deleted=flag(asked, "deleted"))
    entry = subject.version(asked.path("version"), deleted=flag(asked, "deleted"))
    return Response(await text_of(asked, entry.content), media_type=MEDIA)


async def with_metadata(asked: Asked) -> Response:
    """The last version whose metadata has each `key` with its `value`."""
    subject = await subject_of(asked, deleted=flag(asked, "deleted"))
    given = asked.request.query_params
    wanted = dict(zip(given.getlist("key"), given.getlist("value"), strict=False))
    entry = subject.with_metadata(wanted, deleted=flag(asked, "deleted"))
    return answer(await told_entry(asked, subject.name, entry))


async def referenced_by(asked: Asked) -> Response:
    """The ids of the schemas that refer to a version."""
    subject = await subject_of(asked)
    entry = subject.version(asked.path("version"), deleted=True)
    return answer(await asyncio.to_thread(asked.services.schemas.referrers, subject, entry))


async def lookup(asked: Asked, body: SchemaBody) -> Response:
    """The version of a subject that is this schema."""
    subject = await subject_of(asked, deleted=flag(asked, "deleted"))

    def found() -> Any:
        content = asked.services.schemas.prepared(body.content(), normalise=flag(asked, "normalize"))
        return asked.services.schemas.known(subject, content, deleted=flag(asked, "deleted"))

    return answer(await told_entry(asked, subject.name, await asyncio.to_thread(found)))


async def register(asked: Asked, body: SchemaBody) -> Response:
    """The id of a schema in a subject, which gets it where it has it not. Subjects of ports have what contracts say."""
    name = await owned(asked)
    body.check_not_imported(name)
    registered = await asyncio.to_thread(
        asked.services.schemas.register,
        asked.principal.id,
        name,
        body.content(),
        normalise=flag(asked, "normalize"),
    )
    return answer({"id": registered.id})


async def delete_subject(asked: Asked) -> Response:
    """Marks all versions of a subject as deleted, or with `permanent` takes away those that are."""
    subject = await subject_of(asked)
    return answer(await _deleted(asked, subject, None))


async def delete_version(asked: Asked) -> Response:
    """Marks a version as deleted, or with `permanent` takes it away where it is."""
    subject = await subject_of(asked)
    return answer((await _deleted(asked, subject, asked.path("version")))[0])


async def _deleted(asked: Asked, subject: Any, number: str | None) -> list[int]:
    permanent, actor = flag(asked, "permanent"), asked.principal.id
    return await asyncio.to_thread(asked.services.schemas.delete, actor, subject, number, permanent=permanent)


async def judge(asked: Asked, body: SchemaBody) -> Response:
    """Whether a schema may follow all versions of a subject, under its level; `verbose` says why not."""
    return await _judged(asked, body, None)


async def judge_version(asked: Asked, body: SchemaBody) -> Response:
    """Whether a schema may follow one version of a subject, under its level; `verbose` says why not."""
    return await _judged(asked, body, asked.path("version"))


async def _judged(asked: Asked, body: SchemaBody, number: str | None) -> Response:
    subject = await subject_of(asked)
    registry = asked.services.schemas
    judged = await asyncio.to_thread(lambda: registry.judge(subject, registry.prepared(body.content()), number))
    messages = {"messages": judged.why} if flag(asked, "verbose") else {}
    return answer({"is_compatible": judged.is_compatible, **messages})


async def schemas(asked: Asked) -> Response:
    """The versions of all subjects that may be read; with `latestOnly`, the latest of each."""
    registry = asked.services.schemas
    deleted, latest_only = flag(asked, "deleted"), flag(asked, "latestOnly")
    found = []
    for name in await _names(asked):
        subject = await asyncio.to_thread(registry.subject, name)
        latest = [subject.latest] if subject.latest else []
        entries = latest if latest_only else subject.versions(deleted=deleted)
        found += [(name, entry) for entry in entries]
    return answer([await told_entry(asked, name, entry) for name, entry in page(asked, found)])


async def types(asked: Asked) -> Response:
    """The types of schemas that there can be."""
    asked.within()
    return answer(forms.TYPES)


async def by_id(asked: Asked) -> Response:
    """The schema of an id, with metadata and rules as `subject` has them, where that is named; with `fetchMaxId`, the
    highest id beside it."""
    told = await told_schema(asked, (await schema_of(asked)).content)
    if flag(asked, "fetchMaxId"):
        told["maxId"] = await asyncio.to_thread(asked.services.schemas.id_max)
    return answer(told)


async def text_by_id(asked: Asked) -> Response:
    """The schema of an id, as it is written."""
    return Response(await text_of(asked, (await schema_of(asked)).content), media_type=MEDIA)


async def subjects_by_id(asked: Asked) -> Response:
    """The subjects that have the schema of an id; with `deleted`, as deleted versions too."""
    uses = (await schema_of(asked)).uses
    names = {use.subject for use in uses if flag(asked, "deleted") or not use.is_deleted}
    return answer(page(asked, sorted(names)))


async def versions_by_id(asked: Asked) -> Response:
    """The versions that have the schema of an id; with `deleted`, deleted ones too."""
    uses = (await schema_of(asked)).uses
    found = [use for use in uses if flag(asked, "deleted") or not use.is_deleted]
    return answer(page(asked, [{"subject": use.subject, "version": use.version} for use in found]))


async def contexts(asked: Asked) -> Response:
    """The contexts of the subjects that may be read. Subjects of ports are in `.`."""
    return answer(page(asked, asked.services.schemas.contexts(await _names(asked))))
