"""Walking the lineage graph: up, down or both, to a depth, as it was at a time."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from hansa.discovery.lineage import (
    EdgeKind,
    NodeKind,
    connection_node,
    event_node,
    known_as,
    node_kind,
    process_node,
)
from hansa.errors import CallerError
from hansa.model.product import EventTrigger, KafkaTrigger, PortTrigger, ProductSpec
from hansa.views.condition import malformed
from hansa.views.database import Connection, Reader

Direction = Literal["up", "down", "both"]

_DEPTH_MAX: Final = 64
_FOREVER_US: Final = (1 << 63) - 1


class Node(msgspec.Struct, frozen=True, order=True):
    id: str
    kind: NodeKind


class Edge(msgspec.Struct, frozen=True, order=True):
    """From `source` to `target`. `name` is the event's. Times are microseconds; `records` those read or written.

    An edge that was only declared has no uses: `count` is 0 and its times are 0.
    """

    source: str
    target: str
    kind: EdgeKind
    name: str = ""
    first_us: int = 0
    last_us: int = 0
    count: int = 0
    records: int = 0


class Graph(msgspec.Struct, frozen=True):
    """Nodes and edges, each once, sorted. `complete` is False where the walk stopped at the most nodes it may find;
    `behind` says why the newest runs and events may be missing."""

    nodes: list[Node]
    edges: list[Edge]
    complete: bool = True
    behind: str | None = None


class LineageGraph:
    """Questions about lineage. Every method is blocking work: call it from a thread."""

    def __init__(self, store: Reader) -> None:
        self._store = store
        self._declared = Declared()

    def graph(
        self,
        node: str,
        direction: Direction = "both",
        depth: int = 3,
        *,
        at_us: int | None = None,
        event: str | None = None,
        declared: Iterable[ProductSpec] = (),
        nodes_max: int = 2000,
    ) -> Graph:
        """What `node` comes from (up), leads to (down) or both, at most `depth` edges away; cycles end where they meet.

        `at_us` leaves out what was first seen later, and counts up to the end of that hour; `event` keeps of the
        event edges only those of that name; what all products that are `declared` say is merged in. A product stands
        for its ports and processes. Raises `CallerError` (`lineage.unknown`, `query.malformed`).
        """
        if not 1 <= depth <= _DEPTH_MAX:
            raise malformed(f"depth is {depth}", f"It is between 1 and {_DEPTH_MAX}.")
        node = known_as(node)
        said = self._declared.by(declared)
        with self._store.reading() as db:
            source = _Edges(db, said, _FOREVER_US if at_us is None else at_us, event and known_as(event))
            starts = source.members(node) if node_kind(node) == "product" else [node]
            owned = {Edge(node, member, "owns") for member in starts if member != node}
            found, complete = set(owned), True
            for towards in ("up", "down") if direction == "both" else (direction,):
                edges, whole = _walk(starts, partial(source.around, towards), depth, nodes_max)
                found |= edges
                complete = complete and whole
        if not found:
            raise _unknown(node)
        ids = sorted({node, *(edge.source for edge in found), *(edge.target for edge in found)})
        return Graph([Node(name, node_kind(name)) for name in ids], sorted(found), complete)


class _Edges:
    """The edges around nodes: those that were seen, and those that were declared."""

    def __init__(self, db: Connection, declared: Ends, at_us: int, event: str | None) -> None:
        self._db = db
        self._declared = declared
        self._at_us = at_us
        self._event = event

    def around(self, direction: str, nodes: Sequence[str]) -> list[Edge]:
        """The edges that end in (up) or begin at (down) any of `nodes`."""
        end = "target" if direction == "up" else "source"
        seen = self._seen(self._db.dialect.among(end), list(nodes))
        known = {(edge.source, edge.target, edge.kind, edge.name) for edge in seen}
        return seen + [
            edge
            for node in nodes
            for edge in self._declared.of(end, node)
            if self._named(edge) and (edge.source, edge.target, edge.kind, edge.name) not in known
        ]

    def members(self, product: str) -> list[str]:
        """The ports and processes of a product."""
        found = {
            row[0]
            for sign, behind in ((":", ";"), ("/", "0"))
            for end in ("source", "target")
            for row in self._db.execute(
                f"SELECT DISTINCT {end} FROM lineage_edge WHERE {end} >= ? AND {end} < ? AND first_us <= ?",
                (product + sign, product + behind, self._at_us),
            )
        }
        found |= self._declared.members(product)
        return sorted(node for node in found if node.startswith((f"{product}:", f"{product}/")))

    def _seen(self, where: str, nodes: list[str]) -> list[Edge]:
        rows = self._db.execute(
            "SELECT source, target, kind, name, MIN(first_us), MAX(last_us), CAST(SUM(count) AS BIGINT), "
            f"CAST(SUM(records) AS BIGINT) FROM lineage_edge WHERE {where} AND first_us <= ? "
            "GROUP BY source, target, kind, name",
            (nodes, self._at_us),
        )
        edges = [Edge(*row) for row in rows]
        return [replace(edge, last_us=min(edge.last_us, self._at_us)) for edge in edges if self._named(edge)]

    def _named(self, edge: Edge) -> bool:
        return self._event is None or not edge.name or edge.name == self._event


def _walk(
    starts: Iterable[str], around: Callable[[Sequence[str]], list[Edge]], depth: int, nodes_max: int
) -> tuple[set[Edge], bool]:
    """Breadth first from `starts`: the edges found, and whether it ended before `nodes_max` nodes."""
    seen = set(starts)
    frontier = sorted(seen)
    found: set[Edge] = set()
    for _ in range(depth):
        edges = around(frontier)
        found.update(edges)
        frontier = sorted({node for edge in edges for node in (edge.source, edge.target)} - seen)
        seen.update(frontier)
        if not frontier:
            return found, True
        if len(seen) > nodes_max:
            return found, False
    return found, True


class Ends:
    """Edges by the nodes at their ends. Nothing of it changes."""

    def __init__(self, edges: Iterable[Edge] = ()) -> None:
        self._at: dict[str, defaultdict[str, list[Edge]]] = {"source": defaultdict(list), "target": defaultdict(list)}
        self._members: defaultdict[str, set[str]] = defaultdict(set)
        for edge in edges:
            self._at["source"][edge.source].append(edge)
            self._at["target"][edge.target].append(edge)
            for node in (edge.source, edge.target):
                self._members[node.partition(":" if ":" in node else "/")[0]].add(node)

    def of(self, end: str, node: str) -> Sequence[Edge]:
        """The edges whose `end` (source, target) is the node."""
        return self._at[end].get(node, ())

    def members(self, product: str) -> set[str]:
        """The ports and processes of a product, whoever names them."""
        return self._members.get(product, set())


class Declared:
    """What products declare, kept for the next question: of thousands of products, few change in between. Any
    thread."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._specs: dict[str, ProductSpec] = {}
        self._edges: dict[str, list[Edge]] = {}
        self._ends = Ends()

    def by(self, specs: Iterable[ProductSpec]) -> Ends:
        """What exactly these products declare."""
        now = {spec.id: spec for spec in specs}
        if not now:
            return Ends()
        with self._turn:
            changed = [spec for spec in now.values() if self._specs.get(spec.id) is not spec]
            if changed or len(now) != len(self._specs):
                known = self._edges | {spec.id: declared([spec]) for spec in changed}
                self._edges = {product: known[product] for product in now}
                self._specs, self._ends = now, Ends(chain.from_iterable(self._edges.values()))
            return self._ends


