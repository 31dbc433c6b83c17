"""The registry, by need. Every operation that takes an `actor` writes its audit entry in the same transaction, or none
where it changed nothing; it is durable on return. Any method may be called from any thread.

Ids that are unknown raise `CallerError` (`domain.unknown`, `account.unknown`, `product.unknown`, …) with the nearest
known one in the hint. Storage that is full or busy raises `Unavailable` (`store.full`, `store.busy`), and
nothing was done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hansa.model.product import ProductSpec, ProductState
from hansa.registry.values import (
    Account,
    AuditEntry,
    AuditFilter,
    Consent,
    Deployed,
    Domain,
    Found,
    GivenConsent,
    Identity,
    Lease,
    Live,
    Member,
    Node,
    PortSchema,
    Product,
    Revision,
    Role,
    SchemaContent,
    SchemaPart,
    SchemaVersion,
    SubjectSettings,
    Token,
    TriggerKey,
    Verified,
)


class Domains(ABC):
    """Domains, accounts and the roles between them."""

    @abstractmethod
    def put_domain(self, actor: str, domain: Domain) -> None:
        """Creates or changes a domain. Raises `CallerError` (`id.malformed`, `domain.reserved`)."""

    @abstractmethod
    def domain(self, name: str) -> Domain:
        """The domain of that name."""

    @abstractmethod
    def domains(self) -> list[Domain]:
        """All domains, by name."""

    @abstractmethod
    def put_account(self, actor: str, account: Account) -> None:
        """Creates or changes an account; the audit gets no name or contact.
        Raises `CallerError` (`id.malformed`, `account.reserved`, `account.last_admin`)."""

    @abstractmethod
    def account(self, account: str) -> Account:
        """The account of that id."""

    @abstractmethod
    def accounts(self) -> list[Account]:
        """All accounts, by id."""

    @abstractmethod
    def remove_account(self, actor: str, account: str) -> None:
        """Removes an account with its roles, and its name, contact and tokens.
        Raises `CallerError("account.last_admin")`: a Hansa without an admin could not be helped."""

    @abstractmethod
    def roles(self) -> dict[str, dict[str, Role]]:
        """The role of each account in each domain: account, then domain."""

    @abstractmethod
    def set_role(self, actor: str, domain: str, account: str, role: Role) -> None:
        """Gives an account its role in a domain, in place of the one it had."""

    @abstractmethod
    def remove_role(self, actor: str, domain: str, account: str) -> None:
        """Takes an account's role in a domain away; does nothing where it has none."""

    @abstractmethod
    def members(self, domain: str) -> list[Member]:
        """Who has a role in the domain, by account."""


