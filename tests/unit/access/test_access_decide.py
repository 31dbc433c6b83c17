from __future__ import annotations

from dataclasses import replace

import pytest

from hansa.access.decide import HANSA, SCOPE_OF, Action, Target, decide, domains_for, preclude
from hansa.access.principal import ANONYMOUS, SYSTEM, Principal, Scope
from hansa.model.product import ProductState
from hansa.registry.values import Role

ALL = frozenset(Scope)
OWN = Target.of("operations.flights")
OTHER = Target.of("weather.hourly")

PRINCIPALS = {
    "anonymous": ANONYMOUS,
    "nobody": Principal("nina", scopes=ALL, token="t"),
    "consumer": Principal("carl", (("operations", Role.CONSUMER),), ALL, token="t"),
    "developer": Principal("dora", (("operations", Role.DEVELOPER),), ALL, token="t"),
    "owner": Principal("olga", (("analytics", Role.CONSUMER), ("operations", Role.OWNER)), ALL, token="t"),
    "admin": Principal("adam", scopes=ALL, admin=True, token="t"),
}

# Who may do it in the domain where they have their role | in another domain: nobody, consumer, developer, owner, admin
# by their first letter. An anonymous caller may do none of it.
TABLE = {
    "catalogue.read": "ncdoa|ncdoa",
    "port.read": "ncdoa|ncdoa",
    "port.readers": "doa|a",
    "route.call": "cdoa|a",
    "run.read": "doa|a",
    "result.read": "doa|a",
    "run.start": "doa|a",
    "run.replay": "doa|a",
    "run.cancel": "doa|a",
    "event.read": "doa|a",
    "event.emit": "doa|a",
    "audit.read": "doa|a",
    "product.deploy": "doa|a",
    "product.force": "oa|a",
    "product.retire": "oa|a",
    "product.state": "oa|a",
    "consent.give": "oa|a",
    "trigger.manage": "doa|a",
    "schema.write": "doa|a",
    "schema.manage": "a|a",
    "domain.manage": "oa|a",
    "token.manage": "a|a",
    "people.manage": "a|a",
    "role.manage": "oa|a",
    "backup": "a|a",
    "view.rebuild": "a|a",
    "person.forget": "oa|a",
    "quarantine.read": "doa|a",
    "quarantine.mend": "doa|a",
    "metrics.read": "a|a",
}


def test_the_table_has_every_action() -> None:
    assert set(TABLE) == set(Action) == set(SCOPE_OF)
    assert all(decide(PRINCIPALS["admin"], action, OWN).reason for action in Action)


@pytest.mark.parametrize("role", PRINCIPALS)
@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("place", [0, 1])
def test_role_by_action_by_domain(role: str, action: Action, place: int) -> None:
    letters = TABLE[action].split("|")[place]
    decision = decide(PRINCIPALS[role], action, (OWN, OTHER)[place])
    assert decision.allowed == (role != "anonymous" and role[0] in letters), decision


@pytest.mark.parametrize("role", PRINCIPALS)
@pytest.mark.parametrize("action", Action)
def test_what_concerns_no_domain_is_for_admins_but_the_catalogue_and_schemas(role: str, action: Action) -> None:
    expected = role == "admin" or (role != "anonymous" and action is Action.CATALOGUE_READ)
    expected = expected or (role in ("developer", "owner") and action is Action.SCHEMA_WRITE)
    assert decide(PRINCIPALS[role], action, HANSA).allowed == expected


@pytest.mark.parametrize("role", ["nobody", "consumer", "developer", "owner", "admin"])
@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("scope", Scope)
def test_one_scope_allows_what_needs_it_and_no_more(role: str, action: Action, scope: Scope) -> None:
    principal = replace(PRINCIPALS[role], scopes=frozenset({scope}))
    decision = decide(principal, action, OWN)
    enough = scope in (SCOPE_OF[action], Scope.ADMIN)
    assert decision.allowed == (enough and decide(PRINCIPALS[role], action, OWN).allowed)
    if not enough:
        assert decision.rule == "token.scope"
        assert f"the scope {SCOPE_OF[action]}" in decision.reason


@pytest.mark.parametrize("role", ["nobody", "consumer", "developer", "owner", "admin"])
@pytest.mark.parametrize("action", Action)
def test_a_token_limited_to_a_product_is_good_for_that_product_only(role: str, action: Action) -> None:
    principal = replace(PRINCIPALS[role], products=frozenset({"operations.flights"}))
    assert decide(principal, action, OWN).allowed == decide(PRINCIPALS[role], action, OWN).allowed
    for what in (Target.of("operations.planes"), Target("operations"), HANSA, Target(account=principal.id)):
        assert not decide(principal, action, what).allowed


