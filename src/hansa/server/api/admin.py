"""Domains, the audit, backups and the state of the machine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from hansa.access.decide import HANSA, Action, Target
from hansa.errors import CallerError
from hansa.registry.values import AuditFilter, Domain
from hansa.server.api.base import ApiRoute, Asked, Endpoint
from hansa.server.api.forms import Count, Limit, Name
from hansa.server.merge import rfc3339


class NewDomain(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    name: Name
    description: str | None = None
    owner: str | None = None


class AuditQuery(msgspec.Struct):
    """`target` takes in what lies within: a domain its products, a product its processes."""

    actor: str | None = None
    operation: str | None = None
    target: str | None = None
    limit: Limit = 100
    after: Count | None = None


class Backup(msgspec.Struct, forbid_unknown_fields=True):
    """`path` is absolute, on the server's machine."""

    path: str


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [
        endpoint.route("GET", "/domains", domains, Action.CATALOGUE_READ),
        endpoint.route("POST", "/domains", put_domain, Action.DOMAIN_MANAGE, status=201),
        endpoint.route("GET", "/domains/{domain}", domain, Action.CATALOGUE_READ),
        endpoint.route("GET", "/audit", audit, Action.AUDIT_READ),
        endpoint.route("GET", "/audit/verify", verify, Action.AUDIT_READ),
        endpoint.route("POST", "/backup", backup, Action.BACKUP, status=201),
        endpoint.route("GET", "/doctor", doctor, Action.AUDIT_READ),
    ]


async def domains(asked: Asked) -> Any:
    """All domains."""
    asked.allow()
    return {"items": await asyncio.to_thread(asked.services.registry.domains)}


async def domain(asked: Asked) -> Any:
    """A domain with the people who have a role in it."""
    asked.allow()
    name = asked.path("domain")
    registry = asked.services.registry
    found = await asyncio.to_thread(registry.domain, name)
    members = await asyncio.to_thread(registry.members, name)
    accounts = {account.id: account for account in await asyncio.to_thread(registry.accounts)}
    return {
        "name": found.name, "description": found.description, "owner": found.owner,
        "members": [
            {"person": m.account, "role": m.role, "name": accounts[m.account].name,
            "contact": accounts[m.account].contact}
            for m in members
        ],
        "products": [spec.id for spec in asked.services.mesh.specs() if spec.domain == name and asked.sees(spec.id)],
    }  # fmt: skip


async def put_domain(asked: Asked, body: NewDomain) -> Any:
    """Creates or changes a domain; `outcome` says which: created, changed, or unchanged."""
    asked.allow(Target(domain=body.name))
    registry = asked.services.registry
    before = next((domain for domain in await asyncio.to_thread(registry.domains) if domain.name == body.name), None)
    wanted = before or Domain(body.name)
    given = {"description": body.description, "owner": body.owner}
    wanted = replace(wanted, **{name: value for name, value in given.items() if value is not None})
    await asyncio.to_thread(registry.put_domain, asked.principal.id, wanted)
    outcome = "created" if before is None else "unchanged" if wanted == before else "changed"
    return {**msgspec.to_builtins(wanted), "outcome": outcome}


async def audit(asked: Asked, query: AuditQuery) -> Any:
    """Every operation, the newest first. Who has a role in a domain sees what was done to it: `target=operations`."""
    target = query.target
    asked.allow(Target(domain=target.partition(".")[0]) if target else HANSA)
    where = AuditFilter(query.actor, query.operation, target)
    entries = await asyncio.to_thread(
        lambda: asked.services.registry.audit_list(where, limit=query.limit, after=query.after)
    )
    items = [{**msgspec.to_builtins(entry), "time": rfc3339(entry.time_us)} for entry in entries]
    return {"items": items, "next": entries[-1].seq if len(entries) == query.limit else None}


async def verify(asked: Asked) -> Any:
    """Checks the whole chain of the audit."""
    asked.allow()
    found = await asyncio.to_thread(asked.services.registry.audit_verify)
    return {"intact": found.intact, "first_bad": found.first_bad}


async def backup(asked: Asked, body: Backup) -> Any:
    """A consistent copy of everything into a new folder of the server's machine, while it runs."""
    asked.allow()
    target = Path(body.path)
    if not target.is_absolute():
        raise CallerError(
            "backup.path", f"{body.path!r} is not an absolute path", hint="Name a new folder from the root: /backup/1."
        )
    found = await asked.services.backup(target)
    await asyncio.to_thread(asked.services.registry.record, asked.principal.id, "backup.made", body.path)
    return found


async def doctor(asked: Asked) -> Any:
    """What this machine offers and whether the stores are whole."""
    asked.allow()
    return {"items": await asked.services.doctor()}
