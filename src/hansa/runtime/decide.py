"""What becomes of a run after an attempt, decided without a clock or a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

import msgspec

from hansa.model.product import RetryPolicy
from hansa.model.run import RunState
from hansa.runtime import wire

_decode_step = msgspec.msgpack.Decoder(wire.Step).decode


@dataclass(frozen=True, slots=True)
class Next:
    """`state` is the run's; `retry_s` is set where another attempt follows after so many seconds; `dead` where the run
    failed for good and can be mended and replayed."""

    state: RunState
    retry_s: float | None = None
    dead: bool = False


Ending = Literal["succeeded", "failed", "crashed", "timed_out", "cancelled", "overstepped"]


def after_attempt(ending: Ending, attempt: int, policy: RetryPolicy, *, can_retry: bool = True) -> Next:
    """The n-th attempt (1 is the first) ended so. A success and a cancellation are final; a Problem (`can_retry` False)
    and an answer beyond the process's rights are never tried again; everything else is, until the policy's attempts
    are used up."""
    if ending == "succeeded":
        return Next(RunState.SUCCEEDED)
    if ending == "cancelled":
        return Next(RunState.CANCELLED)
    if can_retry and ending != "overstepped" and attempt < policy.attempts:
        return Next(RunState.ACCEPTED, retry_s=delay_s(attempt, policy))
    return Next(RunState.TIMED_OUT if ending == "timed_out" else RunState.FAILED, dead=True)


def delay_s(attempt: int, policy: RetryPolicy) -> float:
    """Seconds to wait after the given attempt failed."""
    try:
        return min(policy.delay_s * policy.factor ** (attempt - 1), policy.delay_max_s)
    except OverflowError:
        return policy.delay_max_s


def before_state(journalled: Mapping[int, bytes]) -> dict[int, bytes]:
    """The journalled steps before the first that knew the state of the process, or took a value that must be unique:
    they stand, whatever moved."""
    return dict(takewhile(lambda item: _stands(item[1]), sorted(journalled.items())))


def _stands(journalled: bytes) -> bool:
    step = _decode_step(journalled)
    return not step.read and not step.taken
