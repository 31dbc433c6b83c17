"""The parts that are measured alone: what voids one, how it is judged, and what is kept of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from benchmarks import __main__ as command
from benchmarks import flights, log, parts, records
from benchmarks.goals import PART_GOALS, AtLeast, Below, number, part_verdicts
from benchmarks.parts import PARTS
from benchmarks.processes import Watch, cpu_s, family, parents, pss_bytes
from benchmarks.server import NotReady

from hansa.eventlog.interface import Append, CommitSet, TopicConfig
from hansa.eventlog.memory import MemoryLog
from hansa.testing.log_bench import Bench


@pytest.mark.parametrize(("found", "met"), [(100_000.0, True), (99_999.0, False)])
def test_at_least_includes_its_bound(found: float, met: bool) -> None:
    verdict = AtLeast("records_per_s", 100_000, "records/s").judge({"records_per_s": found})
    assert verdict is not None
    assert verdict.met is met
    assert verdict.goal == "records_per_s: at least 100,000 records/s"


@pytest.mark.parametrize(("found", "met"), [(2.999, True), (3.0, False)])
def test_below_excludes_its_bound(found: float, met: bool) -> None:
    verdict = Below("load_s", 3, "s").judge({"load_s": found})
    assert verdict is not None
    assert verdict.met is met


def test_what_was_not_measured_is_not_judged() -> None:
    assert part_verdicts("log", {"gain": 9.0}) == [AtLeast("gain", 8, "times a single writer").judge({"gain": 9.0})]
    assert part_verdicts("nothing", {"gain": 9.0}) == []


def test_every_goal_is_of_a_part_that_there_is() -> None:
    assert PART_GOALS.keys() <= PARTS.keys()


@pytest.mark.parametrize(("value", "text"), [(0.12345, "0.123"), (99.96, "100"), (123456.7, "123,457")])
def test_figures_are_told_with_three_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    "failure", [ValueError("record 3 is wrong"), NotReady("it ended"), TimeoutError("not within 3 s")]
)
def test_a_wrong_answer_voids_a_part(failure: Exception) -> None:
    def measure(say: Any) -> dict[str, float]:
        raise failure

    found = measured("log", measure)
    assert not found.succeeded
    assert found.figures == {}
    assert str(failure) in str(found.failure)


def measured(part: str, measure: Any) -> parts.Measured:
    return parts.measured(part, measure, lambda _: None)


def test_a_part_succeeds_where_its_goals_are_met() -> None:
    assert measured("log", lambda _: {"entries_per_s": 1e6, "gain": 9.0}).succeeded
    assert not measured("log", lambda _: {"entries_per_s": 1e6, "gain": 7.0}).succeeded


def test_the_command_keeps_figures_goals_and_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "BENCH", tmp_path)
    monkeypatch.setitem(PARTS, "log", lambda _: {"entries_per_s": 5.0, "gain": 9.0})
    assert command.main(["log"]) == 1
    whole = json.loads((tmp_path / "results.json").read_text())
    assert set(whole["machine"]) >= {"cores", "python", "hansa", "sqlite"}
    (part,) = whole["parts"]
    assert part["figures"] == {"entries_per_s": 5.0, "gain": 9.0}
    assert [goal["met"] for goal in part["goals"]] == [False, True]
    monkeypatch.setitem(PARTS, "log", lambda _: {"entries_per_s": 5e5, "gain": 9.0})
    assert command.main(["log"]) == 0


def test_an_unknown_part_is_a_mistake_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["records", "recrods"])
    assert "'recrods'" in capsys.readouterr().err


# Processes


def test_a_family_is_all_that_came_from_its_root() -> None:
    assert family(1, {2: 1, 3: 2, 4: 3, 5: 9, 9: 8}) == [1, 2, 3, 4]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process with 64 MiB of its own that waits to be ended."""
    code = "import sys; held = b'x' * (64 << 20); print(flush=True); sys.stdin.read()"
    found = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert found.stdout is not None
    found.stdout.readline()
    with found:
        yield found
        found.kill()


def test_memory_and_time_of_a_process_are_read(child: subprocess.Popen[bytes]) -> None:
    assert parents()[child.pid] != 0
    assert 64 << 20 < pss_bytes(child.pid) < 128 << 20
    assert cpu_s(child.pid) > 0
    watch = Watch(child.pid)
    with watch.watching():
        pass
    assert watch.peak_bytes > 64 << 20
    assert watch.spent_s.keys() == {child.pid}


# Checks


def graded(reading: int, **change: Any) -> dict[str, Any]:
    """What the record of a reading is, made by the plain loop's functions, and changed."""
    made = list(records._readings(reading + 1))[reading]
    return msgspec.structs.asdict(records._graded(records._celsius(made))) | change


def test_records_are_compared_with_their_formula() -> None:
    for reading in range(300):
        records.check(reading, f"r{reading:07}", graded(reading))
    for wrong in ({"grade": "damp"}, {"temperature_c": 1.0}, {"sensor": "sensor-001"}):
        with pytest.raises(ValueError, match="record 0 is"):
            records.check(0, "r0000000", graded(0, **wrong))
    with pytest.raises(ValueError, match="record 0 is"):
        records.check(0, "r0000001", graded(0))


def test_the_rate_of_records_leaves_out_the_first_commit() -> None:
    assert records.Commits([(1_000_000, 500), (1_500_000, 1000), (2_000_000, 1000)]).per_s == 2000


def test_departures_are_compared_with_their_row() -> None:
    row = {
        "carrier": "UA", "flight": "15", "origin": "JFK", "year": "2013", "month": "1", "day": "2", "dest": "SFO",
        "distance": "99", "dep_delay": "-3", "arr_delay": "NA", "air_time": "7",
    }  # fmt: skip
    record = {
        "flight_id": "UA15-JFK-2013-01-02", "destination": "SFO", "distance_mi": 99, "delay_min": -3, "air_time_min": 7
    }  # fmt: skip
    flights._compare("UA15-JFK-2013-01-02", record, row)
    with pytest.raises(ValueError, match="instead of"):
        flights._compare("UA15-JFK-2013-01-02", {**record, "delay_min": 3}, row)


@pytest.fixture
def written() -> Iterator[MemoryLog]:
    """A log with two entries of writer 0 and one of writer 1."""
    bench = Bench(lambda clock_us: MemoryLog(clock_us=clock_us))
    bench.log.declare(log.TOPIC, TopicConfig())
    for writer, count in ((0, 0), (1, 0), (0, 1)):
        bench.write(CommitSet((Append(log.TOPIC, 0, 1, log.entry(writer, count), {}),)))
    assert isinstance(bench.log, MemoryLog)
    yield bench.log
    bench.log.stop()


def test_an_entry_has_a_kibibyte() -> None:
    assert abs(len(log.entry(63, 1_000_000)) - log.ENTRY_BYTES) < 16


def test_the_log_holds_what_was_acknowledged_and_no_more(written: MemoryLog) -> None:
    log.check(written, {0: 2, 1: 1})
    for wrong in ({0: 3, 1: 1}, {0: 1, 1: 1}):
        with pytest.raises(ValueError, match="were acknowledged"):
            log.check(written, wrong)


def test_an_entry_that_stands_twice_is_found(written: MemoryLog) -> None:
    bench_entry = Append(log.TOPIC, 0, 1, log.entry(1, 0), {})
    written.submit(CommitSet((bench_entry,)), None)
    written.stop()
    with pytest.raises(ValueError, match="is not what was written"):
        log.check(written, {0: 2, 1: 2})
