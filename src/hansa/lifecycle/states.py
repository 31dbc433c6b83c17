"""The steps of a product through its states: what each would do, and what keeps it from being taken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from hansa.errors import CallerError
from hansa.lifecycle.breaking import readers
from hansa.lifecycle.deploy import Locks
from hansa.lifecycle.mesh import Mesh
from hansa.model.product import ProductSpec, ProductState
from hansa.registry.values import Product

_STEPS: Final = {
    ProductState.DRAFT: (ProductState.ACTIVE, ProductState.RETIRED),
    ProductState.ACTIVE: (ProductState.DRAFT, ProductState.DEPRECATED, ProductState.RETIRED),
    ProductState.DEPRECATED: (ProductState.ACTIVE, ProductState.RETIRED),
    ProductState.RETIRED: (),
}
"""Where a product can go from each state. What is retired comes back by a deploy."""
_EFFECTS: Final = {
    ProductState.DRAFT: "only members of its domain see it, and nobody else reads it",
    ProductState.ACTIVE: "everyone sees it and may read its ports",
    ProductState.DEPRECATED: "every answer warns, reads are counted, and no product begins to read it",
    ProductState.RETIRED: "its triggers end and every call is refused; its records and revisions stay",
}


class StatePlan(msgspec.Struct, frozen=True):
    """What moving a product to the state `after` would do (or did, where `done`): `effects` in words, `read_by` the
    products that read it. `refusal` says why it is not done, with the code `code`."""

    product: str
    before: ProductState
    after: ProductState
    successor: str | None
    effects: Sequence[str]
    read_by: Sequence[str]
    code: str = ""
    refusal: str = ""
    hint: str = ""
    done: bool = False


def step(product: Product, after: ProductState, successor: Product | None, others: Iterable[ProductSpec]) -> StatePlan:
    """The plan of a step. Pure; `others` are the live products but this one."""
    ports = {port.id for port in product.live.spec.outputs}
    read_by = readers(others)
    using = sorted({reader for port in ports & read_by.keys() for reader in read_by[port]})
    name = successor.id if successor else None
    code, refusal, hint = _refused(product, after, successor, using)
    effects = [f"{product.id} becomes {after.value}: {_EFFECTS[after]}"]
    effects += [f"its readers are sent to {name}"] if name else []
    effects += [f"{', '.join(using)} read it, and go on"] if using and after is not ProductState.RETIRED else []
    return StatePlan(product.id, product.state, after, name, effects, using, code, refusal, hint)


def _refused(
    product: Product, after: ProductState, successor: Product | None, using: Sequence[str]
) -> tuple[str, str, str]:
    if after is not product.state and after not in _STEPS[product.state]:
        known = ", ".join(_STEPS[product.state]) or "nowhere but by a deploy"
        return (
            "product.state",
            f"{product.id} is {product.state.value} and cannot become {after.value}",
            f"It goes to {known}.",
        )
    if successor is not None:
        if after not in (ProductState.DEPRECATED, ProductState.RETIRED):
            return "product.successor", f"A product that is {after.value} has no successor", "Leave it out."
        if successor.id == product.id or successor.state in (ProductState.DRAFT, ProductState.RETIRED):
            return (
                "product.successor",
                f"{successor.id} cannot be the successor of {product.id}",
                "Name an active product.",
            )
    if after is ProductState.RETIRED and using:
        return (
            "product.in_use",
            f"{product.id} is read by {', '.join(using)}",
            "They must stop reading its ports first.",
        )
    abroad = [reader for reader in using if reader.partition(".")[0] != product.live.spec.domain]
    if after is ProductState.DRAFT and abroad:
        return "product.in_use", f"{product.id} is read by {', '.join(abroad)}", "A draft is for its domain alone."
    return "", "", ""


class States:
    """Moves products of one mesh from state to state."""

    def __init__(self, mesh: Mesh, locks: Locks) -> None:
        self._mesh = mesh
        self._locks = locks

    async def plan(self, product: str, after: ProductState, successor: str | None = None) -> StatePlan:
        """What the step would do; nothing is done. Raises `CallerError("product.unknown")`."""
        registry = self._mesh.registry
        known = await asyncio.to_thread(registry.product, product)
        following = await asyncio.to_thread(registry.product, successor) if successor else None
        return step(known, after, following, [spec for spec in self._mesh.specs() if spec.id != product])

    async def move(self, actor: str, product: str, after: ProductState, successor: str | None = None) -> StatePlan:
        """Takes the step, audited. Raises `CallerError` (`product.state`, `product.successor`, `product.in_use`) where
        it is refused."""
        async with self._locks.turn(product):
            found = await self.plan(product, after, successor)
            if found.refusal:
                details = {"status": 409, "readers": list(found.read_by)}
                raise CallerError(found.code, found.refusal, hint=found.hint, details=details)
            moved = await asyncio.to_thread(self._mesh.registry.set_state, actor, product, after, successor)
            await self._mesh.restate(moved)
        await self._mesh.spread()
        return msgspec.structs.replace(found, done=True)
