"""Every metric that a Hansa tells, declared once: what is told at `/metrics`, and what the reference page says.

Units are base units and stand last in the name; what only grows ends in `_total`. Labels take values that the mesh
itself has: products, processes, ports, views and routes as they were declared, never what a caller sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from hansa.model.histogram import Histogram

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """What one metric is. `help` is one sentence without a full stop."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


class Reading(NamedTuple):
    """What a metric stands at for one set of labels, whose values come in the metric's order."""

    metric: Metric
    labels: tuple[str, ...]
    value: float | Histogram


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, "counter", labels, meaning)


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, "gauge", labels, meaning)


def _histogram(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, "histogram", labels, meaning)


INFO: Final = _gauge("hansa_info", "1, with the version of Hansa and the name of the node", "version", "node")
PRODUCTS: Final = _gauge("hansa_products", "Products by whether they are served: live or failed", "state")

CALLS: Final = _counter(
    "hansa_calls_total", "Answers over HTTP; route is the path as declared, empty where there is none",
    "method", "route", "status",
)  # fmt: skip

RUNS: Final = _counter("hansa_runs_total", "Runs that are over, by how they ended", "product", "process", "state")
RUN_DURATION: Final = _histogram(
    "hansa_run_duration_seconds", "How long the last attempt of a run was worked", "product", "process"
)
RUNS_ACTIVE: Final = _gauge("hansa_runs_active", "Runs that are accepted and not over, those that wait for a retry too")
RETRIES: Final = _counter("hansa_run_retries_total", "Attempts that failed and are tried again")

WORKERS: Final = _gauge("hansa_workers", "Worker processes by what they do: busy or idle", "product", "state")
QUEUE: Final = _gauge("hansa_queue_runs", "Runs that wait for a worker or for their process to have room", "product")
FORKS: Final = _counter("hansa_worker_forks_total", "Workers that were forked")

COMMIT_SETS: Final = _counter("hansa_commit_sets_total", "Commit sets: committed, refused or failed", "outcome")
COMMIT_SIZE: Final = _histogram("hansa_commit_sets", "Commit sets that were committed together")
COMMIT_DURATION: Final = _histogram(
    "hansa_commit_duration_seconds", "From when a commit set was queued until its outcome was known"
)
APPENDED_BYTES: Final = _counter("hansa_appended_bytes_total", "Bytes of entries that this node appended to the log")
PUBLISHED: Final = _counter("hansa_published_records_total", "Records that this node published", "port")
EVENTS: Final = _counter("hansa_events_total", "Events that this node emitted")

LAG_RECORDS: Final = _gauge(
    "hansa_subscription_lag_records", "Entries behind the position of a subscription that this node follows",
    "process", "topic", "partition",
)  # fmt: skip
LAG_SECONDS: Final = _gauge(
    "hansa_subscription_lag_seconds", "Age of the oldest entry that a subscription of this node has not worked yet",
    "process", "topic", "partition",
)  # fmt: skip
VIEW_LAG: Final = _gauge("hansa_view_lag_batches", "Batches of the log that a view does not show yet", "view")
LOOKUP_LAG: Final = _gauge("hansa_lookup_lag_records", "Records of its port that a lookup does not show yet", "port")
VIEW_BROKEN: Final = _gauge("hansa_view_broken", "1 where a view stopped and waits to be rebuilt", "view")

CHECKS: Final = _counter("hansa_checks_total", "Results of checks where records were published", "port", "state")
VIOLATIONS: Final = _counter(
    "hansa_check_violations_total",
    "Records, or batches, that broke a rule, by what the contract does with them", "port", "action",
)  # fmt: skip
QUARANTINED: Final = _counter(
    "hansa_quarantine_entries_total", "Entries of quarantines: records set aside, and what was done about them", "port"
)

SCHEDULES: Final = _gauge("hansa_schedules", "Schedules that this node fires")
SCHEDULE_LATE: Final = _gauge("hansa_schedule_late_seconds", "How long the time is past that a schedule fires next")

LOG_OWNER: Final = _gauge("hansa_log_owner", "1 where this node owns the log")
LOG_STOPPED: Final = _gauge("hansa_log_stopped", "1 where the log takes no more commits")
TAKEOVERS: Final = _counter("hansa_log_takeovers_total", "How often this node became the owner of the log")
UNANSWERED: Final = _counter(
    "hansa_log_unanswered_total", "Questions to the owner of the log that got no answer and were asked again"
)
NODES: Final = _gauge("hansa_nodes", "Nodes that share the log, as this one knows them")
REGISTRY_AGE: Final = _gauge("hansa_registry_age_seconds", "Since when the registry was not heard from")
DRAINING: Final = _gauge("hansa_draining", "1 while this node ends")

DROPPED: Final = _gauge("hansa_metrics_dropped_series", "Series over the limit of a metric, which are not told")

METRICS: Final = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of them, in the order in which they are told."""
