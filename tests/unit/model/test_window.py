"""The phase of a window: decided by its dates, its readers and the registry's word, and never going back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.model.window import Dates, Phase, Versions, contradictions, phase_of

DAYS = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=30 * n) for n in range(8)]
ORDER = [*Phase]
moments = st.none() | st.sampled_from(DAYS)


def dates(*given: datetime | None) -> Dates:
    """Dates in the order in which a contract has to have them."""
    there = iter(sorted(moment for moment in given if moment is not None))
    return Dates(*(None if moment is None else next(there) for moment in given))


windows = st.builds(
    lambda old, new, announced: Versions("a.b/c@1", "a.b/c@2", dates(*old), dates(*new), announced),
    st.tuples(st.none(), moments, moments),
    st.tuples(moments, moments, moments),
    st.booleans(),
).filter(lambda versions: not contradictions(versions))


@given(windows, st.sampled_from(DAYS), st.sampled_from(DAYS), st.sets(st.sampled_from("xy")), st.booleans())
def test_a_phase_never_goes_back_as_time_goes_on(
    versions: Versions, one: datetime, other: datetime, readers: set[str], retired: bool
) -> None:
    early, late = sorted((one, other))
    before = phase_of(versions, early, readers, retired=retired)
    assert ORDER.index(before) <= ORDER.index(phase_of(versions, late, readers, retired=retired))


@given(windows, st.sampled_from(DAYS))
def test_a_version_that_is_read_ends_only_by_being_retired(versions: Versions, now: datetime) -> None:
    assert phase_of(versions, now, ["reader"]) is not Phase.ENDED
    assert phase_of(versions, now, ["reader"], retired=True) is Phase.ENDED


@given(windows, st.sampled_from(DAYS))
def test_what_is_announced_is_deprecated_from_the_first_day_of_its_successor(versions: Versions, now: datetime) -> None:
    phase, since = phase_of(versions, now, ["reader"]), versions.newer_dates.general_availability
    if since is None or now >= since:
        assert phase.is_deprecated is versions.has_end
    elif phase is not Phase.ENDED_SUPPORT:
        assert phase is Phase.UPCOMING


def test_the_phases_of_a_window_follow_its_dates() -> None:
    versions = Versions("a.b/c@1", "a.b/c@2", Dates(None, DAYS[3], DAYS[5]), Dates(DAYS[1]))
    found = [phase_of(versions, day).value for day in DAYS]
    assert found == [
        "upcoming", "deprecated", "deprecated", "ended_support", "ended_support", "ended", "ended", "ended",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("older", "newer", "words"),
    [
        (Dates(end_of_life=DAYS[1]), Dates(DAYS[2]), "ends (2026-01-31) before a.b/c@2 is available (2026-03-02)"),
        (Dates(end_of_support=DAYS[1]), Dates(DAYS[2]), "is supported no more (2026-01-31) before"),
        (Dates(end_of_life=DAYS[4]), Dates(end_of_life=DAYS[3]), "a.b/c@2 ends (2026-04-01) before a.b/c@1 does"),
    ],
)
def test_dates_that_contradict_each_other_are_told(older: Dates, newer: Dates, words: str) -> None:
    (told,) = contradictions(Versions("a.b/c@1", "a.b/c@2", older, newer))
    assert words in told
