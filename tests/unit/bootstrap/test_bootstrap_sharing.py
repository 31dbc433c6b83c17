"""Which node is to have what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from hansa.bootstrap.sharing import Shares

NAMES = [f"g/{number}" for number in range(20)]


def first_asked(name: str, nodes: Iterable[str]) -> str | None:
    """The node for a name, of those that there are, by whoever knows nothing of before."""
    shares = Shares()
    shares.among(nodes)
    return shares.node(name)


def test_names_are_spread_over_nodes_and_few_move_when_one_leaves() -> None:
    names, all_nodes = [f"g/{number}" for number in range(3000)], ["a", "b", "c"]
    before = {name: first_asked(name, all_nodes) for name in names}
    assert min(Counter(before.values()).values()) > 900
    after = {name: first_asked(name, ["a", "b"]) for name in names}
    assert all(after[name] == node for name, node in before.items() if node != "c")
    assert first_asked("g/1", []) is None


@given(st.lists(st.tuples(st.frozensets(st.sampled_from("abcdef")), st.frozensets(st.sampled_from(NAMES)))))
def test_however_nodes_come_and_go_the_answers_are_those_of_whoever_asks_first(
    steps: list[tuple[frozenset[str], frozenset[str]]],
) -> None:
    shares = Shares()
    for nodes, asked in steps:
        shares.among(nodes)
        assert {name: shares.node(name) for name in asked} == {name: first_asked(name, nodes) for name in asked}
