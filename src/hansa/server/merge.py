"""One answer out of several runs, and the encapsulated form of an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from hansa.runtime.run import Answer

Named = tuple[str, Answer]


def merged(named: list[Named]) -> tuple[int, Any]:
    """The gravest status, and the results in one value. Objects are merged key by key; what clashes is kept whole under
    the names of its processes, so that nothing is lost."""
    status = max(answer.status for _, answer in named)
    results = [(name, _value(answer)) for name, answer in named]
    if len(results) == 1:
        return status, results[0][1]
    if not all(isinstance(value, dict) for _, value in results):
        return status, dict(results)
    found: dict[str, Any] = {}
    for key in dict.fromkeys(key for _, value in results for key in value):
        having = {name: value[key] for name, value in results if key in value}
        values = list(having.values())
        found[key] = values[0] if all(_same(value, values[0]) for value in values) else having
    return status, found


def _same(left: Any, right: Any) -> bool:
    """True where the two are the same in JSON: `1` and `true` are not."""
    return bool(msgspec.json.encode(left) == msgspec.json.encode(right))


def _value(answer: Answer) -> Any:
    if answer.result and "json" in answer.content_type:
        return msgspec.json.decode(answer.result)
    if answer.error is not None:
        return {"error": msgspec.to_builtins(answer.error)}
    return answer.result.decode("utf-8", "replace") if answer.result else None


def encapsulated(status: int, value: Any, answers: list[Answer], trigger: str) -> dict[str, Any]:
    """The result with what is known of its runs: `_status`, `_metadata`, `data`."""
    return {
        "_status": status,
        "_metadata": {
            "run": answers[0].run,
            "runs": [answer.run for answer in answers],
            "trigger": trigger,
            "state": "succeeded" if all(answer.state == "succeeded" for answer in answers) else "failed",
            "accepted_at": rfc3339(min(answer.accepted_us for answer in answers)),
            "finished_at": rfc3339(max(answer.finished_us for answer in answers)),
            "errors": [
                {"run": answer.run, **msgspec.to_builtins(answer.error)}
                for answer in answers
                if answer.error is not None
            ],
        },
        "data": value,
    }


def rfc3339(time_us: int) -> str:
    """Microseconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat().replace("+00:00", "Z")
