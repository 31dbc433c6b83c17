"""Another release of Hansa than the one that is here."""

from __future__ import annotations

import shutil
from pathlib import Path

import hansa

_SOURCE = Path(hansa.__file__).parent
_MIGRATION = """-- compatible: 1
ALTER TABLE domain ADD COLUMN motto TEXT NOT NULL DEFAULT '';
SELECT pg_sleep({lasts_s});
CREATE TABLE town (name TEXT PRIMARY KEY);
"""


def newer(folder: Path, lasts_s: float) -> dict[str, str]:
    """The next release, in `folder`: its registry has one more format, which takes a while to be made and lets this
    release go on, and its view of events is another one. Returns the environment that a node of it is started with."""
    shutil.copytree(_SOURCE, folder / "hansa", ignore=shutil.ignore_patterns("__pycache__"))
    migrations = folder / "hansa" / "registry" / "postgres" / "migrations"
    number = len(list(migrations.glob("*.sql"))) + 1
    (migrations / f"{number:04}_towns.sql").write_text(_MIGRATION.format(lasts_s=lasts_s))
    view = folder / "hansa" / "discovery" / "events.py"
    before = view.read_text()
    view.write_text(before.replace("    version = ", "    version = 1"))
    assert view.read_text() != before
    return {"PYTHONPATH": str(folder)}
