"""Making tokens and knowing who comes with one."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from hansa.access.key import Key, derived_key, new_key, parse_key
from hansa.access.principal import Principal, Scope
from hansa.errors import CallerError, Unavailable
from hansa.model.ids import ProductId
from hansa.registry.interface import Tokens
from hansa.registry.values import Identity, Token

DAY_S: Final = 24 * 3600
LIFETIME_S: Final = 90 * DAY_S
LIFETIME_MAX_S: Final = 366 * DAY_S
LEASE_S: Final = 30.0
_CACHED_MAX: Final = 10_000


class Issued(NamedTuple):
    """`text` is shown once and kept nowhere."""

    text: str
    token: Token


class TokenIssuer:
    """Makes tokens. Whether `actor` may do so is `decide`'s matter."""

    def __init__(self, registry: Tokens, pepper: bytes, *, clock_us: Callable[[], int]) -> None:
        self._registry = registry
        self._pepper = pepper
        self._clock_us = clock_us

    def issue(
        self,
        actor: str,
        account: str,
        name: str,
        scopes: Iterable[str],
        *,
        products: Iterable[str] | None = None,
        lifetime_s: float = LIFETIME_S,
        key: Key | None = None,
    ) -> Issued:
        """A token for an existing account. `products` limits it to those; None does not. `key` is one of `derived`;
        None is a new one.

        Raises `CallerError`: `token.scopes`, `token.lifetime`, `id.malformed`, `account.unknown`.
        """
        granted = _checked_scopes(scopes)
        _check_lifetime(lifetime_s)
        allowed = None if products is None else tuple(str(ProductId.parse(product)) for product in products)
        key, now_us = key or new_key(), self._clock_us()
        expires_us = now_us + int(lifetime_s * 1_000_000)
        token = Token(key.id, account, name, key.hash(self._pepper), granted, allowed, now_us, expires_us)
        self._registry.add_token(actor, token)
        return Issued(key.text, token)

    def derived(self, purpose: str) -> Key:
        """The key for a purpose that all come to who have this Hansa's pepper."""
        return derived_key(self._pepper, purpose)


class _Cached(NamedTuple):
    principal: Principal
    expires_us: int


class _Known(NamedTuple):
    """What was found while the registry's access epoch was `epoch`. It is replaced, never reused for a later epoch: a
    thread that is still loading under the earlier one then remembers it where nobody looks."""

    epoch: int
    tokens: dict[str, _Cached]


class Authenticator:
    """Who comes with a token. What was found is remembered until a token, an account or a role changes, so that a
    revoked token is refused from the moment on that `revoke_token` returns. Where other nodes change them, too, that
    holds for `lease_s` without word from the registry. Safe to call from several threads."""

    def __init__(
        self, registry: Tokens, pepper: bytes, *, clock_us: Callable[[], int], lease_s: float = LEASE_S
    ) -> None:
        self._registry = registry
        self._pepper = pepper
        self._clock_us = clock_us
        self._lease_s = lease_s
        self._known = _Known(registry.access_epoch(), {})
        self._used: dict[str, int] = {}

    def check_lease(self) -> None:
        """Raises `Unavailable("access.stale")` where the registry has not been heard from for so long that nobody is to
        be let in by what was known then, whoever they are."""
        age_s = self._registry.access_age_s()
        if age_s > self._lease_s:
            raise Unavailable(
                "access.stale",
                f"This node has not heard from its registry for {age_s:.0f} s, and does not know who may do what now",
                hint="It goes on by itself when the registry answers; ask another node meanwhile.",
            )

    def authenticate(self, token: str) -> Principal:
        """The account of a token. Raises `CallerError`: `token.malformed`, `token.unknown` (a wrong secret too),
        `token.revoked`, `token.expired`; and what `check_lease` raises."""
        self.check_lease()
        epoch = self._registry.access_epoch()
        known = self._known
        if known.epoch != epoch:
            known = self._known = _Known(epoch, {})
        cached = known.tokens.get(token) or self._load(token, known)
        now_us = self._clock_us()
        if now_us >= cached.expires_us:
            raise CallerError("token.expired", "The token has expired", hint="Ask an admin for a new one.")
        self._used[cached.principal.token or ""] = now_us
        return cached.principal

    def flush(self) -> None:
        """Writes when tokens were used. To be called now and then, and before the end."""
        used, self._used = self._used, {}
        if used:
            self._registry.touch_tokens(dict(used))

    def _load(self, text: str, known: _Known) -> _Cached:
        key = parse_key(text)
        identity = self._registry.identity(key.id)
        if identity is None or not hmac.compare_digest(identity.token.secret_hash, key.hash(self._pepper)):
            raise CallerError("token.unknown", f"There is no such token ({key.id})", hint="Is it from another Hansa?")
        if identity.token.revoked_us is not None:
            raise CallerError("token.revoked", f"The token {key.id} was revoked", hint="Ask an admin for a new one.")
        found = _Cached(_principal(identity), identity.token.expires_us)
        if len(known.tokens) >= _CACHED_MAX:
            known.tokens.clear()
        known.tokens[text] = found
        return found


def _principal(identity: Identity) -> Principal:
    token = identity.token
    return Principal(
        identity.account.id,
        identity.roles,
        frozenset(map(Scope, token.scopes)),
        None if token.products is None else frozenset(token.products),
        identity.account.admin,
        token.id,
    )


def _checked_scopes(scopes: Iterable[str]) -> tuple[Scope, ...]:
    asked = set(scopes)
    wrong = sorted(asked - set(Scope))
    if wrong or not asked:
        raise CallerError(
            "token.scopes",
            f"{wrong[0]!r} is not a scope" if wrong else "A token needs a scope",
            hint=f"Scopes are {', '.join(Scope)}.",
        )
    return tuple(sorted(map(Scope, asked)))


def _check_lifetime(lifetime_s: float) -> None:
    if not 0 < lifetime_s <= LIFETIME_MAX_S:
        raise CallerError(
            "token.lifetime",
            f"A token cannot live for {lifetime_s:g} s",
            hint=f"Give more than 0 and at most {LIFETIME_MAX_S // DAY_S} days.",
        )
