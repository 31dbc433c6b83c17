"""What is read at a scrape from the rooms below. Any thread: what the event loop changes meanwhile is copied whole
first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from hansa.errors import CallerError
from hansa.eventlog.interface import Log
from hansa.eventlog.tally import CommitTally
from hansa.model.quarantine import quarantined_port
from hansa.model.run import EVENTS_TOPIC
from hansa.observe import metric as m
from hansa.observe.calls import CallTally
from hansa.observe.metric import Reading
from hansa.runtime.live import LiveProduct
from hansa.runtime.tally import RunTally
from hansa.triggers.subscriptions import Subscription


def calls(tally: CallTally) -> Iterator[Reading]:
    """What callers were answered."""
    for labels, count in tally.answers:
        yield Reading(m.CALLS, labels, count)


def runs(tally: RunTally, active: int) -> Iterator[Reading]:
    """What runs came to; `active` are not over."""
    for member, found in list(tally.processes.items()):
        product, _, process = member.partition(":")
        for state, count in list(found.states.items()):
            yield Reading(m.RUNS, (product, process, state), count)
        yield Reading(m.RUN_DURATION, (product, process), found.duration_s)
    yield Reading(m.RUNS_ACTIVE, (), active)
    yield Reading(m.RETRIES, (), tally.retries)
    for (port, state), count in list(tally.checks.items()):
        yield Reading(m.CHECKS, (port, state), count)
    for (port, action), count in list(tally.violations.items()):
        yield Reading(m.VIOLATIONS, (port, action), count)


def workers(products: Iterable[LiveProduct], forks: int) -> Iterator[Reading]:
    """Who works, who waits."""
    for live in products:
        found = live.pool.workers
        busy = sum(1 for worker in found if worker.jobs)
        yield Reading(m.WORKERS, (live.id, "busy"), busy)
        yield Reading(m.WORKERS, (live.id, "idle"), len(found) - busy)
        waiting = live.pool.waiting + sum(len(process.waiting) for process in live.processes.values())
        yield Reading(m.QUEUE, (live.id,), waiting)
    yield Reading(m.FORKS, (), forks)


def commits(tally: CommitTally) -> Iterator[Reading]:
    """What was committed."""
    for outcome in ("committed", "refused", "failed"):
        yield Reading(m.COMMIT_SETS, (outcome,), getattr(tally, outcome))
    yield Reading(m.COMMIT_SIZE, (), tally.sets_together)
    yield Reading(m.COMMIT_DURATION, (), tally.duration_s)
    yield Reading(m.APPENDED_BYTES, (), tally.size_bytes)
    entries = dict(tally.entries)
    yield Reading(m.EVENTS, (), entries.get(EVENTS_TOPIC, 0))
    for topic, count in entries.items():
        port = quarantined_port(topic)
        if port is not None:
            yield Reading(m.QUARANTINED, (port,), count)
        elif not topic.startswith("_"):
            yield Reading(m.PUBLISHED, (topic,), count)


def subscriptions(log: Log, followed: Iterable[Subscription]) -> Iterator[Reading]:
    """How far behind the subscriptions are that this node follows. Of one that is behind, its oldest batch is read."""
    now_us = time.time_ns() // 1000
    for subscription in followed:
        topic = subscription.topic
        for partition in subscription.partitions:
            position = log.position(subscription.group, topic, partition) or 0
            first, end = log.bounds(topic, partition)
            labels = (subscription.process, topic, str(partition))
            behind = max(end - max(position, first), 0)
            age_s = _age_s(log, topic, partition, max(position, first), now_us) if behind else 0.0
            yield Reading(m.LAG_RECORDS, labels, behind)
            yield Reading(m.LAG_SECONDS, labels, age_s)


def _age_s(log: Log, topic: str, partition: int, position: int, now_us: int) -> float:
    try:
        chunks = log.read(topic, partition, position, max_bytes=1)
    except CallerError:  # retention took it meanwhile
        return 0.0
    return max((now_us - chunks[0].time_us) / 1e6, 0.0) if chunks else 0.0
