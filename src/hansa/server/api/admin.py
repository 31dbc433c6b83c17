"""Domains, the audit, backups and the state of the machine."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from hansa.access.decide import HANSA, Action, Target
from hansa.errors import CallerError
from hansa.registry.values import AuditFilter, Domain, Role, Verified
from hansa.server.api.base import ApiRoute, Asked, Endpoint
from hansa.server.forms import Count, Limit, Moment, Name
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


class DomainMember(msgspec.Struct, frozen=True):
    """An account with a role in a domain."""

    person: str
    role: Role
    name: str
    contact: str


Outcome = Literal["created", "changed", "unchanged"]


class DomainPut(msgspec.Struct, frozen=True):
    """A domain as it is now, and what became of it."""

    name: str
    description: str
    owner: str
    outcome: Outcome


class DomainDetail(msgspec.Struct, frozen=True):
    """A domain, who has a role in it, and its live products."""

    name: str
    description: str
    owner: str
    members: list[DomainMember]
    products: list[str]


class AuditItem(msgspec.Struct, frozen=True):
    """One operation: who did what to which target. `digest` covers every field and, by `previous`, all before it."""

    seq: int
    time_us: int
    actor: str
    operation: str
    target: str
    before: Any
    after: Any
    detail: str
    previous: str
    digest: str
    time: Moment


class AuditPage(msgspec.Struct, frozen=True):
    """The newest entries first; `next` is what `after` takes for the page behind, None where that was the last."""

    items: list[AuditItem]
    next: int | None


class Verification(msgspec.Struct, frozen=True):
    """The first `intact` entries are; `first_bad` is the seq of the first that was altered or is missing."""

    intact: int
    first_bad: int | None

    @staticmethod
    def of(found: Verified) -> Verification:
        return Verification(found.intact, found.first_bad)


class BackupMade(msgspec.Struct, frozen=True):
    """Where a backup was written, and how much. `also` says what is kept elsewhere, to be copied behind this."""

    path: str
    files: int
    size_bytes: int
    also: list[str]


class Protection(msgspec.Struct, frozen=True):
    """A protection or a state of the machine; `fix` says what to do where it is not in force."""

    name: str
    in_force: bool
    detail: str
    fix: str


class NodeTold(msgspec.Struct, frozen=True):
    """A node that shares the log: where it is reached, what it does, which release it is, whether it owns the log."""

    id: str
    url: str
    roles: list[str]
    version: str
    is_owner: bool


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [
        endpoint.route("GET", "/domains", domains, Action.CATALOGUE_READ),
        endpoint.route("POST", "/domains", put_domain, Action.DOMAIN_MANAGE, status=201),
        endpoint.route("GET", "/domains/{domain}", domain, Action.CATALOGUE_READ),
        endpoint.route("GET", "/audit", audit, Action.AUDIT_READ),
        endpoint.route("GET", "/audit/verify", verify, Action.AUDIT_READ),
        endpoint.route("POST", "/backup", backup, Action.BACKUP, status=201),
        endpoint.route("GET", "/doctor", doctor, Action.AUDIT_READ),
        endpoint.route("GET", "/nodes", nodes, Action.AUDIT_READ),
    ]


async def domains(asked: Asked) -> list[Domain]:
    """All domains."""
    asked.allow()
    return await asyncio.to_thread(asked.services.registry.domains)


async def domain(asked: Asked) -> DomainDetail:
    """A domain with the people who have a role in it."""
    asked.allow()
    name = asked.path("domain")
    registry = asked.services.registry
    found = await asyncio.to_thread(registry.domain, name)
    members = await asyncio.to_thread(registry.members, name)
    accounts = {account.id: account for account in await asyncio.to_thread(registry.accounts)}
    having = [DomainMember(m.account, m.role, (a := accounts[m.account]).name, a.contact) for m in members]
    products = [spec.id for spec in asked.services.mesh.specs() if spec.domain == name and asked.sees(spec.id)]
    return DomainDetail(found.name, found.description, found.owner, having, products)


async def put_domain(asked: Asked, body: NewDomain) -> DomainPut:
    """Creates or changes a domain; `outcome` says which: created, changed, or unchanged."""
    asked.allow(Target(domain=body.name))
    registry = asked.services.registry
    before = next((domain for domain in await asyncio.to_thread(registry.domains) if domain.name == body.name), None)
    wanted = before or Domain(body.name)
    given = {"description": body.description, "owner": body.owner}
    wanted = replace(wanted, **{name: value for name, value in given.items() if value is not None})
    await asyncio.to_thread(registry.put_domain, asked.principal.id, wanted)
    outcome: Outcome = "created" if before is None else "unchanged" if wanted == before else "changed"
    return DomainPut(wanted.name, wanted.description, wanted.owner, outcome)


async def audit(asked: Asked, query: AuditQuery) -> AuditPage:
    """Every operation, the newest first. Who has a role in a domain sees what was done to it: `target=operations`."""
    target = query.target
    asked.allow(Target(domain=target.partition(".")[0]) if target else HANSA)
    where = AuditFilter(query.actor, query.operation, target)
    entries = await asyncio.to_thread(
        lambda: asked.services.registry.audit_list(where, limit=query.limit, after=query.after)
    )
    items = [AuditItem(**asdict(entry), time=rfc3339(entry.time_us)) for entry in entries]
    return AuditPage(items, entries[-1].seq if len(entries) == query.limit else None)


async def verify(asked: Asked) -> Verification:
    """Checks the whole chain of the audit."""
    asked.allow()
    return Verification.of(await asyncio.to_thread(asked.services.registry.audit_verify))


async def backup(asked: Asked, body: Backup) -> BackupMade:
    """A consistent copy of everything into a new folder of the server's machine, while it runs."""
    asked.allow()
    target = Path(body.path)
    if not target.is_absolute():
        raise CallerError(
            "backup.path", f"{body.path!r} is not an absolute path", hint="Name a new folder from the root: /backup/1."
        )
    found = await asked.services.backup(target)
    await asyncio.to_thread(asked.services.registry.record, asked.principal.id, "backup.made", body.path)
    return msgspec.convert(found, BackupMade)


async def doctor(asked: Asked) -> list[Protection]:
    """What this machine offers and whether the stores are whole."""
    asked.allow()
    return msgspec.convert(await asked.services.doctor(), list[Protection])


async def nodes(asked: Asked) -> list[NodeTold]:
    """The nodes that share the log; of a Hansa that is alone, itself."""
    asked.allow()
    return [
        NodeTold(node.id, node.url, list(node.roles), node.version, node.is_owner)
        for node in await asked.services.nodes()
    ]
