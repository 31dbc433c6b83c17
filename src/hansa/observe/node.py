"""What this node is among those that share its log, as it knows itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class NodeFacts:
    """By default those of a Hansa that is alone. `drains` is true once the node ends; the others are asked whenever
    they are told, and cost no I/O."""

    name: str
    owns_log: Callable[[], bool] = lambda: True
    knows_owner: Callable[[], bool] = lambda: True
    takeovers: Callable[[], int] = lambda: 0
    unanswered: Callable[[], int] = lambda: 0
    nodes: Callable[[], int] = lambda: 1
    drains: bool = False
