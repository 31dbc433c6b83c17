"""What callers were answered since the server began, in numbers."""

from __future__ import annotations

from collections import Counter, defaultdict


class CallTally:
    """Answers by method, route and status. Belongs to one event loop; read by any thread."""

    def __init__(self) -> None:
        self._answers: defaultdict[tuple[str, str], defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))

    def of(self, method: str, route: str) -> defaultdict[int, int]:
        """Where the answers of a route are counted, by status. `route` is the path as it was declared; empty where
        there was none."""
        return self._answers[method, route]

    @property
    def answers(self) -> list[tuple[tuple[str, str, str], int]]:
        """(method, route, class such as `2xx`) and how many."""
        found: Counter[tuple[str, str, str]] = Counter()
        for (method, route), statuses in list(self._answers.items()):
            for status, count in list(statuses.items()):
                found[method, route, f"{status // 100}xx"] += count
        return list(found.items())
