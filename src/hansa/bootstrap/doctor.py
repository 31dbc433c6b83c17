"""What `hansa doctor` says: what protects this machine from author code, and whether the stores are whole."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

from hansa.errors import Unavailable
from hansa.eventlog.interface import Log
from hansa.lifecycle.retention import DAY_S, Retention
from hansa.lifecycle.views import Views
from hansa.model.run import EVENTS_TOPIC, RUNS_TOPIC
from hansa.registry.interface import Registry
from hansa.runtime.isolation_probe import probe

_SPACE_MIN_BYTES = 1 << 30


def machine() -> list[dict[str, Any]]:
    """What isolation is really in force here: each guarantee was tried in a child process."""
    return [_finding(g.name, g.in_force, g.detail, g.fix) for g in probe()]


def examine(log: Log, registry: Registry, views: Views, retention: Retention, data: Path) -> list[dict[str, Any]]:
    """Everything: the machine, the log, the audit, the views, what is kept, the disk."""
    damage = [str(finding) for finding in log.verify()]
    free = shutil.disk_usage(data).free
    space = f"{free / 1e9:.1f} GB are free"
    return [
        *machine(),
        _finding(
            "log", not damage, "; ".join(damage[:5]) or "every batch and row matches its checksum", "Restore a backup."
        ),
        *_registry(registry),
        _views(views),
        _finding("retention", not retention.waiting, _kept(log, retention), "Let what is named read on, or end it."),
        _finding("disk", free > _SPACE_MIN_BYTES, space, "Free space; writing stops when the disk is full."),
        _finding("sqlite", True, sqlite3.sqlite_version, ""),
    ]


def _registry(registry: Registry) -> list[dict[str, Any]]:
    """Whether the registry answers, and its audit is whole."""
    try:
        audit = registry.audit_verify()
    except Unavailable as failure:
        return [_finding("registry", False, failure.message, failure.hint or "")]
    bad = "" if audit.first_bad is None else f"; entry {audit.first_bad} was altered or is missing"
    fix = "Compare with the log's copy of the audit, and with a backup."
    return [
        _finding("registry", True, f"{registry.place()} answers", ""),
        _finding("audit", not bad, f"{audit.intact} entries are intact{bad}", fix),
    ]


def _views(views: Views) -> dict[str, Any]:
    """Whether the views can be read, and follow the log."""
    try:
        broken = [f"{status.name}: {status.error}" for status in views.statuses() if status.error]
    except Unavailable as failure:
        return _finding("views", False, failure.message, failure.hint or "")
    fix = "`hansa views rebuild NAME`, with a Hansa that has the fault mended."
    return _finding("views", not broken, "; ".join(broken) or "all follow the log", fix)


def _kept(log: Log, retention: Retention) -> str:
    """How much there is, how long it is kept, and what holds retention back."""
    counts: dict[str, int] = {}
    for topic, config in log.topics().items():
        bounds = [log.bounds(topic, partition) for partition in range(config.partitions)]
        name = {RUNS_TOPIC: "runs", EVENTS_TOPIC: "events"}.get(topic, "other" if topic.startswith("_") else "records")
        counts[name] = counts.get(name, 0) + sum(end - first for first, end in bounds)
    keep = {"runs": retention.keep.runs_s, "events": retention.keep.events_s, "records": retention.keep.records_s}
    told = [f"{counts.get(name, 0)} entries of {name} {_age(keep_s)}" for name, keep_s in keep.items()]
    return "; ".join([", ".join(told), *retention.waiting[:5]])


def _age(keep_s: float | None) -> str:
    return "(kept for good)" if keep_s is None else f"(kept for {keep_s / DAY_S:g} days)"


def _finding(name: str, in_force: bool, detail: str, fix: str) -> dict[str, Any]:
    return {"name": name, "in_force": in_force, "detail": detail, "fix": "" if in_force else fix}