class Products(ABC):
    """Products and their revisions. A revision never changes, and the same hash is never kept twice."""

    @abstractmethod
    def deploy(
        self,
        actor: str,
        spec: ProductSpec,
        revision_hash: str,
        bundle_hash: str,
        note: str = "",
        consent: Consent | None = None,
        state: ProductState = ProductState.ACTIVE,
    ) -> Deployed:
        """Makes a revision live; the domain must exist. Where that hash is live already, nothing happens. A product
        that is new, or was retired, gets `state`; any other keeps its own. A consent to breaking changes stands in the
        audit entry, under `consent`. Raises `CallerError("revision.conflict")` where the hash has another bundle."""

    @abstractmethod
    def rollback(self, actor: str, product: str, to: str | None = None, consent: Consent | None = None) -> Deployed:
        """Makes the revision `to` live again; None is the one before the live one, and once more goes further back.
        The `consent` to what breaks stands in the audit entry.
        Raises `CallerError` (`revision.unknown`, `revision.first`, `product.retired`)."""

    @abstractmethod
    def before(self, product: str, to: str | None = None) -> Revision:
        """The revision that `rollback` would make live, and raises what that would raise."""

    @abstractmethod
    def set_state(self, actor: str, product: str, state: ProductState, successor: str | None = None) -> Product:
        """Moves a product to another state; its revisions stay. `successor` is where its readers are to go. Does
        nothing where both are so already. Whether the step may be made is the caller's matter. Raises
        `CallerError("product.unknown")`, of the successor too."""

    @abstractmethod
    def give_consent(self, actor: str, consent: GivenConsent) -> None:
        """Keeps a consent; one that was given already keeps its first reason. Raises `CallerError("product.unknown")`
        where there is no such product."""

    @abstractmethod
    def consents(self, product: str, candidate: str | None = None) -> list[GivenConsent]:
        """The consents to changes of the product's ports: those that lead to the revision `candidate`, or all."""

    @abstractmethod
    def product(self, product: str) -> Product:
        """The product of that id, with its live revision."""

    @abstractmethod
    def live(self) -> list[Live]:
        """What is live of every product, by id; reads no spec."""

    @abstractmethod
    def revision(self, product: str, revision_hash: str) -> Revision:
        """One revision. Raises `CallerError` (`product.unknown`, `revision.unknown`)."""

    @abstractmethod
    def revisions(self, product: str) -> list[Revision]:
        """All revisions, the newest first."""

    @abstractmethod
    def search(
        self,
        text: str = "",
        *,
        tag: str | None = None,
        owner: str | None = None,
        domain: str | None = None,
        state: ProductState | None = None,
        drafts: frozenset[str] | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Found:
        """Products whose id, name, description, owner, tags, ports, processes or use cases contain every word of
        `text`, case aside, and that fit all that is given; of drafts only those of the domains `drafts`, all where
        None. Those with the text in their id come first."""

    @abstractmethod
    def tags(self) -> dict[str, int]:
        """Each tag of a live revision, and how many products bear it."""


class Triggers(ABC):
    """Which triggers are paused."""

    @abstractmethod
    def pause_trigger(self, actor: str, trigger: TriggerKey) -> None:
        """Raises `CallerError("trigger.unknown")` where the live revision has none such."""

    @abstractmethod
    def resume_trigger(self, actor: str, trigger: TriggerKey) -> None:
        """Does nothing where the trigger is not paused."""

    @abstractmethod
    def paused_triggers(self) -> frozenset[TriggerKey]:
        """All paused triggers. Costs no I/O where nodes share the registry: each knows what `audit_watch` told of."""


class Tokens(ABC):
    """API keys, as far as they are kept."""

    @abstractmethod
    def add_token(self, actor: str, token: Token) -> None:
        """Keeps a new token of an existing account."""

    @abstractmethod
    def revoke_token(self, actor: str, token: str) -> None:
        """Ends a token at once; does nothing where it was revoked. Raises `CallerError("token.unknown")`."""

    @abstractmethod
    def tokens(self, account: str | None = None) -> list[Token]:
        """The tokens of one account or of all, the newest first."""

    @abstractmethod
    def touch_tokens(self, last_used_us: Mapping[str, int]) -> None:
        """Remembers when tokens were used; bookkeeping, so not audited."""

    @abstractmethod
    def identity(self, token: str) -> Identity | None:
        """The token of that id with its account and roles, or None. It may have expired or been revoked; when it was
        used last is `tokens`' matter."""

    @abstractmethod
    def access_epoch(self) -> int:
        """A number that grows with every change of a token, an account or a role, before the change returns. What was
        derived from them under an earlier number is stale. A change that another process made moves it within 0.5 s,
        unless the store cannot be reached; `access_age_s` tells. Costs no I/O."""

    @abstractmethod
    def access_age_s(self) -> float:
        """How long ago this process last knew that it had heard of every change of access; 0 where no other process
        can make one. Costs no I/O."""


class Schemas(ABC):
    """Schemas by ids that are never given twice, and the subjects whose versions they are. What the texts mean is not
    known here."""

    @abstractmethod
    def schema(self, schema: int) -> SchemaContent | None:
        """The content of an id; None where nothing has it, or has it any longer."""

    @abstractmethod
    def schema_id_max(self) -> int:
        """The highest id of a schema that is kept; 0 where none is."""

    @abstractmethod
    def schema_versions(self, subject: str | None = None) -> list[SchemaVersion]:
        """The versions of a subject, or of all, in order; deleted ones too."""

    @abstractmethod
    def schema_uses(self, schema: int) -> list[SchemaVersion]:
        """The versions that are of the schema `schema`, by subject; deleted ones too."""

    @abstractmethod
    def schema_referrers(self, subject: str, version: int) -> list[int]:
        """The ids of the schemas that refer to a version."""

    @abstractmethod
    def add_schema(self, actor: str, subject: str, content: SchemaContent, *, after: int) -> SchemaVersion:
        """The next version of a subject, which comes to be with its first. `after` is how many versions the subject
        has had; raises `CallerError("subject.conflict")` where it has had more by now."""

    @abstractmethod
    def delete_schemas(self, actor: str, subject: str, versions: Sequence[int], *, permanent: bool) -> None:
        """Marks versions as deleted, or takes them away, and their schemas where nothing else has them. Numbers and
        ids are not given again."""

    @abstractmethod
    def subject_settings(self, subject: str) -> SubjectSettings:
        """What was set for a subject, or for all (`""`)."""

    @abstractmethod
    def set_subject_settings(self, actor: str, subject: str, settings: SubjectSettings) -> None:
        """Sets all of them; what is None is not set any longer."""

    @abstractmethod
    def schema_count(self, subject: str) -> int:
        """How many versions a subject has had, those that are gone included."""

    @abstractmethod
    def port_schemas(self, product: str) -> dict[tuple[str, str, SchemaPart], int | None]:
        """By revision, port and part, the id of what was derived; None where no format carries the contract."""

    @abstractmethod
    def add_port_schemas(self, actor: str, product: str, found: Sequence[PortSchema]) -> None:
        """Keeps what was derived, in order. A schema that its line does not have yet becomes its next version. What
        is kept already stays as it is."""


class Audit(ABC):
    """The audit: append-only, dense from seq 1, each entry chained to the one before."""

    @abstractmethod
    def record(
        self, actor: str, operation: str, target: str, before: Any = None, after: Any = None, detail: str = ""
    ) -> AuditEntry:
        """Keeps an operation that happened elsewhere (`run.replayed`). `before` and `after` are plain values."""

    @abstractmethod
    def audit_list(
        self, where: AuditFilter = AuditFilter(), *, limit: int = 100, after: int | None = None
    ) -> list[AuditEntry]:
        """The newest entries first. `after` is the seq of the last entry of the page before."""

    @abstractmethod
    def audit_after(self, seq: int, *, limit: int = 1000) -> Sequence[AuditEntry]:
        """The entries behind `seq`, in order: whoever follows the audit keeps the last seq and asks again."""

    @abstractmethod
    def audit_watch(self, told: Callable[[], None]) -> Callable[[], None]:
        """`told` is called behind new entries, before the change of this process that made one returns and within 0.5 s
        of those that other processes made, on any thread; call what is returned to end that."""

    @abstractmethod
    def audit_verify(self) -> Verified:
        """Checks every entry against its digest and its neighbours."""


class Nodes(ABC):
    """Who runs now, and who does what only one may do. What stands here stands for a time, by the clock of the store
    that all nodes share; it is not audited."""

    @abstractmethod
    def put_node(self, node: Node, ttl_s: float) -> None:
        """Says that a node runs; it has to say so again within `ttl_s`."""

    @abstractmethod
    def nodes(self) -> list[Node]:
        """The nodes that have said so in time, by id."""

    @abstractmethod
    def remove_node(self, node: str) -> None:
        """A node ends; does nothing where it is not there."""

    @abstractmethod
    def take_lease(self, name: str, holder: str, ttl_s: float) -> Lease | None:
        """Takes a lease, or keeps it for another `ttl_s`; None where somebody else has it. Its epoch stays while the
        same holder takes it again in time, and grows otherwise. `holder` is to name one process, not a machine."""

    @abstractmethod
    def release_lease(self, name: str, holder: str) -> None:
        """Gives a lease back, so that it can be taken at once; does nothing where it is another's."""

    @abstractmethod
    def lease(self, name: str) -> Lease | None:
        """Who has a lease now; None where nobody does."""


class RegistryImage(ABC):
    """All that a registry holds, for another one that nobody else uses meanwhile. Nothing of it is audited."""

    @abstractmethod
    def is_blank(self) -> bool:
        """True where nothing was ever changed."""

    @abstractmethod
    def image(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Every row with the name of its table, and the last number that each numbered table has given; the same for
        any two registries that hold the same."""

    @abstractmethod
    def bundles(self) -> Iterator[str]:
        """The bundles of all revisions, a hash each."""

    @abstractmethod
    def take_image(self, image: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        """Becomes what another registry is, or stays blank. What is kept in memory is read when it is opened again.
        Raises `OperatorError("registry.occupied")` where it is not blank."""


class Registry(Domains, Products, Triggers, Tokens, Schemas, Audit, Nodes, RegistryImage):
    """All of it, in one store."""

    @abstractmethod
    def place(self) -> str:
        """Where it is kept, for people."""

    @abstractmethod
    def backup(self, target: Path) -> str | None:
        """A consistent copy into the new file `target`, while the registry is in use. A store that others back up
        writes none, and the command that does so is returned. Raises `CallerError("backup.exists")`,
        `OperatorError("backup.failed")`."""

    @abstractmethod
    def close(self) -> None:
        """Closes the store. A second call does nothing."""
