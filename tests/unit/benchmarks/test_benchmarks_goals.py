"""How a run is judged."""

import pytest
from benchmarks.goals import GOALS, LatencyLimit, LatencyRatio, RateRatio, Summary, verdicts
from benchmarks.load import Result
from benchmarks.report import Report, as_plain


def summary(*, p50_ms: float = 1.0, calls_per_s: float = 100.0, void: bool = False) -> Summary:
    return Summary(calls_per_s=calls_per_s, p50_ms=p50_ms, p99_ms=p50_ms, void=void)


def result(calls_per_s: float, *, errors: int = 0, connections: int = 1) -> Result:
    return Result(connections, 10, errors, 1.0, calls_per_s, 1.0, 1.0, 1.0, 1.0, 0.1)


def test_a_summary_is_the_median_of_the_repeats() -> None:
    assert Summary.of([result(10), result(1000), result(30)]).calls_per_s == 30


def test_one_error_in_one_repeat_voids_the_summary() -> None:
    assert Summary.of([result(10), result(20, errors=1)]).void
    assert not Summary.of([result(10), result(20)]).void


def test_a_run_that_answered_nothing_is_void() -> None:
    assert not Result(1, 0, 0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1).valid


@pytest.mark.parametrize(("p50_ms", "met"), [(1.0, True), (1.01, False)])
def test_a_latency_ratio_compares_single_callers(p50_ms: float, met: bool) -> None:
    measured = {("a", 1): summary(p50_ms=p50_ms), ("b", 1): summary(p50_ms=5.0)}
    verdict = LatencyRatio("a", "b", at_most=1 / 5).judge(measured)
    assert verdict is not None
    assert verdict.met is met
    assert "5.000 ms" in verdict.found


@pytest.mark.parametrize(("calls_per_s", "met"), [(1000.0, True), (999.0, False)])
def test_a_rate_ratio_compares_64_callers(calls_per_s: float, met: bool) -> None:
    measured = {("a", 64): summary(calls_per_s=calls_per_s), ("b", 64): summary(calls_per_s=100.0)}
    verdict = RateRatio("a", "b", at_least=10).judge(measured)
    assert verdict is not None
    assert verdict.met is met


@pytest.mark.parametrize(("p50_ms", "met"), [(0.99, True), (1.0, False)])
def test_a_latency_limit_is_not_reached(p50_ms: float, met: bool) -> None:
    verdict = LatencyLimit("a", below_ms=1.0).judge({("a", 1): summary(p50_ms=p50_ms)})
    assert verdict is not None
    assert verdict.met is met


@pytest.mark.parametrize("base", [None, summary(void=True)])
def test_what_was_not_measured_or_is_void_is_not_judged(base: Summary | None) -> None:
    measured = {("a", 64): summary()} | ({("b", 64): base} if base else {})
    assert RateRatio("a", "b", at_least=1).judge(measured) is None


def test_all_goals_can_be_judged_when_everybody_took_part() -> None:
    names = ("hansa", "hansa-step", "hansa-none", "restate", "dbos", "functions-framework", "echo")
    measured = {(name, connections): summary() for name in names for connections in (1, 64)}
    assert len(verdicts(measured)) == len(GOALS)


def test_a_report_fails_by_an_error_and_by_an_absence() -> None:
    report = Report(versions={"echo": "1"}, durability={"echo": "none"})
    report.add("echo", result(10))
    assert report.succeeded
    report.absent["dbos"] = "No PostgreSQL"
    assert not report.succeeded
    report.absent.clear()
    report.add("echo", result(10, errors=1))
    assert not report.succeeded


def test_the_result_has_every_run_of_each_contender() -> None:
    report = Report(versions={"echo": "1"}, durability={"echo": "none"})
    for calls_per_s in (10.0, 20.0):
        report.add("echo", result(calls_per_s))
    (contender,) = as_plain(report, {"repeats": 2})["contenders"]
    (measure,) = contender["measures"]
    assert [run["calls_per_s"] for run in measure["runs"]] == [10.0, 20.0]
    assert measure["median"]["calls_per_s"] == 15.0
