"""The published examples of the standards, where `HANSA_CORPORA` names their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

MISSING = "HANSA_CORPORA names no folder: the tests over the published examples of the standards"


def corpora() -> Path | None:
    """The folder of the published examples, or None."""
    folder = Path(os.environ.get("HANSA_CORPORA") or "/nowhere")
    return folder if folder.is_dir() else None


def examples(pattern: str) -> list[Path]:
    """The examples that fit `pattern`; none where there are no corpora, which `require_corpora` tells."""
    folder = corpora()
    return sorted(folder.glob(pattern)) if folder else []


def require_corpora() -> Path:
    """The folder. Skips where there is none, and fails instead under CI."""
    folder = corpora()
    if folder is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{MISSING} cannot run")
    return folder
