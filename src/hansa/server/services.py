"""What the routes use, made by `hansa.bootstrap`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hansa.access.tokens import Authenticator, TokenIssuer
from hansa.discovery.event_search import EventSearch
from hansa.discovery.lineage_graph import LineageGraph
from hansa.discovery.quarantine import QuarantineSearch
from hansa.discovery.readers import Meter, Readers
from hansa.discovery.runs import RunHistory
from hansa.eventlog.awaitable import AwaitableLog
from hansa.lifecycle.deploy import Deployer
from hansa.lifecycle.forgetting import Forgetting
from hansa.lifecycle.history import History
from hansa.lifecycle.mesh import Mesh
from hansa.lifecycle.operations import Operations
from hansa.lifecycle.planner import Planner
from hansa.lifecycle.quarantine import Quarantine
from hansa.lifecycle.retiring import Retiring
from hansa.lifecycle.states import States
from hansa.lifecycle.views import Views
from hansa.observe.calls import CallTally
from hansa.observe.node import NodeFacts
from hansa.protocols.schema_registry.registry import SchemaRegistry
from hansa.registry.interface import Registry
from hansa.runtime.engine import Engine
from hansa.server.descriptions import Descriptions
from hansa.server.passing import Passing
from hansa.triggers.scheduler import Scheduler
from hansa.views.waiting import Awaited


class Standing(NamedTuple):
    """A node: what it does, and whether it owns the log."""

    id: str
    url: str
    roles: tuple[str, ...]
    version: str
    is_owner: bool


@dataclass(slots=True)
class Services:
    """One running Hansa, as its routes see it."""

    version: str
    registry: Registry
    log: AwaitableLog
    mesh: Mesh
    deployer: Deployer
    planner: Planner
    states: States
    engine: Engine
    authenticator: Authenticator
    issuer: TokenIssuer
    views: Awaited
    followed: Awaited
    """Keeps the lookups up with their ports."""
    runs: RunHistory
    events: EventSearch
    lineage: LineageGraph
    meter: Meter
    readers: Readers
    lookups: Callable[[str], Path]
    """The file of a lookup, which follows its port from the first call on."""
    scheduler: Scheduler
    operations: Operations
    aside: QuarantineSearch
    quarantine: Quarantine
    standings: Views
    retiring: Retiring
    forgetting: Forgetting
    schemas: SchemaRegistry
    backup: Callable[[Path], Awaitable[dict[str, Any]]]
    doctor: Callable[[], Awaitable[list[dict[str, Any]]]]
    descriptions: Descriptions
    calls: CallTally
    node: NodeFacts
    history: History
    nodes: Callable[[], Awaitable[list[Standing]]]
    """The nodes that share the log with this one, it too."""
    others: Callable[[], Sequence[str]]
    """Where the other nodes are."""
    passing: Passing | None
    """Passes calls on to nodes that have workers, where this one has none."""
