"""The connections and secrets of an environment, by who may use them.

    all:                        every product
    domains: operations:        the products of one domain
    products: operations.flights:   one product

The nearest setting of a name wins: the product's, then its domain's, then the one for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar, get_args
from urllib.parse import urlsplit

from hansa.errors import OperatorError
from hansa.model.ids import did_you_mean

Kind = Literal["sql", "http", "files", "mail", "kafka"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ConnectionSetting:
    """One connection, its secrets resolved. Equal settings may share an open connection.

    `url` says where to; a relative file path in it is relative to `base`. `user` and `secret` are the credentials,
    sent as `header` where that names one. `headers` go with every HTTP request. `allow` lists what is permitted
    beyond (http: private hosts and networks) or at all (mail: domains of receivers). `sender` is the address that
    mail comes from. `settings` are those of a client (kafka: librdkafka's, and `schema.registry.…`).
    """

    name: str
    kind: Kind
    url: str = field(repr=False)
    user: str | None = None
    secret: str | None = field(default=None, repr=False)
    header: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow: tuple[str, ...] = ()
    sender: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    base: Path = Path()

    def secrets(self) -> frozenset[str]:
        """Every text that must not be shown."""
        found = {self.secret, urlsplit(self.url).password, *self.headers.values(), *self.settings.values()}
        return frozenset(text for text in found if text)


class Settings(ABC):
    """What this environment lets products use. Asked at every call, from several threads."""

    @abstractmethod
    def connection(self, product: str, name: str) -> ConnectionSetting:
        """Raises `OperatorError`: `connection.unknown`, or what is wrong with the settings."""

    @abstractmethod
    def connections(self, product: str) -> tuple[str, ...]:
        """The names that the product may use, sorted."""

    @abstractmethod
    def secrets(self, product: str) -> Mapping[str, str]:
        """The product's secrets by name."""


@dataclass(frozen=True, slots=True)
class Scoped(Generic[T]):
    """Named values for all products, for those of a domain, and for single ones."""

    all: Mapping[str, T] = field(default_factory=dict)
    domains: Mapping[str, Mapping[str, T]] = field(default_factory=dict)
    products: Mapping[str, Mapping[str, T]] = field(default_factory=dict)

    def of(self, product: str) -> dict[str, T]:
        """What the product may use, the nearest of each name."""
        domain = product.partition(".")[0]
        return {**self.all, **self.domains.get(domain, {}), **self.products.get(product, {})}


class MemorySettings(Settings):
    """Settings given as values: for tests, and for a product that is tried out."""

    def __init__(
        self,
        connections: Scoped[ConnectionSetting] | None = None,
        secrets: Scoped[str] | None = None,
    ) -> None:
        self._connections = connections or Scoped()
        self._secrets = secrets or Scoped()

    def connection(self, product: str, name: str) -> ConnectionSetting:
        return chosen(self._connections.of(product), product, name)

    def connections(self, product: str) -> tuple[str, ...]:
        return tuple(sorted(self._connections.of(product)))

    def secrets(self, product: str) -> Mapping[str, str]:
        return self._secrets.of(product)


def chosen(known: Mapping[str, T], product: str, name: str) -> T:
    """The connection of that name; raises `OperatorError("connection.unknown")` with the nearest one."""
    if name in known:
        return known[name]
    listed = ", ".join(sorted(known)) or "none"
    raise OperatorError(
        "connection.unknown",
        f"{product} has no connection {name!r} in this environment (it has: {listed})",
        hint=did_you_mean(name, known) or f"Add {name!r} to connections.yaml in the data folder of this Hansa.",
        details={"connection": name, "product": product},
    )


def malformed(place: str, why: str, hint: str, **details: Any) -> OperatorError:
    """What is said of a setting that cannot be used; `place` is its file and path."""
    return OperatorError("connection.malformed", f"{place}: {why}", hint=hint, details={"place": place, **details})
