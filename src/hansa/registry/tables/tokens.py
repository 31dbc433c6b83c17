"""API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hansa.registry.database import Connection
from hansa.registry.interface import Tokens
from hansa.registry.tables.base import ACCOUNT, TOKEN, Tables, known
from hansa.registry.tables.domains import account_of
from hansa.registry.values import Identity, Role, Token

_TOKEN: Final = (
    "t.id, t.account, t.name, t.secret_hash, t.scopes, t.products, t.created_us, t.expires_us, t.last_used_us,"
    " t.revoked_us"
)
_TOKENS: Final = f"SELECT {_TOKEN} FROM token t"
_BEARERS: Final = (
    f"SELECT {_TOKEN}, a.id, a.kind, a.name, a.contact, a.admin FROM token t JOIN account a ON a.id = t.account"
)
_ROLES: Final = "SELECT m.account, m.domain, m.role FROM membership m WHERE m.account IN (SELECT t.account FROM token t"


class TokenTables(Tables, Tokens):
    def add_token(self, actor: str, token: Token) -> None:
        with self._changing(actor) as change:
            known(change.connection, ACCOUNT, token.account)
            change.execute(
                "INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                token.id,
                token.account,
                token.name,
                token.secret_hash,
                _json(token.scopes),
                _json(token.products),
                token.created_us,
                token.expires_us,
                token.last_used_us,
                token.revoked_us,
            )
            change.audit("token.created", token.id, None, _public(token))

    def revoke_token(self, actor: str, token: str) -> None:
        with self._changing(actor) as change:
            known(change.connection, TOKEN, token)
            before = _token(change.execute(f"{_TOKENS} WHERE t.id = ?", token).fetchone())
            if before.revoked_us is None:
                change.execute("UPDATE token SET revoked_us = ? WHERE id = ?", change.time_us, token)
                change.audit("token.revoked", token, _public(before))

    def tokens(self, account: str | None = None) -> list[Token]:
        where, values = ("", ()) if account is None else (" WHERE t.account = ?", (account,))
        rows = self._rows(f"{_TOKENS}{where} ORDER BY t.created_us DESC, t.id", *values)
        return [_token(row) for row in rows]

    def touch_tokens(self, last_used_us: Mapping[str, int]) -> None:
        rows = [(used, token, used) for token, used in sorted(last_used_us.items())]
        with self._database.write() as connection:
            connection.executemany(
                "UPDATE token SET last_used_us = ? WHERE id = ? AND COALESCE(last_used_us, 0) < ?", rows
            )

    def identity(self, token: str) -> Identity | None:
        with self._database.use() as connection:
            return next(iter(identities(connection, "WHERE t.id = ?", token)), None)

    def access_epoch(self) -> int:
        return self._access_epoch


def identities(connection: Connection, where: str = "", *values: str) -> list[Identity]:
    """The tokens `t` of which `where` holds, with their accounts and roles."""
    rows = connection.execute(f"{_BEARERS} {where}", values).fetchall()
    roles: dict[str, list[tuple[str, Role]]] = {}
    for account, domain, role in connection.execute(f"{_ROLES} {where}) ORDER BY m.domain", values):
        roles.setdefault(account, []).append((domain, Role(role)))
    held = {account: tuple(found) for account, found in roles.items()}
    return [Identity(_token(row[:10]), account_of(row[10:]), held.get(row[1], ())) for row in rows]


def _token(row: Any) -> Token:
    ident, account, name, secret_hash, scopes, products, *times = row
    allowed = msgspec.json.decode(products, type=tuple[str, ...] | None)
    return Token(ident, account, name, secret_hash, msgspec.json.decode(scopes, type=tuple[str, ...]), allowed, *times)


def _public(token: Token) -> dict[str, Any]:
    """What the audit says of a token: nothing that helps to use it."""
    return {
        "account": token.account,
        "name": token.name,
        "scopes": token.scopes,
        "products": token.products,
        "expires_us": token.expires_us,
    }


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
