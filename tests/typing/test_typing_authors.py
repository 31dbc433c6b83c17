"""Type checkers stand by the author: right code passes strict checks, wrong code fails at exactly the wrong lines."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RIGHT, WRONG = HERE / "authors" / "right.py", HERE / "authors" / "wrong.py"

Errors = set[tuple[str, int]]


def mypy() -> Errors:
    """(file, line) of every error."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(RIGHT), str(WRONG)]
    done = subprocess.run(command, cwd=HERE, env=_environment(), capture_output=True, text=True)
    assert done.returncode < 2, done.stderr
    return {(Path(m[1]).name, int(m[2])) for m in re.finditer(r"^(\S+):(\d+): error:", done.stdout, re.MULTILINE)}


def pyright() -> Errors:
    """(file, line) of every error."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(HERE)]
    done = subprocess.run(command, cwd=HERE, env=_environment(), capture_output=True, text=True)
    assert done.returncode < 2, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{") :])["generalDiagnostics"]
    return {(Path(e["file"]).name, e["range"]["start"]["line"] + 1) for e in found if e["severity"] == "error"}


def _environment() -> dict[str, str]:
    """Both find the source that this test stands beside; pyright takes the node that is on the path."""
    source = str(ROOT / "src")
    paths = {"MYPYPATH": source, "PYTHONPATH": source, "PYRIGHT_PYTHON_GLOBAL_NODE": "1"}
    return {**os.environ, **paths, "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache")}


@pytest.mark.slow
@pytest.mark.parametrize("checker", [mypy, pyright], ids=["mypy", "pyright"])
def test_right_code_passes_and_each_wrong_line_is_found(checker: Callable[[], Errors]) -> None:
    lines = WRONG.read_text("utf-8").splitlines()
    expected = {(WRONG.name, number) for number, line in enumerate(lines, 1) if line.endswith("# error")}
    assert len(expected) > 20
    assert checker() == expected
