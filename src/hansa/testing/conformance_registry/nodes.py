"""Nodes and leases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import pytest

from hansa.registry.interface import Registry
from hansa.registry.values import Lease, Node

TTL_S = 0.3


class NodesConformance(ABC):
    """Nodes and leases."""

    @pytest.fixture
    @abstractmethod
    def pass_time(self) -> Callable[[float], None]:
        """Lets so many seconds go by on the clock of the store."""

    def test_a_node_is_there_until_its_time_is_over(
        self, registry: Registry, pass_time: Callable[[float], None]
    ) -> None:
        first, second = Node("a:1", "http://a:1", ("api", "worker"), "1.0"), Node("b:1", "http://b:1", ())
        registry.put_node(second, TTL_S)
        registry.put_node(first._replace(url="http://elsewhere"), 60)
        registry.put_node(first, 60)
        assert registry.nodes() == [first, second]
        pass_time(TTL_S)
        assert registry.nodes() == [first]
        registry.put_node(second, 60)
        registry.remove_node("a:1")
        registry.remove_node("c:1")
        assert registry.nodes() == [second]

    def test_a_lease_has_one_holder_who_may_keep_it(self, registry: Registry) -> None:
        taken = registry.take_lease("log", "a", 60)
        assert taken is not None
        assert taken == Lease("log", "a", 1, taken.until_us)
        assert registry.take_lease("log", "b", 60) is None
        kept = registry.take_lease("log", "a", 90)
        assert kept is not None
        assert (kept.epoch, kept.until_us > taken.until_us) == (1, True)
        assert registry.lease("log") == kept
        assert registry.lease("other") is None
        other = registry.take_lease("other", "b", 60)
        assert other is not None
        assert other.epoch == 1

    def test_a_lease_that_was_given_back_is_anybodys(self, registry: Registry) -> None:
        registry.take_lease("log", "a", 60)
        registry.release_lease("log", "b")
        assert registry.take_lease("log", "b", 60) is None
        registry.release_lease("log", "a")
        assert registry.lease("log") is None
        taken = registry.take_lease("log", "b", 60)
        assert taken is not None
        assert (taken.holder, taken.epoch) == ("b", 2)

    def test_the_epoch_grows_whenever_a_lease_has_lapsed(
        self, registry: Registry, pass_time: Callable[[float], None]
    ) -> None:
        epochs = []
        for holder in ("a", "b", "b", "a"):
            taken = registry.take_lease("log", holder, TTL_S)
            assert taken is not None
            epochs.append(taken.epoch)
            pass_time(TTL_S)
            assert registry.lease("log") is None
        assert epochs == [1, 2, 3, 4]

    def test_nodes_and_leases_leave_no_trace_in_the_audit(self, registry: Registry) -> None:
        before = registry.audit_verify()
        registry.put_node(Node("a:1", "", ()), 60)
        registry.take_lease("log", "a", 60)
        assert registry.audit_verify() == before
