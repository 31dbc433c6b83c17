"""A worker at rest is exchanged for a fresh one, unless it has made something that would have to be made anew."""

from __future__ import annotations

from pathlib import Path

from server import Server, running

MANIFEST = """apiVersion: v1.1.0
kind: DataProduct
id: lab.{name}
name: {name}
version: 1.0.0
status: active
domain: lab
"""
PLAIN = """
import os
from hansa import DataProduct, http, reply

product = DataProduct(__file__)

@product.logic
def who() -> int:
    return os.getpid()

product.process("who", who, reply, on=http.get("/who"))
"""
MADE = PLAIN.replace(
    "def who() -> int:\n    return os.getpid()", "def who(*, model: int) -> int:\n    return model"
).replace("@product.logic", "@product.resource\ndef model() -> int:\n    return os.getpid()\n\n@product.logic")


def written(folder: Path, name: str, source: str) -> Path:
    made = folder / name
    made.mkdir()
    (made / "product.yaml").write_text(MANIFEST.format(name=name))
    (made / "product.py").write_text(source)
    return made


def who(server: Server, name: str) -> int:
    answer = server.call("GET", f"/lab/{name}/who")
    answer.raise_for_status()
    return int(answer.json())


def test_a_worker_that_has_made_a_resource_keeps_it_when_others_are_exchanged(tmp_path: Path) -> None:
    with running(tmp_path / "data", environment={"HANSA_REST_S": "0.2"}) as server:
        for name, source in (("made", MADE), ("plain", PLAIN)):
            server.deploy(written(tmp_path, name, source), f"lab.{name}")
        made, plain = who(server, "made"), who(server, "plain")
        assert server.until(lambda: not Path(f"/proc/{plain}").exists())
        assert Path(f"/proc/{made}").exists()
        assert who(server, "made") == made
        assert who(server, "plain") != plain
