"""Who comes with which token, in memory: calls are let in without a question to the database."""

from __future__ import annotations

from collections.abc import Iterable

from hansa.registry.tables.base import ACCESS
from hansa.registry.values import AuditEntry, Identity


class AccessCopy:
    """Read by any thread while one writes: a token that stays is there all the time."""

    def __init__(self, found: Iterable[Identity]) -> None:
        self._identities: dict[str, Identity] = {}
        self._tokens: dict[str, set[str]] = {}
        """Of each account."""
        self.replace((), found)

    def identity(self, token: str) -> Identity | None:
        return self._identities.get(token)

    def replace(self, accounts: Iterable[str], found: Iterable[Identity]) -> None:
        """`found` are all tokens that the accounts have now."""
        tokens: dict[str, set[str]] = {account: set() for account in accounts}
        for identity in found:
            tokens.setdefault(identity.account.id, set()).add(identity.token.id)
            self._identities[identity.token.id] = identity
        for account, held in tokens.items():
            for gone in self._tokens.get(account, set()) - held:
                del self._identities[gone]
            self._tokens[account] = held


def account_of(entry: AuditEntry) -> str | None:
    """The account whose access an entry of the audit changed; None where it changed nobody's."""
    noun = entry.operation.partition(".")[0]
    if noun == "account":
        return entry.target
    told = (entry.after or entry.before) if noun in ACCESS else None
    return str(told["account"]) if told else None
