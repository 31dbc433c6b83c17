"""The one decision on access. It depends on its arguments and nothing else, so it may be cached by them.

Rules are asked in order and the first that answers decides; where none does, the answer is no.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from hansa.access.principal import ANONYMOUS, Principal, Scope
from hansa.model.product import ProductState
from hansa.registry.values import Role


class Action(StrEnum):
    """What can be asked for."""

    CATALOGUE_READ = "catalogue.read"
    PORT_READ = "port.read"
    PORT_READERS = "port.readers"
    ROUTE_CALL = "route.call"
    RUN_READ = "run.read"
    RESULT_READ = "result.read"
    RUN_START = "run.start"
    RUN_REPLAY = "run.replay"
    RUN_CANCEL = "run.cancel"
    EVENT_READ = "event.read"
    EVENT_EMIT = "event.emit"
    AUDIT_READ = "audit.read"
    PRODUCT_DEPLOY = "product.deploy"
    PRODUCT_FORCE = "product.force"
    PRODUCT_RETIRE = "product.retire"
    PRODUCT_STATE = "product.state"
    CONSENT_GIVE = "consent.give"
    TRIGGER_MANAGE = "trigger.manage"
    SCHEMA_WRITE = "schema.write"
    SCHEMA_MANAGE = "schema.manage"
    DOMAIN_MANAGE = "domain.manage"
    TOKEN_MANAGE = "token.manage"
    PEOPLE_MANAGE = "people.manage"
    ROLE_MANAGE = "role.manage"
    BACKUP = "backup"
    VIEW_REBUILD = "view.rebuild"
    PERSON_FORGET = "person.forget"
    QUARANTINE_READ = "quarantine.read"
    QUARANTINE_MEND = "quarantine.mend"
    METRICS_READ = "metrics.read"


@dataclass(frozen=True, slots=True)
class Target:
    """What an action is on: a product (then `domain` and `state` are its own), a domain, an account, or Hansa itself.

    `public` is said of a route; `account` of a token is whose it is, of a run's result who started the run.
    """

    domain: str | None = None
    product: str | None = None
    state: ProductState = ProductState.ACTIVE
    public: bool = False
    account: str | None = None

    @staticmethod
    def of(
        product: str,
        state: ProductState = ProductState.ACTIVE,
        *,
        public: bool = False,
        account: str | None = None,
    ) -> Target:
        """The target that a product's id names."""
        return Target(product.partition(".")[0], product, state, public, account)

    @property
    def serves(self) -> bool:
        """True for a product that others may use."""
        return self.product is not None and self.state in (ProductState.ACTIVE, ProductState.DEPRECATED)

    @property
    def words(self) -> str:
        """What it is called."""
        if self.product or self.domain:
            return f"the product {self.product}" if self.product else f"the domain {self.domain}"
        return f"the account {self.account}" if self.account else "this Hansa"


HANSA: Final = Target()
"""Hansa itself, as the target of what concerns no domain."""


class Decision(NamedTuple):
    """`reason` is a sentence; of a refusal it says what would allow it. `rule` names the rule that decided."""

    allowed: bool
    reason: str
    rule: str


_WORDS: Final = {
    Action.CATALOGUE_READ: "look at {}",
    Action.PORT_READ: "read the ports of {}",
    Action.PORT_READERS: "see who reads {}",
    Action.ROUTE_CALL: "call {}",
    Action.RUN_READ: "see the runs of {}",
    Action.RESULT_READ: "see what runs of {} answered",
    Action.RUN_START: "start processes of {}",
    Action.RUN_REPLAY: "replay runs of {}",
    Action.RUN_CANCEL: "cancel runs of {}",
    Action.EVENT_READ: "see the events of {}",
    Action.EVENT_EMIT: "emit events into {}",
    Action.AUDIT_READ: "see the audit of {}",
    Action.PRODUCT_DEPLOY: "deploy {}",
    Action.PRODUCT_FORCE: "force what breaks consumers of {}",
    Action.PRODUCT_RETIRE: "retire {}",
    Action.PRODUCT_STATE: "move {} to another state",
    Action.CONSENT_GIVE: "consent for {}",
    Action.TRIGGER_MANAGE: "pause or resume triggers of {}",
    Action.DOMAIN_MANAGE: "create or change {}",
    Action.TOKEN_MANAGE: "manage the tokens of {}",
    Action.PEOPLE_MANAGE: "manage the accounts of {}",
    Action.ROLE_MANAGE: "give or take roles in {}",
    Action.BACKUP: "back up {}",
    Action.VIEW_REBUILD: "rebuild the views of {}",
    Action.PERSON_FORGET: "forget persons in {}",
    Action.SCHEMA_WRITE: "register schemas in {}",
    Action.SCHEMA_MANAGE: "settle how schemas change in {}",
    Action.QUARANTINE_READ: "see what was set aside on its way to {}",
    Action.QUARANTINE_MEND: "mend what was set aside on its way to {}",
    Action.METRICS_READ: "read the metrics of {}",
}


