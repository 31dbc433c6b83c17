"""The chart of Hansa as Helm renders it, judged in an environment of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from strangers import stranger

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "hansa"
VALUES = ROOT / "deploy" / "helm" / "values"
TOOLS = (
    "helm-python-sdk==0.2.2",
    "kubernetes-validate==1.37.0",
    "PyYAML==6.0.3",
    "jsonschema==4.26.0",
    "packaging",
)
"""Helm 4 as a library, and the schemas of Kubernetes. The command `helm` itself takes minutes to build."""
KUBERNETES = ("1.30", "1.37")
"""The oldest that the chart takes, and the newest that there is a schema of."""

Render = Callable[..., dict[str, Any]]


@contextlib.contextmanager
def renderer() -> Iterator[Render]:
    """`render("production", nodes=…, version=…)`: what Helm makes of values files, with further values over them."""
    python = stranger(*TOOLS) / "python"
    with subprocess.Popen(
        [python, Path(__file__).with_name("chart_renderer.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as helm:

        def ask(*names: str, version: str = KUBERNETES[-1], **values: Any) -> dict[str, Any]:
            files = [str(VALUES / f"{name}.yaml") for name in names]
            asked = {"chart": str(CHART), "files": files, "values": values, "version": version}
            assert helm.stdin is not None
            assert helm.stdout is not None
            helm.stdin.write(json.dumps(asked) + "\n")
            helm.stdin.flush()
            told: dict[str, Any] = json.loads(helm.stdout.readline())
            return told

        yield ask
        assert helm.stdin is not None
        helm.stdin.close()
