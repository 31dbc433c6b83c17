"""Lints a chart, renders it and validates what came of it against the schemas of Kubernetes; runs where Helm's library
and those schemas are installed. Takes requests as lines of JSON, answers each with one."""

from __future__ import annotations

import functools
import json
import sys
from typing import Any

import kubernetes_validate
import yaml
from helm_python import chart

RELEASE, NAMESPACE = "hansa", "mesh"
_DEFINED_ELSEWHERE = ("keda.sh", "gateway.networking.k8s.io", "monitoring.coreos.com")
"""Groups whose schemas come with who serves them, not with Kubernetes."""


def answer(folder: str, values: dict[str, Any], version: str) -> dict[str, Any]:
    """The findings of lint, the objects, and which of them a schema of Kubernetes `version` judged; or the error."""
    lint = chart.lint(folder, values, strict=True, namespace=NAMESPACE, kube_version=f"v{version}.0")
    findings = [told["error"] for told in lint["messages"] if told["severity"] > 1] + lint["errors"]
    try:
        files = chart.Chart.load(folder).render(values, name=RELEASE, namespace=NAMESPACE)
    except Exception as refused:
        return {"findings": findings, "refused": str(refused)}
    notes = next(text for name, text in files.items() if name.endswith("NOTES.txt"))
    manifests = [text for name, text in files.items() if name.endswith(".yaml")]
    objects = [made for text in manifests for made in yaml.safe_load_all(text) if made]
    judged = [made["kind"] for made in objects if _judged(made, version)]
    return {"findings": findings, "objects": objects, "judged": judged, "notes": notes}


def _judged(made: dict[str, Any], version: str) -> bool:
    """Raises where an object is not what Kubernetes takes, a field it does not know included."""
    if made["apiVersion"].partition("/")[0] in _DEFINED_ELSEWHERE:
        return False
    kubernetes_validate.validate(made, version, strict=True)
    return True


@functools.cache
def _values(file: str) -> Any:
    with open(file, encoding="utf-8") as text:
        return yaml.safe_load(text)


def merged(under: Any, over: Any) -> Any:
    """Values over values, as Helm lays one file over another."""
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    return under | {name: merged(under.get(name), value) for name, value in over.items()}


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        values = functools.reduce(merged, [*map(_values, asked["files"]), asked["values"]], {})
        try:
            told = answer(asked["chart"], values, asked["version"])
        except Exception as failure:
            told = {"findings": [f"{type(failure).__name__}: {failure}"], "objects": [], "judged": [], "notes": ""}
        print(json.dumps(told, default=str), flush=True)


if __name__ == "__main__":
    main()
