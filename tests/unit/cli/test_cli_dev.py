"""Noticing saves, and calls for a debugger."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from hansa.cli.inline import Call, parse_call, work
from hansa.cli.scaffold import scaffold
from hansa.cli.screen import Screen
from hansa.cli.watch import saves
from hansa.errors import CallerError
from hansa.model.ids import ProductId


def test_every_save_is_noticed_once(tmp_path: Path) -> None:
    """The folder is changed while the watcher sleeps, and once while its caller is at work."""
    (tmp_path / "product.py").write_text("1")
    steps = iter(
        [
            lambda: (tmp_path / "product.py").write_text("22"),
            lambda: (tmp_path / "ports.py").write_text("generated"),
            lambda: (tmp_path / ".product.py.swp").write_text("hidden"),
            lambda: (tmp_path / "product.py").unlink(),
        ]
    )
    found = saves(tmp_path, sleep=lambda _: next(steps)() and None)
    assert next(found) == ["product.py"]
    assert next(found) == ["product.py"]
    (tmp_path / "helpers.py").write_text("meanwhile")
    assert next(found) == ["helpers.py"]
    assert next(found) == ["product.py"]
    assert next(steps, None) is None


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("load\n", Call("load")),
        ('load {"a": [1, 2]}', Call("load", {"a": [1, 2]})),
        ("GET /a/b", Call("GET /a/b")),
        ('POST /a/b {"a": 1}', Call("POST /a/b", {"a": 1})),
    ],
)
def test_a_line_is_a_call(line: str, call: Call) -> None:
    assert parse_call(line) == call


def test_a_payload_must_be_json() -> None:
    with pytest.raises(CallerError) as caught:
        parse_call("load {a: 1}")
    assert caught.value.code == "body.not_json"


def test_calls_go_on_behind_an_error(tmp_path: Path) -> None:
    scaffold(ProductId("operations", "hello"), tmp_path)
    out, err = io.StringIO(), io.StringIO()
    work(tmp_path, io.StringIO('greet {"name": ""}\n\ngreet {"name": "Bo"}\n'), Screen(out, err, as_json=True))
    assert out.getvalue() == '{"visitor":"Bo","text":"Hello, Bo!"}\n'
    assert "error: The visitor has no name [visitor.nameless]" in err.getvalue()
