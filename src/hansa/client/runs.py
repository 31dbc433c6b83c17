"""Processes, their runs and what runs print."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from hansa.client.transport import Answer, Transport


class Started(msgspec.Struct, frozen=True):
    """A run that was started: `result` is None until it has finished."""

    run: str
    finished: bool
    status: int = 202
    result: Any = None


class Processes:
    """`/processes`: start them by hand."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def all(self) -> list[dict[str, Any]]:
        """Every process, by id."""
        return self._transport.items("/processes")

    def run(
        self,
        process: str,
        payload: Any = None,
        *,
        wait_s: float = 15.0,
        only: str | None = None,
        dry: bool = False,
        from_run: str | None = None,
        key: str | None = None,
    ) -> Started:
        """Starts `domain.product:process` and waits up to `wait_s` seconds for its result.

        `only` runs that one logic alone; `from_run` takes the payload of a past run; `dry` commits nothing. Two calls
        with the same idempotency `key` are one run. Raises the error that the run failed with.
        """
        query = {"wait_s": wait_s, "only": only, "dry": dry or None, "from_run": from_run}
        body = None if payload is None else msgspec.json.encode(payload)
        headers = {"idempotency-key": key} if key else {}
        path = f"/processes/{process}/runs"
        answer = self._transport.send("POST", path, query, body=body, headers=headers, timeout_s=wait_s + 30)
        return started(answer)


class Runs:
    """`/runs`: the history, one run, and what can be done with it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def find(self, **query: Any) -> dict[str, Any]:
        """`{items, next}`, newest first. `query`: product, process, state, trigger, since, until, text, dead, limit,
        after (the `next` of the page before)."""
        return self._transport.get("/runs", query)

    def get(self, run: str) -> dict[str, Any]:
        """All of one run: payload, result, logic, output, reads, writes, parent, children."""
        return self._transport.get(f"/runs/{run}")

    def result(self, run: str) -> Started:
        """The result as far as it is there; raises the error that the run failed with."""
        return started(self._transport.send("GET", f"/runs/{run}/result"), run)

    def cancel(self, run: str) -> dict[str, Any]:
        """Ends the run; nothing of it is committed."""
        return self._transport.post(f"/runs/{run}/cancel")

    def replay(self, run: str, *, publish: bool = False, wait_s: float = 15.0) -> Started:
        """Runs it again: a dead letter as a new attempt, a run that succeeded as a new one, dry unless `publish`."""
        path, body = f"/runs/{run}/replay", {"publish": publish}
        return started(self._transport.send("POST", path, {"wait_s": wait_s}, body=body, timeout_s=wait_s + 30), run)

    def dead_letters(self) -> list[dict[str, Any]]:
        """The runs that failed for good and wait to be mended."""
        return self._transport.items("/dead_letters")

    def output(
        self, *, product: str | None = None, run: str | None = None, follow: bool = False
    ) -> Iterator[dict[str, Any]]:
        """What runs printed, as `{run, process, state, text}`; with `follow` what they will print, without end."""
        query = {"product": product, "run": run, "follow": follow or None}
        for event in self._transport.events("/output", query):
            if event.event == "output":
                yield msgspec.json.decode(event.data)


def started(answer: Answer, run: str = "") -> Started:
    """What an answer of 200 (finished) or 202 says of a run."""
    value = answer.value()
    run = answer.headers.get("hansa-run") or run
    if answer.status == 202:
        return Started(value.get("run", run) if isinstance(value, dict) else run, finished=False)
    return Started(run, finished=True, status=answer.status, result=value)
