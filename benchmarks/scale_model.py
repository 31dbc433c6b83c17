"""What a cluster of Hansa's nodes needs, computed from what one set costs: processors, bytes, and what is full first.

A **set** is what a run commits: one call, or one batch of records. One node (the owner) decides every set; every node
follows all facts of the log; one process writes the views. Pure: no clock, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

BUSY: Final = 0.7
"""The share of a processor, or of a link, that may be used for long."""
NODE_PROCESSORS: Final = 4
ENGINE_PROCESSORS: Final = 8
"""Of the broker that leads the topic of facts, and of PostgreSQL."""
LINK_BYTES_PER_S: Final = 1.25e9
"""What that broker's network carries: 10 Gbit/s."""
FOLLOWERS: Final = 2
"""Processes of a node that read all facts: the server, and the views' process."""


COMMITS_PER_S: Final = 200.0
"""How many transactions an owner begins in a second, however many sets wait: each is read back from Kafka."""


class Part(NamedTuple):
    """What something takes, in µs of a processor: for each set, and for each transaction that sets share."""

    set: float
    commit: float

    def at(self, commits: float) -> float:
        """For a set, where there are so many transactions to each."""
        return self.set + self.commit * commits

    def most(self) -> float:
        """Sets in a second that one processor takes; transactions have no more of it than what they need."""
        left = BUSY * 1e6 - COMMITS_PER_S * self.commit
        return max(left, 0.0) / self.set if self.set > 0 else float("inf")


@dataclass(frozen=True, slots=True)
class Used:
    """Processor time for each set, in µs, by what took it. `others` and `other_views` are those of one node."""

    owner: float
    others: float
    views: float
    other_views: float
    workers: float
    kafka: float
    postgresql: float


@dataclass(frozen=True, slots=True)
class Apart:
    """Processor time for each set, in µs, of three nodes: `owner` owns the log and no more, `worker` takes up every
    set, `idle` only follows. `views` is where they are written, `idle_views` a views' process that only follows.
    `commits` and the others behind it stand in Kafka for each set."""

    owner: float
    worker: float
    idle: float
    views: float
    idle_views: float
    workers: float
    kafka: float
    postgresql: float
    commits: float
    facts: float = 0.0
    fact_bytes: float = 0.0
    body_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Costs:
    """What sets take: `decide` at the owner; `serve` at the node that takes one up, and `work` in its workers; `follow`
    and `listen` at every other node, in its server and its views' process; `project` where the views are written;
    `kafka` with three nodes; `postgresql`. `facts` and `fact_bytes` are those of a transaction, `body_bytes` of a set,
    which has so many `records`. `relay` is what a set takes at the owner, besides, where ports are topics."""

    decide: Part
    serve: Part
    work: Part
    follow: Part
    project: Part
    listen: Part
    kafka: Part
    postgresql: Part
    facts: float
    fact_bytes: float
    body_bytes: float
    records: float = 1.0
    relay: float = 0.0


class Ceiling(NamedTuple):
    """The most sets in a second that a cluster takes, and what is full then."""

    sets_per_s: float
    full: str


def costs(many: Apart, few: Apart) -> Costs:
    """What sets cost, of one measure with many of them to a transaction, and one with few."""

    def part(name: str) -> Part:
        return _part(getattr(many, name), many.commits, getattr(few, name), few.commits)

    follow, worker = part("idle"), part("worker")
    return Costs(
        decide=part("owner"),
        serve=Part(max(worker.set - follow.set, 0.0), max(worker.commit - follow.commit, 0.0)),
        work=part("workers"),
        follow=follow,
        project=part("views"),
        listen=part("idle_views"),
        kafka=part("kafka"),
        postgresql=part("postgresql"),
        facts=few.facts / few.commits,
        fact_bytes=few.fact_bytes / few.commits,
        body_bytes=few.body_bytes,
    )


def _part(many: float, commits_many: float, few: float, commits_few: float) -> Part:
    commit = min(max((few - many) / (commits_few - commits_many), 0.0), many / commits_many)
    return Part(many - commit * commits_many, commit)


def of_batches(batch: Apart, call: Costs, records: float) -> Costs:
    """What batches of so many records cost: their transactions are as those of calls, and the rest is their own."""

    def part(took: float, known: Part) -> Part:
        return Part(max(took - known.commit * batch.commits, 0.0), known.commit)

    return Costs(
        decide=part(batch.owner, call.decide),
        serve=part(max(batch.worker - batch.idle, 0.0), call.serve),
        work=part(batch.workers, call.work),
        follow=part(batch.idle, call.follow),
        project=part(batch.views, call.project),
        listen=part(batch.idle_views, call.listen),
        kafka=part(batch.kafka, call.kafka),
        postgresql=part(batch.postgresql, call.postgresql),
        facts=batch.facts / batch.commits,
        fact_bytes=batch.fact_bytes / batch.commits,
        body_bytes=batch.body_bytes,
        records=records,
    )


def predicted(one: Costs, commits: float, nodes: int) -> Used:
    """What a set takes on `nodes` with all roles, each of which takes up as many, with so many transactions to a
    set."""
    serve = one.serve.at(commits) / nodes
    followed = nodes > 1
    return Used(
        owner=one.decide.at(commits) + serve,
        others=one.follow.at(commits) + serve if followed else 0.0,
        views=one.project.at(commits),
        other_views=one.listen.at(commits) if followed else 0.0,
        workers=one.work.at(commits),
        kafka=one.kafka.at(commits),
        postgresql=one.postgresql.at(commits),
    )


def ceilings(one: Costs, nodes: int) -> dict[str, float]:
    """Sets in a second at which each part of a cluster is full, where the owner is a node of its own and `nodes - 1`
    take them up."""
    workers = max(nodes - 1, 1)
    served = Part(one.serve.set / workers + one.follow.set, one.serve.commit / workers + one.follow.commit)
    spare = NODE_PROCESSORS - 2  # beside the server and the views' process
    carried = FOLLOWERS * nodes * one.fact_bytes * COMMITS_PER_S
    return {
        "the owner decides": one.decide.most(),
        "the owner decides and relays": Part(one.decide.set + one.relay, one.decide.commit).most(),
        "a node serves and follows": served.most(),
        "workers compute": one.work.most() * workers * spare,
        "views are written": one.project.most(),
        "Kafka computes": Part(one.kafka.set / ENGINE_PROCESSORS, one.kafka.commit / ENGINE_PROCESSORS).most(),
        "PostgreSQL computes": one.postgresql.most() * ENGINE_PROCESSORS,
        "Kafka's network": max(BUSY * LINK_BYTES_PER_S - carried, 0.0) / max(2 * one.body_bytes, 1.0),
    }


def ceiling(one: Costs, nodes: int) -> Ceiling:
    """What is full first."""
    found = ceilings(one, nodes)
    full = min(found, key=lambda what: found[what])  # of equal ones the first
    return Ceiling(found[full], full)


def moved_s(partitions: int, session_s: float, beats: int, place_us: float) -> tuple[float, float]:
    """The longest until partitions are followed elsewhere: behind a node that joins, and behind one that is lost.
    `place_us` is what it takes to find the node of one."""
    placing = partitions * place_us / 1e6
    return session_s / beats + placing, session_s + session_s / beats + placing
