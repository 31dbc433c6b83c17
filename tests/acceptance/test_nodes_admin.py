"""Nodes that start at once have one administrator's token, and one of them shows it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from nodes import Engines

START_S = 40.0


class Up:
    """`hansa up`, as people start it."""

    def __init__(self, folder: Path, name: str, environment: dict[str, str]) -> None:
        self.data, self.output = folder / name, folder / f"{name}.out"
        program = str(Path(sys.executable).with_name("hansa"))
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [program, "up", "--data", str(self.data), "--port", "0"], stdout=out, stderr=out,
                env={**os.environ, **environment, "HANSA_NODE": name},
            )  # fmt: skip

    def told(self) -> dict[str, Any]:
        """Its `client.json`, once it answers."""
        end = time.monotonic() + START_S
        while "The admin's token" not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < end, self.output.read_text()
            time.sleep(0.05)
        return json.loads((self.data / "client.json").read_text())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def test_two_nodes_that_start_at_once_have_one_token_and_it_is_shown_once(
    kafka_address: str, postgresql_address: str, s3_address: str, tmp_path: Path
) -> None:
    environment = Engines(kafka_address, postgresql_address, s3_address).environment()
    with contextlib.ExitStack() as ended:
        nodes = [Up(tmp_path, name, environment) for name in ("a", "b")]
        for node in nodes:
            ended.callback(node.stop)
        told = [node.told() for node in nodes]
        token = told[0]["token"]
        assert told[1]["token"] == token
        for one in told:
            bearer = {"authorization": f"Bearer {token}"}
            issued = httpx.get(f"{one['url']}/tokens", headers=bearer, timeout=30)
            assert len(issued.raise_for_status().json()["items"]) == 1
        outputs = [node.output.read_text() for node in nodes]
        assert sorted(token in output for output in outputs) == [False, True]
        assert any("it stands in" in output for output in outputs)
