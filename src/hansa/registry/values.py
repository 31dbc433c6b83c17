"""What goes in and out of the registry. Times are microseconds UTC (`_us`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import msgspec

from hansa.model.product import ProductSpec, ProductState


class Role(StrEnum):
    """What an account may do in one domain; each role includes the ones below it."""

    OWNER = "owner"
    DEVELOPER = "developer"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class Domain:
    """An owner boundary. `owner` is the name of the team that answers for it."""

    name: str
    description: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """A person or a service account. `id` is a pseudonym: the audit knows it, and neither `name` nor `contact`."""

    id: str
    kind: Literal["person", "service"] = "person"
    name: str = ""
    contact: str = ""
    admin: bool = False


class Member(NamedTuple):
    """The role of an account in a domain."""

    account: str
    role: Role


@dataclass(frozen=True, slots=True)
class Revision:
    """One immutable state of a product. `number` counts from 1 in each product; `bundle` is the hash of its files."""

    product: str
    hash: str
    number: int
    spec: ProductSpec
    bundle: str
    actor: str
    time_us: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """A product as it stands. A retired one keeps the revision that was live last. `successor` is the product to go to,
    of one that is deprecated or retired; `state_us` is since when it has been in its state, 0 where that is not known.
    """

    id: str
    state: ProductState
    live: Revision
    successor: str | None = None
    state_us: int = 0


class Live(NamedTuple):
    """Which revision of a product is live, and its state: a product without its spec."""

    product: str
    state: ProductState
    revision: str
    successor: str | None

    @staticmethod
    def of(product: Product) -> Live:
        return Live(product.id, product.state, product.live.hash, product.successor)


class Consent(NamedTuple):
    """Why changes that break readers of a port are deployed, and which ones; the audit keeps it. `forced` where an
    owner took it upon them; else `given` names who consented."""

    reason: str
    changes: tuple[str, ...]
    forced: bool = True
    given: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GivenConsent:
    """`actor` consents, for the domain or account `of`, to a change of `port` from the revision `since` to the
    revision `candidate`, and to no other."""

    port: str
    since: str
    candidate: str
    kind: Literal["domain", "account"]
    of: str
    reason: str
    actor: str = ""
    time_us: int = 0


class Deployed(NamedTuple):
    """The product with what is live now. `created` is False where that revision was known before; `previous` is the
    hash that was live."""

    product: Product
    created: bool
    previous: str | None

    @property
    def revision(self) -> Revision:
        """What is live now."""
        return self.product.live


class Found(NamedTuple):
    """The products that fit a search, best first; where none does, `suggestion` may be a hint: `Did you mean '…'?`"""

    products: tuple[Product, ...]
    suggestion: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class TriggerKey:
    """One trigger of a process, by the name that `model.trigger_key` gives it."""

    product: str
    process: str
    name: str

    def __str__(self) -> str:
        return f"{self.product}:{self.process}#{self.name}"


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of an API key: never the secret, only its keyed hash. `products` None is every product."""

    id: str
    account: str
    name: str
    secret_hash: bytes
    scopes: tuple[str, ...]
    products: tuple[str, ...] | None
    created_us: int
    expires_us: int
    last_used_us: int | None = None
    revoked_us: int | None = None


class Identity(NamedTuple):
    """A token with its account and the account's role in each domain, read at one moment."""

    token: Token
    account: Account
    roles: tuple[tuple[str, Role], ...]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One operation: who did what to which target. `digest` covers every field and, by `previous`, all before it."""

    seq: int
    time_us: int
    actor: str
    operation: str
    target: str
    before: Any
    after: Any
    detail: str
    previous: str
    digest: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """All that is given must hold. `target` takes in what lies within: `operations` finds `operations.flights:load`."""

    actor: str | None = None
    operation: str | None = None
    target: str | None = None
    since_us: int | None = None
    until_us: int | None = None


class Verified(NamedTuple):
    """The first `intact` entries are; `first_bad` is the seq of the first that was altered or is missing, or None."""

    intact: int
    first_bad: int | None


class Node(NamedTuple):
    """A Hansa that runs: `url` is where the other nodes reach it, `roles` what it does (api, worker, scheduler),
    `version` which release it is."""

    id: str
    url: str
    roles: tuple[str, ...]
    version: str = ""


class Lease(NamedTuple):
    """`holder` has `name` until `until_us` by the registry's clock, unless it takes it again before. `epoch` grows
    whenever somebody else gets it, and when it has lapsed: who comes with an earlier one has lost it."""

    name: str
    holder: str
    epoch: int
    until_us: int


SchemaType = Literal["AVRO", "JSON", "PROTOBUF"]
SchemaPart = Literal["key", "value"]
"""Of a record: what orders and identifies it, or all of it."""


class SchemaReference(msgspec.Struct, frozen=True):
    """What a schema calls `name` stands in that version of that subject."""

    name: str
    subject: str
    version: int


class SchemaContent(msgspec.Struct, frozen=True):
    """A schema as the registry protocol has it. All of it makes its identity: the same content has the same id."""

    type: SchemaType
    text: str
    references: tuple[SchemaReference, ...] = ()
    metadata: dict[str, Any] | None = None
    rules: dict[str, Any] | None = None


class SchemaVersion(NamedTuple):
    """The schema `id` as a version of a subject. A deleted one is there for who has its number."""

    subject: str
    version: int
    id: int
    is_deleted: bool = False


class SubjectSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a subject changes; None is as the one above it has it: that of all subjects, which has the name ``""``.

    `group` is the property of a schema's metadata that parts its versions: only those with the same value are compared.
    """

    compatibility: str | None = None
    group: str | None = None
    mode: str | None = None


class PortSchema(NamedTuple):
    """What was derived from the contract that a port had in a revision. `line` is the subject that all majors of the
    port have together; `content` is None where no format carries the contract."""

    revision: str
    port: str
    part: SchemaPart
    line: str
    content: SchemaContent | None
