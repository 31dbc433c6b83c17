"""The parts of the benchmark on a small scale: they run, check what came out, and say something of all their goals."""

from __future__ import annotations

import pytest
from benchmarks import grown, log, records, registry
from benchmarks.goals import PART_GOALS, part_verdicts


def quiet(line: str) -> None:
    """Nobody waits for a test."""


def test_records_are_worked_and_checked() -> None:
    figures = records.measure(quiet, 5_000)
    assert figures["records"] == 5_000
    assert all(value > 0 for value in figures.values())
    assert len(part_verdicts("records", figures)) == len(PART_GOALS["records"])


def test_a_wrong_record_voids_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "FIRST_AT", records.FIRST_AT.replace(year=2025))
    with pytest.raises(ValueError, match="record 0 is"):
        records.measure(quiet, 2_000)


def test_the_log_is_written_and_read_back() -> None:
    figures = log.measure(quiet, rounds=2, seconds=0.1, writers=8)
    assert all(value > 0 for value in figures.values())
    assert len(part_verdicts("log", figures)) == len(PART_GOALS["log"])


def test_a_registry_is_filled_and_asked(postgresql_address: str) -> None:
    figures = registry.measure(quiet, 200, postgresql_address)
    assert all(value > 0 for value in figures.values())
    assert {name.partition("_")[0] for name in figures} == {"sqlite", "postgresql"}


def test_a_grown_mesh_is_made_and_asked() -> None:
    figures = grown.measure(quiet, 40)
    assert all(value > 0 for name, value in figures.items() if name != "files_rest_percent")
