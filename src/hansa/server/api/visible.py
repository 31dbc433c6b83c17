"""Which products a document may show to whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hansa.access.decide import Action, Target, decide
from hansa.access.principal import Principal
from hansa.model.product import HttpTrigger, PortTrigger, ProductSpec, ProductState
from hansa.runtime.live import LiveProduct
from hansa.server.descriptions import Shown
from hansa.server.services import Services


def visible(services: Services, principal: Principal) -> list[Shown]:
    """The live products that `principal` finds in the catalogue."""
    return [shown for shown in _live(services) if _may_see(principal, shown)]


def described(services: Services, principal: Principal) -> list[Shown]:
    """As `visible`, and of all others that have public routes, these: whoever finds the server may call them."""
    found = []
    for shown in _live(services):
        if _may_see(principal, shown):
            found.append(shown)
        elif shown.state is not ProductState.DRAFT and _has_public(shown.spec):
            found.append(replace(shown, is_whole=False))
    return found


def shown(services: Services, product: str) -> Shown:
    """One live product. Raises as `Mesh.product` does where it is not live."""
    return _shown(services, services.mesh.product(product))


def read_by(services: Services, principal: Principal, product: Shown) -> list[Shown]:
    """The other live products whose ports start processes of `product`, as far as `principal` finds them."""
    ports = (t.port for p in product.spec.processes for t in p.triggers if isinstance(t, PortTrigger))
    names = dict.fromkeys(port.partition("/")[0] for port in ports)
    found = [shown(services, name) for name in names if name != product.spec.id and name in services.mesh.products]
    return [other for other in found if _may_see(principal, other)]


def _live(services: Services) -> Iterator[Shown]:
    return (_shown(services, live) for live in list(services.mesh.products.values()))


def _shown(services: Services, live: LiveProduct) -> Shown:
    standings = services.retiring.standings(live.spec)
    return Shown(live.spec, live.revision, live.state, live.successor, standings)


def _may_see(principal: Principal, product: Shown) -> bool:
    return decide(principal, Action.CATALOGUE_READ, Target.of(product.spec.id, product.state)).allowed


def _has_public(spec: ProductSpec) -> bool:
    return any(isinstance(t, HttpTrigger) and t.public for process in spec.processes for t in process.triggers)
