"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hansa.registry.values import Role


class Scope(StrEnum):
    """What a token may be used for, within what its account may do. `ADMIN` includes the others."""

    READ = "read"
    CALL = "call"
    PUBLISH = "publish"
    DEPLOY = "deploy"
    OPERATE = "operate"
    METRICS = "metrics"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """An account with the scopes of the token it came with. Hashable, so that a decision can be cached.

    `products` is the token's allow-list; None is every product. `roles` are (domain, role) pairs.
    """

    id: str
    roles: tuple[tuple[str, Role], ...] = ()
    scopes: frozenset[Scope] = frozenset()
    products: frozenset[str] | None = None
    admin: bool = False
    token: str | None = None

    def role_in(self, domain: str | None) -> Role | None:
        """The role in a domain, or None."""
        return next((role for name, role in self.roles if name == domain), None)

    def may_use(self, scope: Scope) -> bool:
        """True where the token has the scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


ANONYMOUS: Final = Principal("anonymous")
"""Who comes without a token."""

SYSTEM: Final = Principal("system", scopes=frozenset({Scope.ADMIN}), admin=True)
"""Hansa itself, for what no account asked for: first start, schedules, subscriptions."""
