"""Tokens and the audit."""

from __future__ import annotations

from collections.abc import Callable

from hansa.registry.interface import Registry
from hansa.registry.values import (
    Account,
    AuditFilter,
    Role,
)
from hansa.testing.conformance_registry.given import FLIGHTS, operations, token


class TokensConformance:
    """Tokens and the audit."""

    def test_a_token_is_kept_used_and_revoked(self, registry: Registry) -> None:
        registry.set_role("ada", "operations", "ada", Role.DEVELOPER)
        registry.add_token("ada", token())
        registry.touch_tokens({"t1": 7, "gone": 8})
        registry.touch_tokens({"t1": 6})
        identity = registry.identity("t1")
        assert identity is not None
        assert (identity.account.contact, identity.roles) == ("ada@example.org", (("operations", Role.DEVELOPER),))
        assert identity.token.revoked_us is None
        assert [kept.last_used_us for kept in registry.tokens("ada")] == [7]
        registry.revoke_token("bob", "t1")
        registry.revoke_token("bob", "t1")
        assert [kept.revoked_us is not None for kept in registry.tokens("ada")] == [True]
        assert operations(registry)[-2:] == ["token.created", "token.revoked"]
        assert registry.identity("t2") is None
        assert registry.tokens("bob") == []

    def test_the_audit_does_not_hold_what_helps_to_use_a_token(self, registry: Registry) -> None:
        registry.add_token("ada", token())
        after = registry.audit_after(0)[-1].after
        assert set(after) == {"account", "name", "scopes", "products", "expires_us"}

    def test_the_access_epoch_moves_with_accounts_roles_and_tokens_only(self, registry: Registry) -> None:
        def moved(call: Callable[[], object]) -> bool:
            before = registry.access_epoch()
            call()
            return registry.access_epoch() > before

        assert moved(lambda: registry.set_role("a", "operations", "ada", Role.OWNER))
        assert moved(lambda: registry.put_account("a", Account("ada", admin=True)))
        assert moved(lambda: registry.add_token("a", token()))
        assert moved(lambda: registry.revoke_token("a", "t1"))
        assert moved(lambda: registry.remove_role("a", "operations", "ada"))
        registry.put_account("a", Account("bob", admin=True))
        assert moved(lambda: registry.remove_account("a", "ada"))
        assert not moved(lambda: registry.deploy("a", FLIGHTS, "r1", "b1"))
        assert not moved(lambda: registry.touch_tokens({"t1": 9}))

    def test_what_happened_elsewhere_is_recorded(self, registry: Registry) -> None:
        entry = registry.record(
            "ada", "run.replayed", "operations.flights:load", {"run": 1}, {"run": 2}, "after the fix"
        )
        assert registry.audit_after(entry.seq - 1) == [entry]
        assert registry.audit_after(entry.seq) == []
        assert (entry.before, entry.after, entry.detail) == ({"run": 1}, {"run": 2}, "after the fix")

    def test_the_audit_is_listed_newest_first_in_pages(self, registry: Registry) -> None:
        for number in range(5):
            registry.record("bob", "run.started", f"operations.flights:p{number}")
        first = registry.audit_list(AuditFilter(actor="bob"), limit=3)
        rest = registry.audit_list(AuditFilter(actor="bob"), limit=3, after=first[-1].seq)
        assert [entry.target[-1] for entry in first + rest] == ["4", "3", "2", "1", "0"]

    def test_the_audit_is_filtered_by_what_lies_within_a_target(self, registry: Registry) -> None:
        targets = [
            "operations.flights",
            "operations.flights:load",
            "operations.flights/departures@1",
            "operations.flightsx",
        ]
        for target in targets:
            registry.record("bob", "run.started", target)
        found = registry.audit_list(AuditFilter(target="operations.flights", operation="run.started"))
        assert [entry.target for entry in reversed(found)] == targets[:3]

    def test_the_audit_is_filtered_by_time(self, registry: Registry) -> None:
        first, second, third = (registry.record("bob", "run.started", "t") for _ in range(3))
        found = registry.audit_list(AuditFilter(since_us=second.time_us, until_us=third.time_us))
        assert found == [second]
        assert first not in found
