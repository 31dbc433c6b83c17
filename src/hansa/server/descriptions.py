"""The documents of what is deployed, as far as someone may see it: OpenAPI and AsyncAPI, of a product and of all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Final

from hansa.lifecycle.standing import Standing
from hansa.model.product import ProductSpec, ProductState
from hansa.server import asyncapi, openapi
from hansa.server.about import about
from hansa.server.notice import Notice, notice_of
from hansa.server.openapi_api import components_for_products, part_of
from hansa.server.operation import Operation
from hansa.server.parts import Part, Parts, encoded


@dataclass(frozen=True, slots=True)
class Shown:
    """A product as a document shows it: the live revision, its spec, its state and successor, and how its version
    windows stand, by the older port. `is_whole` is False where its public routes alone may be seen."""

    spec: ProductSpec
    revision: str
    state: ProductState
    successor: str | None = None
    standings: Mapping[str, Standing] = field(default_factory=dict)
    is_whole: bool = True

    def notices(self) -> dict[str, Notice]:
        """The notice on the product and on each of its ports, by id."""
        ports = self.spec.outputs
        own = Notice("deprecated" if self.state is ProductState.DEPRECATED else "active", self.successor)
        return {self.spec.id: own} | {
            port.id: notice_of(port, self.state, ports, self.standings.get(port.id)) for port in ports
        }


class Descriptions:
    """Documents of one Hansa of that `version`. The part of each product is made once for its revision; putting parts
    together looks into none of them. May be used from any thread."""

    def __init__(self, version: str, operations: Callable[[], Iterable[Operation]]) -> None:
        self._version = version
        self._operations = operations
        self._openapi, self._asyncapi, self._public = Parts(), Parts(), Parts()

    @cached_property
    def _api(self) -> tuple[Part, Part]:
        """The API's own part, and what the documents of products need of it."""
        part = part_of(self._operations())
        return encoded(part), encoded(components_for_products(part))

    def openapi(self, products: Iterable[Shown]) -> dict[str, Any]:
        """The API with the routes and ports of those products."""
        return openapi.document(self._version, [self._api[0], *map(self._openapi_part, products)])

    def openapi_of(self, product: Shown) -> dict[str, Any]:
        """The routes and ports of one product."""
        parts = [self._api[1], self._openapi_part(product)]
        return openapi.document(self._version, parts, about(product.spec))

    def asyncapi(self, products: Iterable[Shown], url: str) -> dict[str, Any]:
        """The streams of those products, and who reads them."""
        info = {"title": "Hansa", "version": self._version, "description": "The streams of the mesh."}
        return asyncapi.document(url, map(self._asyncapi_part, products), info)

    def asyncapi_of(self, product: Shown, others: Sequence[Shown], url: str) -> dict[str, Any]:
        """The streams of one product, with the channels of `others` that its processes receive from."""
        own = self._asyncapi_part(product)
        channels = {key.partition("#")[0] for key in own.get("receives", ())}
        parts = [own, *(_only(self._asyncapi_part(other), channels) for other in others)]
        return asyncapi.document(url, parts, asyncapi.info_of(product.spec, url))

    def keep(self, products: Iterable[str]) -> None:
        """Forgets the parts of all other products."""
        names = frozenset(products)
        for parts in (self._openapi, self._asyncapi, self._public):
            parts.keep(names)

    def _openapi_part(self, shown: Shown) -> Part:
        notices = shown.notices()
        make = partial(openapi.part_of, shown.spec, notices, public_only=not shown.is_whole)
        return (self._openapi if shown.is_whole else self._public).of(shown.spec.id, _key(shown, notices), make)

    def _asyncapi_part(self, shown: Shown) -> Part:
        notices = shown.notices()
        return self._asyncapi.of(shown.spec.id, _key(shown, notices), partial(asyncapi.part_of, shown.spec, notices))


def _key(shown: Shown, notices: dict[str, Notice]) -> tuple[Any, ...]:
    return shown.revision, tuple(notices.items())


_OF_CHANNEL: Final = ("messages", "schemas")


def _only(part: Part, channels: Collection[str]) -> Part:
    """What a part has of some channels: these, their messages and schemas, and nobody's operations."""
    found = {name: channel for name, channel in part.get("channels", {}).items() if name in channels}
    inner = {
        section: {name: m for name, m in part.get(section, {}).items() if _belongs(name, found)}
        for section in _OF_CHANNEL
    }
    return {"channels": found, **inner} if found else {}


def _belongs(name: str, channels: Collection[str]) -> bool:
    return name in channels or name.rpartition(".")[0] in channels
