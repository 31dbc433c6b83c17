"""What every registry must do, written once: subclass the suite, say how a registry is opened."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator

import pytest

from hansa.registry.interface import Registry
from hansa.registry.values import Account, Domain
from hansa.testing.conformance_registry.domains import DomainsConformance
from hansa.testing.conformance_registry.nodes import NodesConformance
from hansa.testing.conformance_registry.products import ProductsConformance
from hansa.testing.conformance_registry.schemas import SchemasConformance
from hansa.testing.conformance_registry.tokens import TokensConformance


class RegistryConformance(
    DomainsConformance, ProductsConformance, TokensConformance, SchemasConformance, NodesConformance
):
    """What holds for every registry."""

    @pytest.fixture
    @abstractmethod
    def open_registry(self) -> Callable[[], Registry]:
        """Opens the registry under test, each time the same one; its clock never gives the same time twice."""

    @pytest.fixture
    def registry(self, open_registry: Callable[[], Registry]) -> Iterator[Registry]:
        made = open_registry()
        made.put_domain("ada", Domain("operations", "Flying", "Ops"))
        made.put_account("ada", Account("ada", name="Ada Lovelace", contact="ada@example.org"))
        yield made
        made.close()
