"""Domains, people, tokens, the audit, backups and the state of the machine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from starlette.routing import Route

from hansa.access.decide import Action, Target
from hansa.access.tokens import DAY_S
from hansa.errors import CallerError
from hansa.registry.values import Account, AuditFilter, Domain, Role, Token
from hansa.server.api.base import Asked, Endpoint, json_response
from hansa.server.merge import rfc3339


class NewDomain(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    description: str = ""
    owner: str = ""


class NewAccount(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    name: str = ""
    contact: str = ""
    kind: str = "person"
    admin: bool = False


class GivenRole(msgspec.Struct, forbid_unknown_fields=True):
    person: str
    role: str


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    scopes: list[str]
    principal: str | None = None
    products: list[str] | None = None
    expires_days: float = 90.0


class Backup(msgspec.Struct, forbid_unknown_fields=True):
    path: str


def routes(endpoint: Endpoint) -> list[Route]:
    return [
        endpoint.route("GET", "/me", me),
        endpoint.route("GET", "/domains", domains),
        endpoint.route("POST", "/domains", put_domain, status=201),
        endpoint.route("GET", "/domains/{domain}", domain),
        endpoint.route("POST", "/domains/{domain}/roles", set_role, status=201),
        endpoint.route("DELETE", "/domains/{domain}/roles/{person}", remove_role),
        endpoint.route("GET", "/people", people),
        endpoint.route("POST", "/people", put_person, status=201),
        endpoint.route("GET", "/tokens", tokens),
        endpoint.route("POST", "/tokens", new_token, status=201),
        endpoint.route("DELETE", "/tokens/{token}", revoke_token),
        endpoint.route("GET", "/audit", audit),
        endpoint.route("GET", "/audit/verify", verify),
        endpoint.route("POST", "/backup", backup),
        endpoint.route("GET", "/doctor", doctor),
    ]


async def me(asked: Asked) -> Any:
    """Who the token belongs to and what it may do."""
    asked.allow(Action.CATALOGUE_READ)
    principal = asked.principal
    return {
        "principal": principal.id, "admin": principal.admin, "scopes": sorted(principal.scopes),
        "roles": dict(principal.roles), "products": sorted(principal.products) if principal.products else None,
    }  # fmt: skip


async def domains(asked: Asked) -> Any:
    """All domains."""
    asked.allow(Action.CATALOGUE_READ)
    return {"items": await asyncio.to_thread(asked.services.registry.domains)}


async def domain(asked: Asked) -> Any:
    """A domain with the people who have a role in it."""
    asked.allow(Action.CATALOGUE_READ)
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
        "products": [spec.id for spec in asked.services.mesh.specs() if spec.domain == name],
    }  # fmt: skip


async def put_domain(asked: Asked) -> Any:
    """Creates or changes a domain."""
    body = await asked.json(NewDomain)
    asked.allow(Action.DOMAIN_MANAGE, Target(domain=body.name))
    made = Domain(body.name, body.description, body.owner)
    await asyncio.to_thread(asked.services.registry.put_domain, asked.principal.id, made)
    return made


async def set_role(asked: Asked) -> Any:
    """Gives a person a role in a domain."""
    name = asked.path("domain")
    asked.allow(Action.PEOPLE_MANAGE, Target(domain=name))
    body = await asked.json(GivenRole)
    if body.role not in set(Role):
        raise CallerError("role.unknown", f"There is no role {body.role!r}", hint=f"Roles are {', '.join(Role)}.")
    await asyncio.to_thread(asked.services.registry.set_role, asked.principal.id, name, body.person, Role(body.role))
    return {"domain": name, "person": body.person, "role": body.role}


async def remove_role(asked: Asked) -> Any:
    """Takes a person's role in a domain away."""
    name, person = asked.path("domain"), asked.path("person")
    asked.allow(Action.PEOPLE_MANAGE, Target(domain=name))
    await asyncio.to_thread(asked.services.registry.remove_role, asked.principal.id, name, person)
    return {"domain": name, "person": person, "role": None}