@pytest.mark.parametrize("state", ProductState)
@pytest.mark.parametrize("action", [Action.CATALOGUE_READ, Action.PORT_READ])
def test_only_what_is_offered_is_open_to_every_account(state: ProductState, action: Action) -> None:
    what = Target.of("operations.flights", state)
    offered = state in ("active", "deprecated")
    assert decide(PRINCIPALS["nobody"], action, what).allowed == offered
    assert decide(PRINCIPALS["developer"], action, what).allowed


@pytest.mark.parametrize("state", ProductState)
@pytest.mark.parametrize("action", Action)
def test_a_public_route_is_open_to_anyone_and_opens_nothing_else(state: ProductState, action: Action) -> None:
    what = Target.of("operations.flights", state, public=True)
    expected = action is Action.ROUTE_CALL and state in ("active", "deprecated")
    assert decide(ANONYMOUS, action, what).allowed == expected


def test_a_public_route_needs_no_scope() -> None:
    limited = replace(PRINCIPALS["nobody"], scopes=frozenset(), products=frozenset())
    assert decide(limited, Action.ROUTE_CALL, Target.of("operations.flights", public=True)).allowed


def test_tokens_are_managed_by_their_own_account_and_by_admins() -> None:
    def allowed(role: str, account: str) -> bool:
        return decide(PRINCIPALS[role], Action.TOKEN_MANAGE, Target(account=account)).allowed

    assert [allowed(role, "nina") for role in PRINCIPALS] == [False, True, False, False, False, True]


def test_no_account_can_manage_the_tokens_of_strangers() -> None:
    assert not decide(ANONYMOUS, Action.TOKEN_MANAGE, Target(account="anonymous")).allowed


@pytest.mark.parametrize("action", Action)
def test_hansa_itself_may_do_everything(action: Action) -> None:
    assert decide(SYSTEM, action, OWN).allowed


@pytest.mark.parametrize(
    ("role", "action", "what", "told"),
    [
        ("anonymous", Action.PORT_READ, OWN,
         "read the ports of the product operations.flights: send a token with the scope read"),
        ("consumer", Action.PRODUCT_DEPLOY, OWN,
         "deploy the product operations.flights: it takes the role owner or developer in the domain operations"),
        ("developer", Action.DOMAIN_MANAGE, Target("operations"),
         "create or change the domain operations: it takes the role owner in the domain operations"),
        ("owner", Action.BACKUP, HANSA, "back up this Hansa: it takes an admin"),
    ],
)  # fmt: skip
def test_a_refusal_says_in_words_what_and_what_would_allow_it(
    role: str, action: Action, what: Target, told: str
) -> None:
    assert decide(PRINCIPALS[role], action, what).reason == f"You may not {told}."


@pytest.mark.parametrize("action", Action)
def test_every_action_has_its_words(action: Action) -> None:
    assert action not in decide(ANONYMOUS, action, OTHER).reason


def test_whoever_started_a_run_may_see_its_result_with_any_token_that_is_good_for_the_product() -> None:
    own = Target.of("weather.hourly", account="nina")
    for scope in Scope:
        limited = replace(PRINCIPALS["nobody"], scopes=frozenset({scope}), products=frozenset({"weather.hourly"}))
        assert decide(limited, Action.RESULT_READ, own).allowed
        assert preclude(limited, Action.RESULT_READ) is None
        other = replace(limited, products=frozenset({"operations.flights"}))
        assert not decide(other, Action.RESULT_READ, own).allowed
    assert not decide(PRINCIPALS["consumer"], Action.RESULT_READ, own).allowed
    assert not decide(PRINCIPALS["nobody"], Action.RUN_READ, own).allowed


@pytest.mark.parametrize("role", PRINCIPALS)
@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("scope", [None, *Scope])
def test_what_is_precluded_is_refused_for_every_target(role: str, action: Action, scope: Scope | None) -> None:
    principal = PRINCIPALS[role]
    if scope is not None and principal != ANONYMOUS:
        principal = replace(principal, scopes=frozenset({scope}))
    targets = (HANSA, OWN, OTHER, Target("operations"), Target(account=principal.id))
    if preclude(principal, action) is not None:
        assert not any(decide(principal, action, what).allowed for what in targets)


def test_domains_are_limited_to_those_with_a_role_that_may() -> None:
    assert domains_for(PRINCIPALS["admin"], Action.RUN_READ) is None
    assert domains_for(PRINCIPALS["owner"], Action.RUN_READ) == {"operations"}
    assert domains_for(PRINCIPALS["owner"], Action.CATALOGUE_READ) is None
    assert domains_for(PRINCIPALS["consumer"], Action.RUN_READ) == frozenset()


def test_a_decision_can_be_cached_by_its_arguments() -> None:
    for principal in PRINCIPALS.values():
        assert (
            len({(principal, Action.PORT_READ, OWN), (principal, Action.PORT_READ, Target.of("operations.flights"))})
            == 1
        )
