"""What `hansa doctor` says: what protects this machine from author code, and whether the stores are whole."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

from hansa.eventlog.sqlite import SqliteLog
from hansa.registry.sqlite import SqliteRegistry
from hansa.runtime.isolation_probe import probe
from hansa.views.remote import RemoteProjector

_SPACE_MIN_BYTES = 1 << 30


def machine() -> list[dict[str, Any]]:
    """What isolation is really in force here: each guarantee was tried in a child process."""
    return [_finding(g.name, g.in_force, g.detail, g.fix) for g in probe()]


def examine(log: SqliteLog, registry: SqliteRegistry, views: RemoteProjector, data: Path) -> list[dict[str, Any]]:
    """Everything: the machine, the log, the audit, the views, the disk."""
    damage = [str(finding) for finding in log.verify()]
    audit = registry.audit_verify()
    broken = [f"{status.name}: {status.error}" for status in views.statuses() if status.error]
    free = shutil.disk_usage(data).free
    whole = f"{audit.intact} entries are intact"
    bad = "" if audit.first_bad is None else f"; entry {audit.first_bad} was altered or is missing"
    space = f"{free / 1e9:.1f} GB are free"
    return [
        *machine(),
        _finding("log", not damage, "; ".join(damage[:5]) or "every batch matches its checksum", "Restore a backup."),
        _finding("audit", not bad, whole + bad, "Compare with the log's copy of the audit, and with a backup."),
        _finding("views", not broken, "; ".join(broken) or "all follow the log", "Delete views.db and start again."),
        _finding("disk", free > _SPACE_MIN_BYTES, space, "Free space; writing stops when the disk is full."),
        _finding("sqlite", True, sqlite3.sqlite_version, ""),
    ]


def _finding(name: str, in_force: bool, detail: str, fix: str) -> dict[str, Any]:
    return {"name": name, "in_force": in_force, "detail": detail, "fix": "" if in_force else fix}
