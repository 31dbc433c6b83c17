"""The schema registry: which changes a subject permits (`config`), and whether it may be changed (`mode`)."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from starlette.responses import Response

from hansa.access.decide import Action
from hansa.errors import CallerError
from hansa.protocols.schema_registry.registry import with_compatibility, with_mode
from hansa.registry.values import SubjectSettings
from hansa.server.api.base import ApiRoute, Asked, Endpoint
from hansa.server.api.schema_protocol import answer, flag, owned, route
from hansa.server.operation import Handler

_READ: Final = Action.CATALOGUE_READ
_WRITE: Final = Action.SCHEMA_WRITE
_MANAGE: Final = Action.SCHEMA_MANAGE


class ConfigBody(msgspec.Struct):
    """`compatibilityGroup` is the property of a schema's metadata within whose values versions are compared. The other
    members of the protocol are known, and refused where they ask for something."""

    compatibility: str | None = None
    compatibilityGroup: str | None = None  # noqa: N815
    alias: Any = None
    normalize: Any = None
    defaultMetadata: Any = None  # noqa: N815
    overrideMetadata: Any = None  # noqa: N815
    defaultRuleSet: Any = None  # noqa: N815
    overrideRuleSet: Any = None  # noqa: N815


class ModeBody(msgspec.Struct):
    """READWRITE or READONLY."""

    mode: str


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    table: list[tuple[str, str, Handler, Action]] = [
        ("GET", "/config", config, _READ),
        ("PUT", "/config", set_config, _MANAGE),
        ("DELETE", "/config", unset_config, _MANAGE),
        ("GET", "/config/{subject}", subject_config, _READ),
        ("PUT", "/config/{subject}", set_subject_config, _WRITE),
        ("DELETE", "/config/{subject}", unset_subject_config, _WRITE),
        ("GET", "/mode", mode, _READ),
        ("PUT", "/mode", set_mode, _MANAGE),
        ("GET", "/mode/{subject}", subject_mode, _READ),
        ("PUT", "/mode/{subject}", set_subject_mode, _WRITE),
        ("DELETE", "/mode/{subject}", unset_subject_mode, _WRITE),
    ]
    return [route(endpoint, *row) for row in table]


async def config(asked: Asked) -> Response:
    """The level of subjects that have none of their own."""
    asked.within()
    return answer(_config(await asyncio.to_thread(asked.services.schemas.everywhere)))


async def set_config(asked: Asked, body: ConfigBody) -> Response:
    """Sets the level of subjects that have none of their own."""
    asked.allow()
    return await _set_config(asked, "", body)


async def unset_config(asked: Asked) -> Response:
    """Takes the level of all subjects back to what it is by default."""
    asked.allow()
    return await _unset_config(asked, "")


async def subject_config(asked: Asked) -> Response:
    """The level of a subject; with `defaultToGlobal`, that of all where it has none of its own."""
    settings = await _settings(asked)
    if settings.compatibility is None and settings.group is None and not flag(asked, "defaultToGlobal"):
        raise _no_level(asked.path("subject"))
    return answer(_config(settings, await asyncio.to_thread(asked.services.schemas.everywhere)))


async def set_subject_config(asked: Asked, body: ConfigBody) -> Response:
    """Sets the level of a subject. That of a port is its contract's."""
    return await _set_config(asked, await owned(asked), body)


async def unset_subject_config(asked: Asked) -> Response:
    """Takes the level of a subject away: that of all holds again."""
    return await _unset_config(asked, await owned(asked))


async def mode(asked: Asked) -> Response:
    """Whether subjects may be changed that do not say so themselves."""
    asked.within()
    return answer({"mode": (await asyncio.to_thread(asked.services.schemas.everywhere)).mode})


async def set_mode(asked: Asked, body: ModeBody) -> Response:
    """Sets whether subjects may be changed that do not say so themselves."""
    asked.allow()
    return await _set_mode(asked, "", body.mode)


async def subject_mode(asked: Asked) -> Response:
    """Whether a subject may be changed; with `defaultToGlobal`, what holds for all where it does not say."""
    settings = await _settings(asked)
    if settings.mode is None and not flag(asked, "defaultToGlobal"):
        raise _no_mode(asked.path("subject"))
    everywhere = await asyncio.to_thread(asked.services.schemas.everywhere)
    return answer({"mode": settings.mode or everywhere.mode})


async def set_subject_mode(asked: Asked, body: ModeBody) -> Response:
    """Sets whether a subject may be changed. That of a port may not."""
    return await _set_mode(asked, await owned(asked), body.mode)


async def unset_subject_mode(asked: Asked) -> Response:
    """Takes the mode of a subject away: that of all holds again."""
    name = await owned(asked)
    before = await asyncio.to_thread(asked.services.schemas.change, asked.principal.id, name, with_mode(None))
    if before.mode is None:
        raise _no_mode(name)
    return answer({"mode": before.mode})


async def _settings(asked: Asked) -> SubjectSettings:
    name = await owned(asked)
    return (await asyncio.to_thread(asked.services.schemas.find, name)).settings


async def _set_config(asked: Asked, name: str, body: ConfigBody) -> Response:
    unsupported = [n for n in body.__struct_fields__[2:] if getattr(body, n)]
    if unsupported:
        raise CallerError(
            "config.unsupported",
            f"Hansa has no {unsupported[0]} in a config",
            hint="Send `compatibility` and `compatibilityGroup`; metadata and rules go with each schema.",
            details={"status": 422},
        )
    change = with_compatibility(body.compatibility, body.compatibilityGroup)
    await asyncio.to_thread(asked.services.schemas.change, asked.principal.id, name, change)
    group = {"compatibilityGroup": body.compatibilityGroup} if body.compatibilityGroup else {}
    return answer({"compatibility": body.compatibility, **group})


async def _unset_config(asked: Asked, name: str) -> Response:
    schemas = asked.services.schemas
    before = await asyncio.to_thread(schemas.change, asked.principal.id, name, with_compatibility(None, None))
    if name and before.compatibility is None and before.group is None:
        raise _no_level(name)
    return answer(_config(before, await asyncio.to_thread(schemas.everywhere)))


async def _set_mode(asked: Asked, name: str, word: str) -> Response:
    await asyncio.to_thread(asked.services.schemas.change, asked.principal.id, name, with_mode(word))
    return answer({"mode": word})


def _no_level(name: str) -> CallerError:
    return CallerError(
        "subject.unset",
        f"The subject {name} has no level of its own",
        hint="Ask with `defaultToGlobal=true` for the one that holds.",
    )


def _no_mode(name: str) -> CallerError:
    return CallerError(
        "mode.unset",
        f"The subject {name} has no mode of its own",
        hint="Ask with `defaultToGlobal=true` for the one that holds.",
    )


def _config(settings: SubjectSettings, above: SubjectSettings | None = None) -> dict[str, Any]:
    above = above or settings
    group = settings.group or above.group
    return {
        "compatibilityLevel": settings.compatibility or above.compatibility,
        **({"compatibilityGroup": group} if group else {}),
    }
