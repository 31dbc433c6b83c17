"""What is wrong with a product's files, said so that its author can act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from hansa.errors import PlanError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that keeps a product from being deployed. `file` is relative to its folder; `line` 0 means the whole
    file."""

    code: str
    message: str
    hint: str | None = None
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """`file:line`, as far as it is known."""
        return f"{self.file}:{self.line}" if self.line else self.file


def plan_error(findings: Sequence[Finding]) -> PlanError:
    """All findings as one error; its code, message and hint are those of the first."""
    first = findings[0]
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    place = f"{first.place}: " if first.place else ""
    return PlanError(
        first.code,
        f"{place}{first.message}{more}",
        hint=first.hint,
        details={"findings": [asdict(finding) for finding in findings]},
    )
