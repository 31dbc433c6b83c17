"""Who writes to a log: decides sets by a `Plan`, has it stored, and tells the outcomes in one notice.

`Committer` does it for the sets it is given. `GroupCommit` is the thread that gives them: adaptive group commit without
a timer. While one transaction is flushed, the next one gathers.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from hansa.errors import HansaError, InternalError, OperatorError, Unavailable
from hansa.eventlog.interface import CommitSet, Committed, Outcome, Refused
from hansa.eventlog.plan import Plan

SETS_MAX: Final = 512
"""Commit sets in one transaction."""
BYTES_MAX: Final = 8 << 20
"""Bytes of entries in one transaction, as far as they are known when it is drained."""

Work = list[tuple[CommitSet, Any]]
Notice = list[tuple[Any, Outcome]]
_report = logging.getLogger("hansa.eventlog")


Decided = list[tuple[Any, tuple[int, ...] | Refused]]
"""(ticket, bases or refusal) of the sets of one transaction."""


class Replies:
    """What a transaction keeps of the outcomes of its sets; nothing, unless somebody may ask for them again."""

    def puts(self, decided: Decided) -> Mapping[tuple[str, str], bytes]:
        """State to be written in the transaction."""
        del decided
        return {}

    def stored(self, decided: Decided) -> None:
        """The transaction is durable."""


class Committer:
    """Commits sets and tells `on_outcomes`.

    `planned` opens a plan over what is stored and stores it when its block ends: whole and durable, or not at all. What
    it raises decides: an `OperatorError` is the storage's and the outcome of all sets; any other error comes from one
    of the sets, so each is tried alone and only that one fails. `now` gives the token of all that is stored.
    """

    def __init__(
        self,
        planned: Callable[[], AbstractContextManager[Plan]],
        now: Callable[[], str],
        replies: Replies | None = None,
    ) -> None:
        self._planned = planned
        self._now = now
        self._replies = replies or Replies()
        self.on_outcomes: Callable[[Notice], None] = lambda _: None

    def commit(self, work: Work) -> None:
        """Decides, stores, tells. Raises nothing: an error is an outcome, and one of `on_outcomes` is reported."""
        notice = self._outcomes(work)
        try:
            self.on_outcomes(notice)
        except Exception:
            _report.exception("an acknowledgement could not be delivered")

    def _outcomes(self, work: Work) -> Notice:
        try:
            with self._planned() as plan:
                decided: Decided = [(ticket, plan.admit(commit)) for commit, ticket in work]
                plan.puts.update(self._replies.puts(decided))
        except OperatorError as failure:
            return [(ticket, copied(failure)) for _, ticket in work]
        except Exception as failure:
            if len(work) > 1:
                return [told for item in work for told in self._outcomes([item])]
            return [(work[0][1], failure if isinstance(failure, HansaError) else malformed(failure))]
        self._replies.stored(decided)
        token = self._now()
        return [(ticket, end if isinstance(end, Refused) else Committed(end, token)) for ticket, end in decided]


class GroupCommit:
    """A thread that takes all sets that wait and gives them to `commit`, again and again."""

    def __init__(self, commit: Callable[[Work], None]) -> None:
        self._commit = commit
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="hansa-committer", daemon=True)
        self._stopped = False
        self._ending = threading.Lock()
        """Nothing is queued behind the end."""

    def start(self) -> None:
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Queues sets; raises `Unavailable("log.stopped")` after `stop`."""
        with self._ending:
            if self._stopped:
                raise stopped("it was closed")
            self._queue.put(work)

    def stop(self) -> None:
        """Ends the thread when what was submitted before is committed."""
        with self._ending:
            self._stopped = True
            self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        running = True
        while running:
            work, running = self._drain()
            if work:
                self._commit(work)

    def _drain(self) -> tuple[Work, bool]:
        """All that waits, at least one set; False where the end was asked for."""
        work: Work = []
        size = 0
        item = self._queue.get()
        while item is not None:
            work += item
            for commit, _ in item:
                for append in commit.appends:
                    size += len(append.entries)
            if len(work) >= SETS_MAX or size >= BYTES_MAX:
                return work, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return work, True
        return work, False


def stopped(reason: object) -> Unavailable:
    """The error of every commit after the log stopped because of `reason`."""
    return Unavailable(
        "log.stopped",
        f"The log takes no more commits: {reason}",
        hint="Reading goes on. Mend or replace the disk, then start Hansa again; `hansa doctor` says what is wrong.",
    )


def malformed(failure: Exception) -> InternalError:
    """The error of a set that no log can store; the sets beside it are not touched."""
    return InternalError(
        "commit.malformed",
        f"The commit set cannot be stored: {type(failure).__name__}: {failure}",
        hint="Nothing of it was written. Report this with the text above: what made the set is at fault.",
    )


def copied(failure: HansaError) -> HansaError:
    """An exception of one's own for every ticket: raising one shared by many would mix their tracebacks."""
    return type(failure)(failure.code, failure.message, hint=failure.hint, details=failure.details)