async def people(asked: Asked) -> Any:
    """All people and service accounts."""
    asked.allow(Action.CATALOGUE_READ)
    return {"items": await asyncio.to_thread(asked.services.registry.accounts)}


async def put_person(asked: Asked) -> Any:
    """Creates or changes a person or a service account."""
    asked.allow(Action.PEOPLE_MANAGE)
    body = await asked.json(NewAccount)
    made = msgspec.convert(msgspec.structs.asdict(body), Account)
    await asyncio.to_thread(asked.services.registry.put_account, asked.principal.id, made)
    return made


def _token(token: Token) -> dict[str, Any]:
    return {
        "id": token.id, "name": token.name, "principal": token.account, "scopes": token.scopes,
        "products": token.products,
        "created_at": rfc3339(token.created_us), "expires_at": rfc3339(token.expires_us),
        "last_used_at": rfc3339(token.last_used_us) if token.last_used_us else None,
        "revoked": token.revoked_us is not None,
    }  # fmt: skip


async def tokens(asked: Asked) -> Any:
    """One's own tokens, or everybody's for who manages them."""
    asked.allow(Action.TOKEN_MANAGE, Target(account=asked.principal.id))
    account = None if asked.principal.admin else asked.principal.id
    asked.services.authenticator.flush()
    return {"items": [_token(t) for t in await asyncio.to_thread(asked.services.registry.tokens, account)]}


async def new_token(asked: Asked) -> Any:
    """A new token; its text is shown this once."""
    body = await asked.json(NewToken)
    account = body.principal or asked.principal.id
    asked.allow(Action.TOKEN_MANAGE, Target(account=account))
    issued = await asyncio.to_thread(
        lambda: asked.services.issuer.issue(
            asked.principal.id,
            account,
            body.name,
            body.scopes,
            products=body.products,
            lifetime_s=body.expires_days * DAY_S,
        )
    )
    return {**_token(issued.token), "token": issued.text}


async def revoke_token(asked: Asked) -> Any:
    """Ends a token at once."""
    token = asked.path("token")
    owner = await asyncio.to_thread(asked.services.registry.identity, token)
    asked.allow(Action.TOKEN_MANAGE, Target(account=owner.account.id if owner else None))
    await asyncio.to_thread(asked.services.registry.revoke_token, asked.principal.id, token)
    return {"id": token, "revoked": True}


async def audit(asked: Asked) -> Any:
    """Every operation, the newest first."""
    asked.allow(Action.AUDIT_READ)
    where = AuditFilter(asked.query("actor"), asked.query("operation"), asked.query("target"))
    limit = asked.number("limit", 100, most=1000) or 100
    entries = await asyncio.to_thread(
        lambda: asked.services.registry.audit_list(where, limit=limit, after=asked.number("after"))
    )
    items = [{**msgspec.to_builtins(entry), "time": rfc3339(entry.time_us)} for entry in entries]
    return {"items": items, "next": entries[-1].seq if len(entries) == limit else None}


async def verify(asked: Asked) -> Any:
    """Checks the whole chain of the audit."""
    asked.allow(Action.AUDIT_READ)
    found = await asyncio.to_thread(asked.services.registry.audit_verify)
    return {"intact": found.intact, "first_bad": found.first_bad}


async def backup(asked: Asked) -> Any:
    """A consistent copy of everything into a new folder of the server's machine, while it runs."""
    asked.allow(Action.BACKUP)
    body = await asked.json(Backup)
    found = await asked.services.backup(Path(body.path))
    await asyncio.to_thread(asked.services.registry.record, asked.principal.id, "backup.made", body.path)
    return json_response(found, 201)


async def doctor(asked: Asked) -> Any:
    """What this machine offers and whether the stores are whole."""
    asked.allow(Action.AUDIT_READ)
    return {"items": await asked.services.doctor()}
