"""The ids of the model and their grammar.

    domain      operations
    product     operations.flights
    member      operations.flights:load            a logic or a process
    port        operations.flights/departures@1    an output port and its major version

A name is 1 to 63 characters: a lower-case letter, then lower-case letters, digits and underscores, so that it is
also a Python identifier, an SQL name and part of a URL as it stands.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hansa.errors import CallerError

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")

RESERVED: Final = frozenset(
    [
        "access",
        "api",
        "audit",
        "backup",
        "dead_letters",
        "docs",
        "domains",
        "doctor",
        "environments",
        "events",
        "forget",
        "health",
        "hansa",
        "nodes",
        "lineage",
        "metrics",
        "me",
        "openapi",
        "output",
        "people",
        "ports",
        "processes",
        "products",
        "registry",
        "restore",
        "revisions",
        "quarantine",
        "runs",
        "schedules",
        "schema-registry",
        "search",
        "settings",
        "static",
        "studio",
        "subscriptions",
        "tokens",
        "triggers",
        "use_cases",
        "views",
    ]
)
"""First path segments that Hansa's own API uses; no domain may have one of these names."""


def check_name(text: str, noun: str) -> str:
    """`text` if it is a name; raises `CallerError("id.malformed")` saying what is wrong and what would be right."""
    if NAME.fullmatch(text):
        return text
    fixed = suggest_name(text)
    raise CallerError(
        "id.malformed",
        f"{text!r} is not a name for a {noun}",
        hint="A name is a lower-case letter, then lower-case letters, digits and _, at most 63."
        + (f" Did you mean {fixed!r}?" if fixed else ""),
        details={"value": text, "suggestion": fixed},
    )


def suggest_name(text: str) -> str | None:
    """The nearest valid name to `text`, or None where nothing of it can be kept."""
    text = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    fixed = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()).strip("_")
    fixed = re.sub(r"^[0-9_]+", "", fixed)[:63]
    return fixed or None


def did_you_mean(text: str, known: Iterable[str]) -> str | None:
    """The known id nearest to `text`, in whatever case, as the hint `Did you mean '…'?`, or None where none is near."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(text.casefold(), list(folded), n=1, cutoff=0.6)
    return f"Did you mean {folded[near[0]]!r}?" if near else None


def _malformed(text: str, noun: str, example: str) -> CallerError:
    return CallerError(
        "id.malformed",
        f"{text!r} is not the id of a {noun}",
        hint=f"It reads like {example!r}.",
        details={"value": text},
    )


def check_domain(text: str) -> str:
    """`text` if it can name a domain; raises `CallerError` (`id.malformed`, `domain.reserved`)."""
    check_name(text, "domain")
    if text in RESERVED:
        raise CallerError(
            "domain.reserved",
            f"{text!r} is reserved: Hansa's own API lives under /{text}",
            hint="Choose another name for the domain.",
        )
    return text


@dataclass(frozen=True, slots=True, order=True)
class ProductId:
    """`domain.product`, for example `operations.flights`."""

    domain: str
    name: str

    def __str__(self) -> str:
        return f"{self.domain}.{self.name}"

    @staticmethod
    def parse(text: str) -> ProductId:
        """Raises `CallerError("id.malformed")` where `text` is not `domain.product`."""
        domain, dot, name = text.partition(".")
        if not dot:
            raise _malformed(text, "data product", "operations.flights")
        return ProductId(check_domain(domain), check_name(name, "data product"))

    def member(self, name: str) -> MemberId:
        return MemberId(self, name)

    def port(self, name: str, major: int) -> PortId:
        return PortId(self, name, major)


@dataclass(frozen=True, slots=True, order=True)
class MemberId:
    """`domain.product:name`: a logic or a process of a product."""

    product: ProductId
    name: str

    def __str__(self) -> str:
        return f"{self.product}:{self.name}"

    @staticmethod
    def parse(text: str, noun: str = "process") -> MemberId:
        product, colon, name = text.partition(":")
        if not colon:
            raise _malformed(text, noun, "operations.flights:load")
        return MemberId(ProductId.parse(product), check_name(name, noun))


@dataclass(frozen=True, slots=True, order=True)
class PortId:
    """`domain.product/port@major`: one major version of an output port. It names the port's topic in the log too."""

    product: ProductId
    name: str
    major: int

    def __str__(self) -> str:
        return f"{self.product}/{self.name}@{self.major}"

    @staticmethod
    def parse(text: str) -> PortId:
        """Raises `CallerError("id.malformed")` where `text` is not `domain.product/port@major`."""
        product, slash, rest = text.partition("/")
        name, at, major = rest.partition("@")
        if not slash or not at or not major.isdecimal() or int(major) < 1 or major[0] == "0":
            raise _malformed(text, "port", "operations.flights/departures@1")
        return PortId(ProductId.parse(product), check_name(name, "port"), int(major))


def subject_name(product: str, subject: object) -> str:
    """The name under which the log keeps the key of a person in one product: ids of persons are the product's own, and
    the same one elsewhere may be somebody else."""
    return f"{product}#{subject}"