class _Question(NamedTuple):
    principal: Principal
    action: Action
    what: Target
    purpose: str | None

    def allow(self, rule: str, because: str) -> Decision:
        return Decision(True, f"You may {self._wish}: {because}.", rule)

    def deny(self, rule: str, remedy: str) -> Decision:
        return Decision(False, f"You may not {self._wish}: {remedy}.", rule)

    @property
    def _wish(self) -> str:
        return _WORDS[self.action].format(self.what.words)


SCOPE_OF: Final = {
    Action.CATALOGUE_READ: Scope.READ,
    Action.PORT_READ: Scope.READ,
    Action.PORT_READERS: Scope.READ,
    Action.ROUTE_CALL: Scope.CALL,
    Action.RUN_READ: Scope.READ,
    Action.RESULT_READ: Scope.READ,
    Action.RUN_START: Scope.OPERATE,
    Action.RUN_REPLAY: Scope.OPERATE,
    Action.RUN_CANCEL: Scope.OPERATE,
    Action.EVENT_READ: Scope.READ,
    Action.EVENT_EMIT: Scope.PUBLISH,
    Action.AUDIT_READ: Scope.READ,
    Action.PRODUCT_DEPLOY: Scope.DEPLOY,
    Action.PRODUCT_FORCE: Scope.DEPLOY,
    Action.PRODUCT_RETIRE: Scope.DEPLOY,
    Action.PRODUCT_STATE: Scope.DEPLOY,
    Action.CONSENT_GIVE: Scope.DEPLOY,
    Action.TRIGGER_MANAGE: Scope.OPERATE,
    Action.SCHEMA_WRITE: Scope.PUBLISH,
    Action.SCHEMA_MANAGE: Scope.ADMIN,
    Action.DOMAIN_MANAGE: Scope.ADMIN,
    Action.TOKEN_MANAGE: Scope.ADMIN,
    Action.PEOPLE_MANAGE: Scope.ADMIN,
    Action.ROLE_MANAGE: Scope.ADMIN,
    Action.BACKUP: Scope.ADMIN,
    Action.VIEW_REBUILD: Scope.ADMIN,
    Action.PERSON_FORGET: Scope.ADMIN,
    Action.QUARANTINE_READ: Scope.READ,
    Action.QUARANTINE_MEND: Scope.OPERATE,
    Action.METRICS_READ: Scope.METRICS,
}
"""The scope that a token needs for each action."""

_CONSUMER: Final = frozenset({Action.CATALOGUE_READ, Action.PORT_READ, Action.ROUTE_CALL})
_DEVELOPER: Final = _CONSUMER | {
    Action.PORT_READERS,
    Action.RUN_READ,
    Action.RESULT_READ,
    Action.RUN_START,
    Action.RUN_REPLAY,
    Action.RUN_CANCEL,
    Action.EVENT_READ,
    Action.EVENT_EMIT,
    Action.AUDIT_READ,
    Action.PRODUCT_DEPLOY,
    Action.TRIGGER_MANAGE,
    Action.QUARANTINE_READ,
    Action.QUARANTINE_MEND,
    Action.SCHEMA_WRITE,
}
_OWNER: Final = _DEVELOPER | {
    Action.PRODUCT_FORCE,
    Action.PRODUCT_RETIRE,
    Action.PRODUCT_STATE,
    Action.CONSENT_GIVE,
    Action.DOMAIN_MANAGE,
    Action.ROLE_MANAGE,
    Action.PERSON_FORGET,
}
ACTIONS_OF: Final = {Role.OWNER: _OWNER, Role.DEVELOPER: _DEVELOPER, Role.CONSUMER: _CONSUMER}
"""What each role may do within its domain."""


def decide(principal: Principal, action: Action, what: Target = HANSA, *, purpose: str | None = None) -> Decision:
    """Whether `principal` may do `action` on `what`. Denies by default."""
    question = _Question(principal, action, what, purpose)
    answers = (rule(question) for rule in _RULES)
    return next((answer for answer in answers if answer), None) or _default(question)


