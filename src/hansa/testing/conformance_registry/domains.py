"""Domains, accounts and roles."""

from __future__ import annotations

import pytest

from hansa.registry.interface import Registry
from hansa.registry.values import (
    Account,
    Domain,
    Member,
    Role,
)
from hansa.testing.conformance_registry.given import operations, refused, token


class DomainsConformance:
    """Domains, accounts and roles."""

    def test_a_domain_is_kept_and_changed(self, registry: Registry) -> None:
        registry.put_domain("bob", Domain("operations", "Flying high", "Ops"))
        registry.put_domain("bob", Domain("operations", "Flying high", "Ops"))
        assert registry.domains() == [registry.domain("operations")] == [Domain("operations", "Flying high", "Ops")]
        last = registry.audit_after(0)[-1]
        assert (last.operation, last.actor, last.target) == ("domain.changed", "bob", "operations")
        assert last.before["description"] == "Flying"
        assert last.after["description"] == "Flying high"

    def test_an_unknown_domain_is_refused_with_the_nearest(self, registry: Registry) -> None:
        error = refused(lambda: registry.domain("operation"))
        assert (error.code, error.hint) == ("domain.unknown", "Did you mean 'operations'?")

    @pytest.mark.parametrize(("name", "code"), [("Ops", "id.malformed"), ("docs", "domain.reserved")])
    def test_a_bad_domain_name_is_refused(self, registry: Registry, name: str, code: str) -> None:
        assert refused(lambda: registry.put_domain("ada", Domain(name))).code == code

    def test_an_account_may_not_be_named_like_hansa_itself(self, registry: Registry) -> None:
        assert refused(lambda: registry.put_account("ada", Account("system"))).code == "account.reserved"

    def test_who_watches_the_audit_is_told_of_each_entry_and_of_nothing_else(self, registry: Registry) -> None:
        told: list[int] = []
        end = registry.audit_watch(lambda: told.append(len(registry.audit_after(0))))
        before = len(registry.audit_after(0))
        registry.record("ada", "run.started", "a.b:c")
        registry.put_domain("bob", Domain("freight"))
        refused(lambda: registry.put_domain("ada", Domain("Ops")))
        registry.put_domain("bob", Domain("freight"))
        assert told == [before + 1, before + 2]
        end()
        registry.record("ada", "run.started", "a.b:d")
        assert len(told) == 2

    def test_the_audit_knows_no_name_and_no_contact(self, registry: Registry) -> None:
        registry.put_account("ada", Account("ada", name="Ada King", contact="king@example.org", admin=True))
        entry = registry.audit_after(0)[-1]
        assert entry.detail == "changed: name, contact, admin"
        assert entry.after == {"kind": "person", "admin": True}
        assert "Ada " not in repr(registry.audit_after(0))
        assert "example.org" not in repr(registry.audit_after(0))

    def test_an_account_goes_with_its_roles_and_its_tokens(self, registry: Registry) -> None:
        registry.set_role("bob", "operations", "ada", Role.OWNER)
        registry.add_token("bob", token())
        registry.remove_account("bob", "ada")
        assert registry.accounts() == []
        assert registry.roles() == {}
        assert registry.identity("t1") is None
        registry.put_account("bob", Account("ada"))
        assert registry.identity("t1") is None
        removed = registry.audit_after(0)[-2]
        assert (removed.operation, removed.actor, removed.target) == ("account.removed", "bob", "ada")
        assert refused(lambda: registry.remove_account("bob", "eve")).code == "account.unknown"

    def test_the_last_admin_stays_one(self, registry: Registry) -> None:
        registry.put_account("bob", Account("root", admin=True))
        assert refused(lambda: registry.remove_account("bob", "root")).code == "account.last_admin"
        assert refused(lambda: registry.put_account("bob", Account("root", contact="x"))).code == "account.last_admin"
        registry.put_account("bob", Account("ada", admin=True))
        registry.put_account("bob", Account("root"))
        registry.remove_account("bob", "root")
        assert refused(lambda: registry.remove_account("bob", "ada")).code == "account.last_admin"

    def test_the_roles_of_everybody_are_told_at_once(self, registry: Registry) -> None:
        registry.put_domain("bob", Domain("weather"))
        registry.put_account("bob", Account("bob"))
        for domain, account, role in (("operations", "ada", Role.OWNER), ("weather", "ada", Role.CONSUMER)):
            registry.set_role("bob", domain, account, role)
        registry.set_role("bob", "weather", "bob", Role.DEVELOPER)
        assert registry.roles() == {
            "ada": {"operations": Role.OWNER, "weather": Role.CONSUMER},
            "bob": {"weather": Role.DEVELOPER},
        }

    def test_a_role_is_replaced_and_removed(self, registry: Registry) -> None:
        registry.set_role("bob", "operations", "ada", Role.CONSUMER)
        registry.set_role("bob", "operations", "ada", Role.OWNER)
        registry.set_role("bob", "operations", "ada", Role.OWNER)
        assert registry.members("operations") == [Member("ada", Role.OWNER)]
        registry.remove_role("bob", "operations", "ada")
        registry.remove_role("bob", "operations", "ada")
        assert registry.members("operations") == []
        assert operations(registry)[2:] == ["role.granted", "role.granted", "role.removed"]

    def test_a_role_needs_its_domain_and_its_account(self, registry: Registry) -> None:
        assert refused(lambda: registry.set_role("a", "weather", "ada", Role.OWNER)).code == "domain.unknown"
        assert refused(lambda: registry.set_role("a", "operations", "eve", Role.OWNER)).code == "account.unknown"
