"""`jsonsubschema` in a process of its own: pairs of schemas in, its verdicts out.

Its answers depend on the order of sets (the same pair is answered or refused by the seed of the hash), so the seed is
fixed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from typing import Any


def verdicts(pairs: list[tuple[Any, Any]]) -> list[bool | None]:
    """For each pair whether the first is a subschema of the second; None where the oracle has no answer."""
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, __file__]
    done = subprocess.run(command, input=json.dumps(pairs), capture_output=True, text=True, env=environment, check=True)
    found: list[bool | None] = json.loads(done.stdout)
    return found


def _verdict(old: Any, new: Any) -> bool | None:
    from jsonsubschema import isSubschema

    try:
        return bool(found) if (found := isSubschema(old, new)) is not None else None
    except Exception:
        return None


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps([_verdict(old, new) for old, new in json.load(sys.stdin)]))
