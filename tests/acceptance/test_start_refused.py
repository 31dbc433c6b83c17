"""What a start says where the machine, or a setting, does not let authors' code run as it should: two lines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
UNABLE = [sys.executable, str(SUPPORT / "without_landlock.py")]


def up(data: Path, *before: str, **environment: str) -> subprocess.Popen[str]:
    program = str(Path(sys.executable).with_name("hansa"))
    return subprocess.Popen(
        [*before, program, "up", "--data", str(data), "--port", "0"], env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def last_lines(process: subprocess.Popen[str]) -> list[str]:
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 1, told
    return told.splitlines()[-2:]


def test_without_landlock_a_node_of_workers_does_not_start(tmp_path: Path) -> None:
    what, how = last_lines(up(tmp_path / "data", *UNABLE))
    assert "files: Function not implemented" in what
    assert what.endswith("[isolation.unavailable]")
    assert how.startswith("  how: Use Linux 5.13 or newer with Landlock")


@pytest.mark.parametrize("environment", [{"HANSA_ISOLATION": "best"}, {"HANSA_ROLES": "api,scheduler"}])
def test_without_landlock_a_node_that_does_not_rest_on_it_starts(tmp_path: Path, environment: dict[str, str]) -> None:
    process = up(tmp_path / "data", *UNABLE, **environment)
    try:
        assert process.stdout is not None
        assert any("Hansa answers" in line for line in process.stdout)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_isolation_that_is_misspelt_is_not_taken_for_less(tmp_path: Path) -> None:
    what, how = last_lines(up(tmp_path / "data", HANSA_ISOLATION="Strict"))
    assert what == "error: HANSA_ISOLATION is 'Strict' [isolation.setting]"
    assert "strict, best, none" in how
