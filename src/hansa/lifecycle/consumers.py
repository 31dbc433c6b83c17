"""Who is behind a port, directly and further down, and who of them a change would break. Pure.

A process reads with the record class of its `ports.py`: it breaks where that class does not fit any more, even where
its code uses another field. An account that selects fields breaks only with one of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from hansa.contracts.compatibility.verdict import Direction
from hansa.discovery.lineage_graph import Edge
from hansa.discovery.readers import ALL, Reader
from hansa.lifecycle.changes import Change
from hansa.model.product import PortTrigger, ProcessSpec, ProductSpec

Verdict = Literal["breaks", "may_break", "unaffected", "downstream"]
RECENT_S: Final = 90 * 24 * 3600
"""An account that has not read for so long is no consumer any more."""
_KEPT_WITHOUT: Final = "field.removed"
"""The one difference that a record class with a field bears: the field may be missing."""


class Consumer(msgspec.Struct, frozen=True, order=True):
    """One consumer of `port`: a process, a product that declares the input and whose code does not show a use, or
    whose records refer to those of the port, or an account with its token.

    `by` says how it reads. `fields` are those it uses, None where it may be all. `depth` counts products between:
    1 reads the port itself, 2 reads what such a one publishes (`downstream`).
    """

    port: str
    depth: int
    who: str
    kind: Literal["process", "product", "account"]
    verdict: Verdict = "unaffected"
    because: str = ""
    by: str = ""
    token: str = ""
    fields: tuple[str, ...] | None = None
    last_us: int = 0

    @property
    def domain(self) -> str | None:
        """The domain whose owner speaks for it; None for an account."""
        return None if self.kind == "account" else self.who.partition(".")[0]


class Reading(msgspec.Struct, frozen=True):
    """What is known of the mesh around a product: the specs of all others, who has read each port, and all edges of
    lineage that lead on from its ports."""

    others: Sequence[ProductSpec]
    readers: Mapping[str, Sequence[Reader]]
    edges: Sequence[Edge]
    now_us: int


def consumers(product: str, ports: Iterable[str], reading: Reading, made: Sequence[Change]) -> list[Consumer]:
    """Everyone behind these ports of a product, with the verdict on each: those that break first."""
    found: list[Consumer] = []
    for port in ports:
        breaking = [change for change in made if change.kind == "breaking" and change.id == port]
        direct = [one for one in _direct(port, reading) if one.who.partition(":")[0] != product]
        judged = [_judged(one, breaking) for one in direct]
        found += judged + list(_further(port, [one.who for one in judged], reading.edges, product))
    return sorted(found, key=lambda one: (one.verdict == "unaffected", one.depth, one.port, one.who, one.token))


def _direct(port: str, reading: Reading) -> Iterator[Consumer]:
    read = {(reader.who, reader.token): reader for reader in reading.readers.get(port, ())}
    seen: set[str] = set()
    for spec in reading.others:
        users = [process for process in spec.processes if _how(process, port)]
        for process in users:
            who = f"{spec.id}:{process.name}"
            seen.add(who)
            last_us = read[who, ""].last_us if (who, "") in read else 0
            fields = process.fields.get(port)
            yield Consumer(port, 1, who, "process", by=_how(process, port), fields=fields, last_us=last_us)
        if referred := spec.references(port):
            yield Consumer(port, 1, spec.id, "product", by="reference", fields=referred)
        elif not users and any(item.port == port for item in spec.inputs):
            yield Consumer(port, 1, spec.id, "product", by="input")
    live = {f"{spec.id}:{process.name}" for spec in reading.others for process in spec.processes}
    for reader in read.values():
        if reader.kind == "process" and reader.who in live - seen:
            yield Consumer(port, 1, reader.who, "process", by="lookup", last_us=reader.last_us)
        elif reader.kind == "account" and reader.last_us > reading.now_us - RECENT_S * 1_000_000:
            fields = None if ALL in reader.fields else tuple(sorted(reader.fields))
            yield Consumer(
                port, 1, reader.who, "account", "unaffected", "", "api", reader.token, fields, reader.last_us
            )


def _how(process: ProcessSpec, port: str) -> str:
    """How a process reads a port, as far as its source shows it."""
    if any(isinstance(trigger, PortTrigger) and trigger.port == port for trigger in process.triggers):
        return "subscription"
    return "lookup" if port in process.reads else ""


def _judged(one: Consumer, breaking: Sequence[Change]) -> Consumer:
    hit = [(change, why) for change in breaking if (why := _hits(one, change))]
    if not hit:
        return one
    change, why = hit[0]
    is_sure = one.fields is not None or not change.path or why.startswith("its ports.py")
    return msgspec.structs.replace(one, verdict="breaks" if is_sure else "may_break", because=why)


def _hits(one: Consumer, change: Change) -> str:
    """Why a breaking change hits a consumer; empty where it does not."""
    field = change.path.partition(".")[0].partition("[")[0].partition("{")[0]
    if not field:
        return "it reads the port"
    if one.fields is not None and field in one.fields:
        return f"it uses {field}"
    if one.kind == "process" and change.code != _KEPT_WITHOUT and Direction.OLD_READERS in change.hits:
        return f"its ports.py has {field} as it was"
    return f"it may use {field}" if one.fields is None else ""


def _further(port: str, direct: Iterable[str], edges: Sequence[Edge], product: str) -> Iterator[Consumer]:
    """Those behind the direct consumers, by lineage, each with its shortest way. Behind a product that refers to the
    port are those behind its processes that publish such records."""
    behind: dict[str, set[tuple[str, str]]] = {}
    for edge in edges:
        if edge.kind in ("read", "write"):
            behind.setdefault(edge.source, set()).add((edge.kind, edge.target))
    frontier = {*direct}
    frontier |= {who for kind, who in behind.get(port, ()) if kind == "read" and who.partition(":")[0] in frontier}
    seen, depth = set(frontier), 1
    while frontier:
        depth += 1
        written = {port for who in frontier for kind, port in behind.get(who, ()) if kind == "write"}
        reading = {
            who: via for via in sorted(written, reverse=True) for kind, who in behind.get(via, ()) if kind == "read"
        }
        frontier = reading.keys() - seen
        seen |= frontier
        for who in sorted(frontier):
            if who.partition(":")[0] != product:
                yield Consumer(port, depth, who, "process", "downstream", f"it reads {reading[who]}")
