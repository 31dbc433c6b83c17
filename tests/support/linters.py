"""The linters of the standards, and how they are asked."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Linters:
    """`datacontract` and `dataproduct`, each with its own environment; the latter asks the former about contracts."""

    datacontract: Path
    dataproduct: Path

    def contract(self, file: Path) -> list[str]:
        """What `datacontract lint` finds wrong in a file; nothing where it passes."""
        return self._lint([self.datacontract / "datacontract", "lint", "--no-inline-references"], file)

    def product(self, file: Path) -> list[str]:
        """What `dataproduct lint` finds wrong in a file and in the contracts below its folder; a contract that it does
        not find is no failure to it, and is one here."""
        return self._lint([self.dataproduct / "dataproduct", "lint", "--local-references", "--all-errors"], file)

    def _lint(self, command: list[Any], file: Path) -> list[str]:
        result = file.parent / f".{file.name}.lint.json"
        path = f"{self.datacontract}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [*command, "--output", result, "--output-format", "json", file.name],
            cwd=file.parent, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.exists(), f"{command[1]} told nothing: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        told = json.loads(result.read_text())
        result.unlink()
        wrong = [f"{c['name']}: {c.get('reason')}" for c in told["checks"] if c["result"] != "passed"]
        assert done.returncode == 0 or wrong, f"refused without a reason: {done.stdout[-2000:]}"
        return wrong
