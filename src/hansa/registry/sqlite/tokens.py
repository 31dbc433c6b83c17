"""API keys in SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hansa.registry.interface import Tokens
from hansa.registry.sqlite.domains import account_of
from hansa.registry.sqlite.tables import ACCOUNT, TOKEN, Tables, known
from hansa.registry.values import Identity, Role, Token

_TOKENS: Final = (
    "SELECT t.id, t.account, t.name, t.secret_hash, t.scopes, t.products, t.created_us, t.expires_us, t.last_used_us,"
    " t.revoked_us FROM token t"
)


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
        sql = f"{_TOKENS} WHERE ?1 IS NULL OR t.account = ?1 ORDER BY t.created_us DESC, t.id"
        return [_token(row) for row in self._rows(sql, account)]

    def touch_tokens(self, last_used_us: Mapping[str, int]) -> None:
        rows = [(used, token) for token, used in last_used_us.items()]
        with self._database.write() as connection:
            connection.executemany(
                "UPDATE token SET last_used_us = MAX(COALESCE(last_used_us, 0), ?) WHERE id = ?", rows
            )

    def identity(self, token: str) -> Identity | None:
        with self._database.use() as connection:
            row = connection.execute(
                f"{_TOKENS.replace(' FROM', ', a.id, a.kind, a.name, a.contact, a.admin FROM')}"
                " JOIN account a ON a.id = t.account WHERE t.id = ?",
                (token,),
            ).fetchone()
            if row is None:
                return None
            account = account_of(row[10:])
            sql = "SELECT domain, role FROM membership WHERE account = ? ORDER BY domain"
            roles = tuple((domain, Role(role)) for domain, role in connection.execute(sql, (account.id,)))
        return Identity(_token(row[:10]), account, roles)

    def access_epoch(self) -> int:
        return self._access_epoch


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