def declared(specs: Iterable[ProductSpec]) -> list[Edge]:
    """The edges that products declare: triggers, lookups and publishing of their processes; who publishes to a port
    reads those that its records refer to."""
    found: set[Edge] = set()
    for spec in specs:
        referred = {port.id: [one.port for one in port.contract.references] for port in spec.outputs}
        for process in spec.processes:
            node = process_node(spec.id, process.name)
            found |= {Edge(port, node, "read") for port in process.reads}
            found |= {Edge(node, port, "write") for port in process.publishes}
            found |= {Edge(other, node, "read") for port in process.publishes for other in referred.get(port, ())}
            for trigger in process.triggers:
                if isinstance(trigger, PortTrigger):
                    found.add(Edge(trigger.port, node, "read"))
                elif isinstance(trigger, KafkaTrigger):
                    found.add(Edge(connection_node(spec.id, trigger.source), node, "read"))
                elif isinstance(trigger, EventTrigger):
                    found.add(Edge(event_node(trigger.name), node, "trigger", trigger.name))
    return sorted(found)


def without(graph: Graph, node: str, products: frozenset[str]) -> Graph:
    """The graph around `node` less all that belongs to these products. Raises `CallerError("lineage.unknown")` where
    it is one of theirs, or nothing is left."""

    def is_left(name: str) -> bool:
        return re.split("[:/]", name.removeprefix("connection:"), maxsplit=1)[0] not in products

    edges = [edge for edge in graph.edges if is_left(edge.source) and is_left(edge.target)]
    if not edges or not is_left(node):
        raise _unknown(node)
    return Graph([found for found in graph.nodes if is_left(found.id)], edges, graph.complete)


def _unknown(node: str) -> CallerError:
    return CallerError(
        "lineage.unknown",
        f"Nothing is known of {node!r}: no run or event has named it",
        hint="Nodes are products, ports, processes, `event:<name>`, and the sources and targets of events.",
        details={"node": node},
    )
