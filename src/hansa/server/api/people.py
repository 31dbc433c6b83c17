"""Accounts: people and services, their roles in domains, their tokens."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import msgspec

from hansa.access.decide import Action, Target
from hansa.access.principal import Scope
from hansa.access.tokens import DAY_S, LIFETIME_MAX_S
from hansa.registry.values import Account, Role, Token
from hansa.server.api.base import ApiRoute, Asked, Endpoint
from hansa.server.forms import Moment, Name, ProductId
from hansa.server.merge import rfc3339


class NewAccount(msgspec.Struct, forbid_unknown_fields=True):
    """`kind` service is for programs. `name` and `contact` are personal: the audit never knows them."""

    id: Name
    name: str = ""
    contact: str = ""
    kind: Literal["person", "service"] = "person"
    admin: bool = False


class GivenRole(msgspec.Struct, forbid_unknown_fields=True):
    person: Name
    role: Role


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1)]
    principal: Name | None = None
    products: list[ProductId] | None = None
    expires_days: Annotated[float, msgspec.Meta(gt=0, le=LIFETIME_MAX_S / DAY_S)] = 90.0


class Me(msgspec.Struct, frozen=True):
    """Whose token it is and what it may do; `products` None is every product."""

    principal: str
    admin: bool
    scopes: list[Scope]
    roles: dict[str, Role]
    products: list[str] | None


class PersonDetail(msgspec.Struct, frozen=True):
    """An account with its role in each domain."""

    id: str
    kind: Literal["person", "service"]
    name: str
    contact: str
    admin: bool
    roles: dict[str, Role]


class Removed(msgspec.Struct, frozen=True):
    """The account is gone."""

    id: str
    removed: bool = True


class DomainRole(msgspec.Struct, frozen=True):
    """The role that an account has in a domain now; None is no role."""

    domain: str
    person: str
    role: Role | None


class TokenDetail(msgspec.Struct, frozen=True):
    """What is known of a token; its text is not. `products` None is every product."""

    id: str
    name: str
    principal: str
    scopes: tuple[str, ...]
    products: tuple[str, ...] | None
    created_at: Moment
    expires_at: Moment
    last_used_at: Moment | None
    revoked: bool


class IssuedToken(TokenDetail, frozen=True, kw_only=True):
    """A new token with its text, `token`."""

    token: str


class RevokedToken(msgspec.Struct, frozen=True):
    """The token is refused from now on."""

    id: str
    revoked: bool = True


def routes(endpoint: Endpoint) -> list[ApiRoute]:
    return [
        endpoint.route("GET", "/me", me, Action.CATALOGUE_READ),
        endpoint.route("GET", "/people", people, Action.CATALOGUE_READ),
        endpoint.route("POST", "/people", put_person, Action.PEOPLE_MANAGE, status=201),
        endpoint.route("GET", "/people/{person}", person, Action.CATALOGUE_READ),
        endpoint.route("DELETE", "/people/{person}", remove_person, Action.PEOPLE_MANAGE),
        endpoint.route("POST", "/domains/{domain}/roles", set_role, Action.ROLE_MANAGE, status=201),
        endpoint.route("DELETE", "/domains/{domain}/roles/{person}", remove_role, Action.ROLE_MANAGE),
        endpoint.route("GET", "/tokens", tokens, Action.TOKEN_MANAGE),
        endpoint.route("POST", "/tokens", new_token, Action.TOKEN_MANAGE, status=201),
        endpoint.route("DELETE", "/tokens/{token}", revoke_token, Action.TOKEN_MANAGE),
    ]


async def me(asked: Asked) -> Me:
    """Who the token belongs to and what it may do."""
    asked.allow()
    principal = asked.principal
    products = sorted(principal.products) if principal.products else None
    return Me(principal.id, principal.admin, sorted(principal.scopes), dict(principal.roles), products)


async def people(asked: Asked) -> list[PersonDetail]:
    """All people and service accounts, with their roles."""
    asked.allow()
    roles = await asyncio.to_thread(asked.services.registry.roles)
    accounts = await asyncio.to_thread(asked.services.registry.accounts)
    return [_person(account, roles.get(account.id, {})) for account in accounts]


async def person(asked: Asked) -> PersonDetail:
    """One person or service account."""
    asked.allow()
    found = await asyncio.to_thread(asked.services.registry.account, asked.path("person"))
    roles = await asyncio.to_thread(asked.services.registry.roles)
    return _person(found, roles.get(found.id, {}))


def _person(account: Account, roles: dict[str, Role]) -> PersonDetail:
    return PersonDetail(account.id, account.kind, account.name, account.contact, account.admin, roles)


async def put_person(asked: Asked, body: NewAccount) -> Account:
    """Creates or changes a person or a service account."""
    asked.allow()
    made = Account(body.id, body.kind, body.name, body.contact, body.admin)
    await asyncio.to_thread(asked.services.registry.put_account, asked.principal.id, made)
    return made


async def remove_person(asked: Asked) -> Removed:
    """Removes an account with its roles; its tokens are refused from then on. What it did stays in the audit, under its
    id."""
    asked.allow()
    removed = asked.path("person")
    await asyncio.to_thread(asked.services.registry.remove_account, asked.principal.id, removed)
    return Removed(removed)


async def set_role(asked: Asked, body: GivenRole) -> DomainRole:
    """Gives a person a role in a domain."""
    name = asked.path("domain")
    asked.allow(Target(domain=name))
    await asyncio.to_thread(asked.services.registry.set_role, asked.principal.id, name, body.person, body.role)
    return DomainRole(name, body.person, body.role)


async def remove_role(asked: Asked) -> DomainRole:
    """Takes a person's role in a domain away."""
    name, person = asked.path("domain"), asked.path("person")
    asked.allow(Target(domain=name))
    await asyncio.to_thread(asked.services.registry.remove_role, asked.principal.id, name, person)
    return DomainRole(name, person, None)


def _token(token: Token) -> TokenDetail:
    return TokenDetail(
        token.id, token.name, token.account, token.scopes, token.products, rfc3339(token.created_us),
        rfc3339(token.expires_us), rfc3339(token.last_used_us) if token.last_used_us else None,
        token.revoked_us is not None,
    )  # fmt: skip


async def tokens(asked: Asked) -> list[TokenDetail]:
    """One's own tokens, or everybody's for who manages them."""
    asked.allow(Target(account=asked.principal.id))
    account = None if asked.principal.admin else asked.principal.id
    await asyncio.to_thread(asked.services.authenticator.flush)
    return [_token(t) for t in await asyncio.to_thread(asked.services.registry.tokens, account)]


async def new_token(asked: Asked, body: NewToken) -> IssuedToken:
    """A new token; its text is shown this once."""
    account = body.principal or asked.principal.id
    asked.allow(Target(account=account))
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
    return IssuedToken(**msgspec.structs.asdict(_token(issued.token)), token=issued.text)


async def revoke_token(asked: Asked) -> RevokedToken:
    """Ends a token at once."""
    token = asked.path("token")
    owner = await asyncio.to_thread(asked.services.registry.identity, token)
    asked.allow(Target(account=owner.account.id if owner else None))
    await asyncio.to_thread(asked.services.registry.revoke_token, asked.principal.id, token)
    return RevokedToken(token)
