"""The command line as a whole: exit codes, error lines, JSON, help."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hansa.cli.app import run
from hansa.cli.failure import error_lines, exit_code
from hansa.cli.reference import markdown
from hansa.errors import CallerError, PlanError, Unavailable

VERBS = [
    "up",
    "new",
    "sync",
    "dev",
    "test",
    "plan",
    "deploy",
    "rollback",
    "retire",
    "run",
    "runs",
    "output",
    "read",
    "events",
    "lineage",
    "emit",
    "replay",
    "cancel",
    "products",
    "show",
    "audit",
    "backup",
    "restore",
    "doctor",
    "contract",
    "tokens",
    "domains",
    "people",
    "schedules",
    "completion",
]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No product's folder, no environment, and a URL at which nobody listens."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HANSA_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        yield


def test_an_unreachable_hansa_is_3_in_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["products"]) == 3
    out, err = capsys.readouterr()
    what, how = err.splitlines()
    assert out == ""
    assert what.startswith("error: No Hansa answers at http://127.0.0.1:")
    assert what.endswith("[server.unreachable]")
    assert how.startswith("  how: ")


def test_a_failure_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "load"]) == 1
    assert "[folder.none]" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["runs", "--limit", "none"], ["deploy", "--never"], ["read"], ["run", "a.b:c", "{bad"]]
)
def test_wrong_usage_is_2_and_names_the_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    what, how = capsys.readouterr().err.splitlines()
    assert what.endswith("[usage]")
    verb = "" if arguments == ["nonsense"] else f" {arguments[0]}"
    assert how == f"  how: 'hansa{verb} --help' shows what it takes."


def test_errors_are_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["products", "--json"]) == 3
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "server.unreachable"


def test_answers_are_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new", "operations.hello", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["product"] == "operations.hello"
    assert run(["sync", "hello", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changed"] is False


def test_every_finding_is_told_with_its_place() -> None:
    findings = [
        {"code": "a.b", "message": "One", "hint": "Do", "file": "product.py", "line": 3},
        {"code": "a.c", "message": "Two\nlines", "hint": None, "file": "product.yaml", "line": 0},
    ]
    error = PlanError("a.b", "product.py:3: One (and 1 more)", details={"findings": findings, "traceback": "at here"})
    assert list(error_lines(error)) == [
        "error: product.py:3: One [a.b]",
        "  how: Do",
        "error: product.yaml: Two lines [a.c]",
        "at here",
    ]


def test_only_what_may_work_later_is_3() -> None:
    assert exit_code(Unavailable("a.b", "Later")) == 3
    assert exit_code(CallerError("a.b", "Never")) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    assert f"Usage: hansa {verb}" in capsys.readouterr().out


def test_the_reference_has_every_verb_and_option() -> None:
    text = markdown()
    assert all(f"## hansa {verb}\n" in text for verb in VERBS)
    assert "## hansa audit verify\n" in text
    assert "| `--to` | The Hansa to talk to. |" in text


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from hansa.cli.app import run; run(['--help']); print(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert {"httpx", "rich", "ruamel", "starlette", "uvicorn", "asyncio", "sqlite3"} & loaded == set()


def test_completion_waits_for_no_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("_HANSA_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "hansa show ope")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit):
        run([])
    out, err = capsys.readouterr()
    assert (out.strip(), err) == ("", "")


def test_the_command_alone_shows_its_help_and_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("Usage: hansa")
    assert told.err == ""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("hansa 0.")


def test_a_group_without_its_verb_shows_its_verbs_one_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["views"]) == 2
    assert "\n  rebuild" in capsys.readouterr().err


def test_no_command_that_takes_an_option_loads_pydantic() -> None:
    code = (
        "import sys; from hansa.cli.app import run; run(['products', '--limit']); sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
