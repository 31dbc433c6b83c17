"""What befalls a cluster of nodes: one after the other, each survived before the next."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

from nodes import Cluster
from server import Server

PAUSE_S = 4.0
"""Longer than the session of a node lasts."""


def kill(cluster: Cluster, node: Server) -> None:
    """SIGKILL, and it starts again at once."""
    del cluster
    node.kill()
    node.start()


def kill_for_long(cluster: Cluster, node: Server) -> None:
    """SIGKILL; it is lost before it starts again."""
    node.kill()
    time.sleep(cluster.session_s + 2)
    node.start()


def pause(cluster: Cluster, node: Server) -> None:
    """It stands still for longer than its session lasts, and wakes."""
    del cluster
    node.process.send_signal(signal.SIGSTOP)
    time.sleep(PAUSE_S)
    node.process.send_signal(signal.SIGCONT)


def leave(cluster: Cluster, node: Server) -> None:
    """It ends in good order, as in a rolling upgrade, and starts again."""
    del cluster
    node.stop()
    node.start()


ATTACKS: tuple[Callable[[Cluster, Server], None], ...] = (kill, pause, kill_for_long, leave)


def attack(cluster: Cluster, chance: random.Random, rounds: int) -> None:
    """Befalls the owner of the log and other nodes in turn."""
    for turn in range(rounds):
        node = cluster.owner() if turn % 2 == 0 else chance.choice(cluster.nodes)
        ATTACKS[turn // 2 % len(ATTACKS)](cluster, node)
        time.sleep(chance.uniform(0.2, 1.0))
