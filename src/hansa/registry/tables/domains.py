"""Domains, accounts and roles."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, Final

from hansa.errors import CallerError
from hansa.model.ids import check_domain, check_name
from hansa.registry.database import Connection
from hansa.registry.interface import Domains
from hansa.registry.tables.base import ACCOUNT, DOMAIN, Tables, known, unknown
from hansa.registry.values import Account, Domain, Member, Role

_RESERVED: Final = frozenset({"anonymous", "system"})
_DOMAINS: Final = "SELECT name, description, owner FROM domain"
_SET_ROLE: Final = (
    "INSERT INTO membership VALUES (?, ?, ?) ON CONFLICT (domain, account) DO UPDATE SET role = excluded.role"
)
_ACCOUNTS: Final = "SELECT id, kind, name, contact, admin FROM account"


class DomainTables(Tables, Domains):
    def put_domain(self, actor: str, domain: Domain) -> None:
        check_domain(domain.name)
        with self._changing(actor) as change:
            before = _find_domain(change.connection, domain.name)
            if before == domain:
                return
            change.execute(
                "INSERT INTO domain VALUES (?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET description = excluded.description, owner = excluded.owner",
                domain.name,
                domain.description,
                domain.owner,
            )
            operation = "domain.changed" if before else "domain.created"
            change.audit(operation, domain.name, asdict(before) if before else None, asdict(domain))

    def domain(self, name: str) -> Domain:
        with self._database.use() as connection:
            found = _find_domain(connection, name)
            if found is None:
                raise unknown(connection, DOMAIN, name)
            return found

    def domains(self) -> list[Domain]:
        return [Domain(*row) for row in self._rows(f"{_DOMAINS} ORDER BY name")]

    def put_account(self, actor: str, account: Account) -> None:
        _check_account(account.id)
        with self._changing(actor) as change:
            before = _find_account(change.connection, account.id)
            if before == account:
                return
            if not account.admin:
                _check_admin_left(change.connection, before)
            change.execute(
                "INSERT INTO account VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
                " SET kind = excluded.kind, name = excluded.name, contact = excluded.contact, admin = excluded.admin",
                account.id,
                account.kind,
                account.name,
                account.contact,
                account.admin,
            )
            operation = "account.changed" if before else "account.created"
            change.audit(
                operation, account.id, _pseudonymous(before), _pseudonymous(account), _changed(before, account)
            )

    def account(self, account: str) -> Account:
        with self._database.use() as connection:
            found = _find_account(connection, account)
            if found is None:
                raise unknown(connection, ACCOUNT, account)
            return found

    def accounts(self) -> list[Account]:
        return [account_of(row) for row in self._rows(f"{_ACCOUNTS} ORDER BY id")]

    def remove_account(self, actor: str, account: str) -> None:
        with self._changing(actor) as change:
            known(change.connection, ACCOUNT, account)
            before = _find_account(change.connection, account)
            _check_admin_left(change.connection, before)
            change.execute("DELETE FROM token WHERE account = ?", account)
            change.execute("DELETE FROM membership WHERE account = ?", account)
            change.execute("DELETE FROM account WHERE id = ?", account)
            change.audit("account.removed", account, _pseudonymous(before))

    def roles(self) -> dict[str, dict[str, Role]]:
        found: dict[str, dict[str, Role]] = {}
        for account, domain, role in self._rows("SELECT account, domain, role FROM membership ORDER BY domain"):
            found.setdefault(account, {})[domain] = Role(role)
        return found

    def set_role(self, actor: str, domain: str, account: str, role: Role) -> None:
        with self._changing(actor) as change:
            known(change.connection, DOMAIN, domain)
            known(change.connection, ACCOUNT, account)
            before = _find_role(change.connection, domain, account)
            if before == role:
                return
            change.execute(_SET_ROLE, domain, account, role)
            change.audit("role.granted", domain, _role(account, before), _role(account, role))

    def remove_role(self, actor: str, domain: str, account: str) -> None:
        with self._changing(actor) as change:
            known(change.connection, DOMAIN, domain)
            known(change.connection, ACCOUNT, account)
            before = _find_role(change.connection, domain, account)
            if before:
                change.execute("DELETE FROM membership WHERE domain = ? AND account = ?", domain, account)
                change.audit("role.removed", domain, _role(account, before))

    def members(self, domain: str) -> list[Member]:
        rows = self._rows("SELECT account, role FROM membership WHERE domain = ? ORDER BY account", domain)
        return [Member(account, Role(role)) for account, role in rows]


def _find_domain(connection: Connection, name: str) -> Domain | None:
    row = connection.execute(f"{_DOMAINS} WHERE name = ?", (name,)).fetchone()
    return Domain(*row) if row else None


def _find_account(connection: Connection, account: str) -> Account | None:
    row = connection.execute(f"{_ACCOUNTS} WHERE id = ?", (account,)).fetchone()
    return account_of(row) if row else None


def _find_role(connection: Connection, domain: str, account: str) -> Role | None:
    sql = "SELECT role FROM membership WHERE domain = ? AND account = ?"
    row = connection.execute(sql, (domain, account)).fetchone()
    return Role(row[0]) if row else None


def _check_admin_left(connection: Connection, before: Account | None) -> None:
    """For a change after which `before` is no admin any more."""
    if before is None or not before.admin:
        return
    if connection.execute("SELECT 1 FROM account WHERE admin AND id <> ?", (before.id,)).fetchone() is None:
        raise CallerError(
            "account.last_admin",
            f"{before.id!r} is the last admin of this Hansa",
            hint="Make another first: `hansa people add ID --admin`.",
            details={"status": 409},
        )


def _check_account(account: str) -> None:
    check_name(account, "account")
    if account in _RESERVED:
        raise CallerError(
            "account.reserved",
            f"{account!r} is reserved: the audit calls Hansa itself and strangers by such names",
            hint="Choose another id for the account.",
        )


def account_of(row: Any) -> Account:
    """The account in the columns id, kind, name, contact, admin."""
    account, kind, name, contact, admin = row
    return Account(account, kind, name, contact, bool(admin))


def _role(account: str, role: Role | None) -> dict[str, str] | None:
    return {"account": account, "role": role} if role else None


def _pseudonymous(account: Account | None) -> dict[str, Any] | None:
    """What the audit may know of a person: it is kept for ever, and so holds nothing that must be forgotten."""
    return {"kind": account.kind, "admin": account.admin} if account else None


def _changed(before: Account | None, after: Account) -> str:
    names = [f.name for f in fields(Account) if before and getattr(before, f.name) != getattr(after, f.name)]
    return f"changed: {', '.join(names)}" if names else ""
