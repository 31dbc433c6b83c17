"""The registry against a model of dicts and lists: whatever is done, in whatever order, with reopening in between."""

from __future__ import annotations

from abc import abstractmethod

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hansa.errors import CallerError
from hansa.model.product import ManualTrigger, ProcessSpec, ProductSpec, ProductState
from hansa.registry.interface import Registry
from hansa.registry.values import Account, Domain, Role, TriggerKey

domains = st.sampled_from(["operations", "weather"])
accounts = st.sampled_from(["ada", "bob"])
names = st.sampled_from(["operations.flights", "operations.planes", "weather.hourly"])
hashes = st.sampled_from(["r1", "r2", "r3"])


def spec(product: str, revision: str) -> ProductSpec:
    return ProductSpec(product, "P", tags=(revision,), processes=(ProcessSpec("load", (), (ManualTrigger(),)),))


class RegistryMachine(RuleBasedStateMachine):
    """Subclass it and say how the registry is opened, again and again the same one."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = self.opened()
        self.domains: dict[str, str] = {}
        self.accounts: dict[str, str] = {}
        self.roles: dict[tuple[str, str], Role] = {}
        self.state: dict[str, ProductState] = {}
        self.successors: dict[str, str | None] = {}
        self.revisions: dict[str, list[str]] = {}
        self.live: dict[str, list[str]] = {}
        self.paused: set[TriggerKey] = set()
        self.entries = 0

    @abstractmethod
    def opened(self) -> Registry:
        """The registry, which is empty at first."""

    def teardown(self) -> None:
        self.registry.close()

    @rule()
    def reopen(self) -> None:
        self.registry.close()
        self.registry = self.opened()

    @rule(name=domains, owner=st.sampled_from(["one", "two"]))
    def put_domain(self, name: str, owner: str) -> None:
        self.registry.put_domain("ada", Domain(name, owner=owner))
        self.entries += self.domains.get(name) != owner
        self.domains[name] = owner

    @rule(account=accounts, contact=st.sampled_from(["x", "y"]))
    def put_account(self, account: str, contact: str) -> None:
        self.registry.put_account("ada", Account(account, contact=contact))
        self.entries += self.accounts.get(account) != contact
        self.accounts[account] = contact

    @rule(domain=domains, account=accounts, role=st.sampled_from(Role))
    def set_role(self, domain: str, account: str, role: Role) -> None:
        if domain not in self.domains or account not in self.accounts:
            with pytest.raises(CallerError, match="unknown"):
                self.registry.set_role("ada", domain, account, role)
            return
        self.registry.set_role("ada", domain, account, role)
        self.entries += self.roles.get((domain, account)) != role
        self.roles[domain, account] = role

    @rule(domain=domains, account=accounts)
    def remove_role(self, domain: str, account: str) -> None:
        if domain not in self.domains or account not in self.accounts:
            with pytest.raises(CallerError, match="unknown"):
                self.registry.remove_role("ada", domain, account)
            return
        self.registry.remove_role("ada", domain, account)
        self.entries += self.roles.pop((domain, account), None) is not None

    @rule(account=accounts)
    def remove_account(self, account: str) -> None:
        if account not in self.accounts:
            with pytest.raises(CallerError, match=r"account\.unknown"):
                self.registry.remove_account("ada", account)
            return
        self.registry.remove_account("ada", account)
        self.entries += 1
        del self.accounts[account]
        self.roles = {place: role for place, role in self.roles.items() if place[1] != account}

    @rule(product=names, revision=hashes)
    def deploy(self, product: str, revision: str) -> None:
        if product.partition(".")[0] not in self.domains:
            with pytest.raises(CallerError, match=r"domain\.unknown"):
                self.registry.deploy("ada", spec(product, revision), revision, revision)
            return
        known = self.revisions.setdefault(product, [])
        live = self.live.setdefault(product, [])
        deployed = self.registry.deploy("ada", spec(product, revision), revision, revision)
        assert deployed.created == (revision not in known)
        assert deployed.previous == (live[-1] if live else None)
        if live[-1:] != [revision] or self.state[product] is ProductState.RETIRED:
            self.entries += 1
        if revision not in known:
            known.append(revision)
        if live[-1:] != [revision]:
            live.append(revision)
        if self.state.get(product, ProductState.RETIRED) is ProductState.RETIRED:
            self.state[product], self.successors[product] = ProductState.ACTIVE, None

    @rule(product=names)
    def roll_back(self, product: str) -> None:
        live = self.live.get(product, [])
        if len(live) < 2 or self.state[product] is ProductState.RETIRED:
            with pytest.raises(CallerError):
                self.registry.rollback("ada", product)
            return
        live.pop()
        assert self.registry.rollback("ada", product).revision.hash == live[-1]
        self.entries += 1

    @rule(product=names, revision=hashes)
    def roll_back_to(self, product: str, revision: str) -> None:
        if revision not in self.revisions.get(product, []) or self.state[product] is ProductState.RETIRED:
            with pytest.raises(CallerError):
                self.registry.rollback("ada", product, revision)
            return
        self.registry.rollback("ada", product, revision)
        if self.live[product][-1] != revision:
            self.live[product].append(revision)
            self.entries += 1

    @rule(product=names, state=st.sampled_from(ProductState), successor=st.none() | names)
    def set_state(self, product: str, state: ProductState, successor: str | None) -> None:
        if product not in self.state or (successor is not None and successor not in self.state):
            with pytest.raises(CallerError, match=r"product\.unknown"):
                self.registry.set_state("ada", product, state, successor)
            return
        self.registry.set_state("ada", product, state, successor)
        self.entries += (self.state[product], self.successors.get(product)) != (state, successor)
        self.state[product], self.successors[product] = state, successor

    @rule(product=names)
    def pause(self, product: str) -> None:
        key = TriggerKey(product, "load", "manual")
        if product not in self.state:
            with pytest.raises(CallerError, match=r"product\.unknown"):
                self.registry.pause_trigger("ada", key)
            return
        self.registry.pause_trigger("ada", key)
        self.entries += key not in self.paused
        self.paused.add(key)

    @rule(product=names)
    def resume(self, product: str) -> None:
        key = TriggerKey(product, "load", "manual")
        self.registry.resume_trigger("ada", key)
        self.entries += key in self.paused
        self.paused.discard(key)

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        assert {domain.name: domain.owner for domain in self.registry.domains()} == self.domains
        assert {account.id: account.contact for account in self.registry.accounts()} == self.accounts
        roles = {(d, account): role for d in self.domains for account, role in self.registry.members(d)}
        assert roles == self.roles
        told = {(d, account): role for account, found in self.registry.roles().items() for d, role in found.items()}
        assert told == self.roles
        assert self.registry.paused_triggers() == self.paused

    @invariant()
    def products_are_as_the_model_says(self) -> None:
        found = self.registry.search().products
        assert {product.id: product.state for product in found} == self.state
        for product in found:
            assert product.live.hash == self.live[product.id][-1]
            assert product.successor == self.successors.get(product.id)
            assert product.live.spec == spec(product.id, product.live.hash)
            hashes = [revision.hash for revision in reversed(self.registry.revisions(product.id))]
            assert hashes == self.revisions[product.id]
        tags = [live[-1] for live in self.live.values() if live]
        assert self.registry.tags() == {tag: tags.count(tag) for tag in set(tags)}

    @invariant()
    def every_change_is_in_the_audit_once(self) -> None:
        assert self.registry.audit_verify() == (self.entries, None)
