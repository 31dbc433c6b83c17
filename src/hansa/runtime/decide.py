"""What becomes of a run after an attempt, decided without a clock or a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hansa.model.product import RetryPolicy
from hansa.model.run import RunState


@dataclass(frozen=True, slots=True)
class Next:
    """`state` is the run's; `retry_s` is set where another attempt follows after so many seconds; `dead` where the run
    failed for good and can be mended and replayed."""

    state: RunState
    retry_s: float | None = None
    dead: bool = False


Ending = Literal["succeeded", "failed", "crashed", "timed_out", "cancelled"]


def after_attempt(ending: Ending, attempt: int, policy: RetryPolicy, *, can_retry: bool = True) -> Next:
    """The n-th attempt (1 is the first) ended so. A success and a cancellation are final; a Problem (`can_retry` False)
    is never tried again; everything else is, until the policy's attempts are used up."""
    if ending == "succeeded":
        return Next(RunState.SUCCEEDED)
    if ending == "cancelled":
        return Next(RunState.CANCELLED)
    if can_retry and attempt < policy.attempts:
        return Next(RunState.ACCEPTED, retry_s=delay_s(attempt, policy))
    return Next(RunState.TIMED_OUT if ending == "timed_out" else RunState.FAILED, dead=True)


def delay_s(attempt: int, policy: RetryPolicy) -> float:
    """Seconds to wait after the given attempt failed."""
    try:
        return min(policy.delay_s * policy.factor ** (attempt - 1), policy.delay_max_s)
    except OverflowError:
        return policy.delay_max_s
