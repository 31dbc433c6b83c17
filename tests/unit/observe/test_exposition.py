"""Readings as Prometheus reads them."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hansa.model.histogram import Histogram
from hansa.observe import exposition
from hansa.observe import metric as m
from hansa.observe.exposition import exposed
from hansa.observe.metric import METRICS, Reading


def samples(*readings: Reading) -> dict[tuple[str, tuple[str, ...]], float]:
    """By name and the values of labels, in the order of the labels' names."""
    text = exposed([lambda: readings], "")[0].decode()
    families = text_string_to_metric_families(text)
    return {
        (s.name, tuple(text for _, text in sorted(s.labels.items()))): s.value
        for family in families
        for s in family.samples
    }


def test_a_histogram_is_told_with_what_is_not_above_each_bound() -> None:
    took = Histogram((0.1, 1.0))
    for value in (0.05, 0.5, 0.6, 7.0):
        took.add(value)
    found = samples(Reading(m.RUN_DURATION, ("d.p", "x"), took))
    buckets = [found["hansa_run_duration_seconds_bucket", (le, "x", "d.p")] for le in ("0.1", "1.0", "+Inf")]
    assert buckets == [1, 3, 4]
    assert found["hansa_run_duration_seconds_count", ("x", "d.p")] == 4
    assert found["hansa_run_duration_seconds_sum", ("x", "d.p")] == pytest.approx(8.15)


def test_a_label_may_be_any_text() -> None:
    route = '/a\\b"c\nd'
    assert samples(Reading(m.CALLS, ("GET", route, "2xx"), 3))["hansa_calls_total", ("GET", route, "2xx")] == 3


def test_what_is_over_the_limit_is_counted_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "SERIES_MAX", 2)
    found = samples(*(Reading(m.QUEUE, (name,), 1) for name in "abcde"))
    assert sum(1 for name, _ in found if name == "hansa_queue_runs") == 2
    assert found["hansa_metrics_dropped_series", ()] == 3


def test_metrics_are_named_as_their_kind_wants() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("hansa_")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help[0].isupper() or metric.help[0].isdigit()
        assert not metric.help.endswith(".")
