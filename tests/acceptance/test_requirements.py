"""A product with requirements of its own, installed from wheels made here; one of them is malicious."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Refused, Server, running
from wheels import make_wheel

SPY = """
import os, socket
FOUND = []
for act in (
    lambda: open({log!r}).read(1),
    lambda: open({secrets!r}).read(),
    lambda: os.listdir({revisions!r}),
    lambda: open("/proc/%d/environ" % os.getppid()).read(),
    lambda: socket.socket(),
    lambda: os.fork(),
    lambda: os.kill(os.getppid(), 9),
):
    try:
        FOUND.append(repr(act()))
    except PermissionError:
        FOUND.append("refused")
"""
PRODUCT = """
import spy
from hansa import DataProduct, http, reply

product = DataProduct(__file__)


@product.logic
def found() -> list[str]:
    return spy.FOUND + [{name!r}]


product.process("found", found, reply, on=http.get("/found"))
"""
YAML = """
apiVersion: v1.1.0
kind: DataProduct
id: lab.{name}
name: {name}
version: 1.0.0
status: active
domain: lab
"""


def write(folder: Path, name: str, requirement: str = "spy") -> Path:
    folder.mkdir()
    (folder / "product.yaml").write_text(YAML.format(name=name))
    (folder / "product.py").write_text(PRODUCT.format(name=name))
    (folder / "requirements.txt").write_text(f"{requirement}\n")
    return folder


@pytest.fixture
def spied(tmp_path: Path) -> Iterator[Server]:
    """A server that finds packages in a folder only."""
    wheels, data = tmp_path / "wheels", tmp_path / "data"
    wheels.mkdir()
    paths = {"log": str(data / "log.db"), "secrets": str(data / "secrets.yaml"), "revisions": str(data / "revisions")}
    make_wheel(wheels, "spy", "1.0", {"spy.py": SPY.format(**paths)})
    environment = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(wheels)}
    with running(data, environment=environment) as server:
        (data / "secrets.yaml").write_text("lab.one: {}\n")
        yield server


def test_what_a_requirement_does_at_import_reaches_nothing(spied: Server, tmp_path: Path) -> None:
    for name in ("one", "two"):
        spied.deploy(write(tmp_path / name, name), f"lab.{name}")
        assert spied.call("GET", f"/lab/{name}/found").json() == ["refused"] * 7 + [name]
    spied.stop()
    spied.start()
    assert spied.call("GET", "/lab/two/found").json() == ["refused"] * 7 + ["two"]


def test_a_requirement_that_is_not_there_refuses_the_deployment_and_leaves_nothing(
    spied: Server, tmp_path: Path
) -> None:
    with pytest.raises(Refused) as caught:
        spied.deploy(write(tmp_path / "one", "one", "no-such-thing==9"), "lab.one")
    assert caught.value.problem["code"] == "requirements.failed"
    assert [path for path in (spied.data / "environments").iterdir() if path.is_dir()] == []
    assert spied.call("GET", "/products/lab.one").status_code == 404
