"""`hansa new` writes a product that is complete: it loads, compiles, answers, publishes, and its tests pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hansa.cli.ports import sync_ports
from hansa.cli.scaffold import scaffold
from hansa.errors import CallerError
from hansa.model.ids import ProductId
from hansa.testing.inline import InlineHansa

HELLO = ProductId("operations", "hello")


def test_the_product_works_as_it_is(tmp_path: Path) -> None:
    files = scaffold(HELLO, tmp_path / "hello")
    assert all((tmp_path / "hello" / file).is_file() for file in files)
    hansa = InlineHansa()
    spec = hansa.load(tmp_path / "hello")
    assert (spec.id, [port.id for port in spec.outputs]) == ("operations.hello", ["operations.hello/greetings@1"])
    greeting = {"visitor": "Ada", "text": "Hello, Ada!"}
    assert hansa.call("POST /operations/hello/greetings", {"name": "Ada"}) == greeting
    assert hansa.read("operations.hello/greetings@1") == [greeting]
    with pytest.raises(CallerError) as caught:
        hansa.call("greet", {"name": ""})
    assert caught.value.code == "visitor.nameless"


def test_its_tests_pass(tmp_path: Path) -> None:
    scaffold(HELLO, tmp_path / "hello")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path / "hello", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_ports_are_written_only_where_they_differ(tmp_path: Path) -> None:
    scaffold(HELLO, tmp_path)
    assert not sync_ports(tmp_path, None)
    contract = tmp_path / "contracts" / "greetings@1.odcs.yaml"
    contract.write_text(contract.read_text().replace("name: text", "name: words"))
    assert sync_ports(tmp_path, None)
    assert "words: str" in (tmp_path / "ports.py").read_text()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CallerError) as caught:
        scaffold(HELLO, tmp_path)
    assert caught.value.code == "folder.exists"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