def preclude(principal: Principal, action: Action) -> Decision | None:
    """The refusal that stands whatever the target is: no token, or one without the scope. None where it depends on the
    target, so that who is refused in any case learns nothing of what there is."""
    kindest = Target(product=next(iter(principal.products or ()), None), account=principal.id)
    question = _Question(principal, action, kindest, None)
    answer = next((answer for rule in _ANY_TARGET if (answer := rule(question))), None)
    return answer if answer and not answer.allowed else None


def domains_for(principal: Principal, action: Action) -> frozenset[str] | None:
    """The domains in which `principal` may do `action`; None is all of them, and what is of no domain."""
    if decide(principal, action).allowed:
        return None
    return frozenset(name for name, _ in principal.roles if decide(principal, action, Target(domain=name)).allowed)


def _public_route(question: _Question) -> Decision | None:
    if question.action is Action.ROUTE_CALL and question.what.public and question.what.serves:
        return question.allow("route.public", "the route is public")
    return None


def _own_result(question: _Question) -> Decision | None:
    """Whoever started a run may see what it answered; the run's id is known to nobody else."""
    principal, what = question.principal, question.what
    is_covered = principal.products is None or what.product in principal.products
    if question.action is Action.RESULT_READ and what.account == principal.id and is_covered:
        return question.allow("result.own", "the run is yours")
    return None


def _anonymous(question: _Question) -> Decision | None:
    if question.principal == ANONYMOUS:
        return question.deny("principal.anonymous", f"send a token with the scope {SCOPE_OF[question.action]}")
    return None


def _scope(question: _Question) -> Decision | None:
    scope = SCOPE_OF[question.action]
    if not question.principal.may_use(scope):
        return question.deny("token.scope", f"it takes a token with the scope {scope}")
    return None


def _allow_list(question: _Question) -> Decision | None:
    """A token that is limited to some products is good for nothing that is not about one of them."""
    products = question.principal.products
    if products is not None and question.what.product not in products:
        return question.deny("token.products", f"it takes a token that is not limited to {', '.join(sorted(products))}")
    return None


def _admin(question: _Question) -> Decision | None:
    return question.allow("account.admin", "an admin may do everything") if question.principal.admin else None


def _own_tokens(question: _Question) -> Decision | None:
    if question.action is Action.TOKEN_MANAGE and question.what.account == question.principal.id:
        return question.allow("token.own", "the token is yours")
    return None


def _own_consent(question: _Question) -> Decision | None:
    """An account that reads a port speaks for itself."""
    if question.action is Action.CONSENT_GIVE and question.what.account == question.principal.id:
        return question.allow("consent.own", "it speaks for itself")
    return None


def _open_reading(question: _Question) -> Decision | None:
    """Until access is granted per port: who has a token with the scope `read` may read what is offered."""
    catalogue = question.action is Action.CATALOGUE_READ and question.what.product is None
    offered = question.action in (Action.CATALOGUE_READ, Action.PORT_READ) and question.what.serves
    if catalogue or offered:
        return question.allow(
            "reading.open", "the catalogue and the ports of active products are open to every account"
        )
    return None


def _free_schemas(question: _Question) -> Decision | None:
    """Subjects of the schema registry that are of no domain belong to nobody: whoever develops may change them."""
    is_free = question.action is Action.SCHEMA_WRITE and question.what.domain is None
    if is_free and any(role in (Role.OWNER, Role.DEVELOPER) for _, role in question.principal.roles):
        return question.allow("schema.free", "the subject is of no domain, and it is developer of one")
    return None


def _role(question: _Question) -> Decision | None:
    role = question.principal.role_in(question.what.domain)
    if role and question.action in ACTIONS_OF[role]:
        return question.allow(f"role.{role}", f"you are {role} of the domain {question.what.domain}")
    return None


def _default(question: _Question) -> Decision:
    if question.action is Action.SCHEMA_WRITE and question.what.domain is None:
        return question.deny("default", f"it takes the role {Role.OWNER} or {Role.DEVELOPER} in some domain")
    roles = [role for role in Role if question.action in ACTIONS_OF[role]]
    if question.what.domain is None or not roles:
        return question.deny("default", "it takes an admin")
    return question.deny("default", f"it takes the role {' or '.join(roles)} in the domain {question.what.domain}")


_ANY_TARGET: Final[tuple[Callable[[_Question], Decision | None], ...]] = (_own_result, _anonymous, _scope)
_RULES: Final[tuple[Callable[[_Question], Decision | None], ...]] = (
    _public_route,
    *_ANY_TARGET,
    _allow_list,
    _admin,
    _own_tokens,
    _own_consent,
    _open_reading,
    _free_schemas,
    _role,
)
