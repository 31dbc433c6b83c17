"""Readings in the formats of Prometheus, written by its own client library."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from hansa.model.histogram import Histogram
from hansa.observe.metric import DROPPED, METRICS, Metric, Reading

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family

SERIES_MAX: Final = 20_000
"""Sets of labels that one metric is told with; what is over is counted and left out."""
Source = Callable[[], Iterable[Reading]]


def exposed(sources: Iterable[Source], accept: str) -> tuple[bytes, str]:
    """What the sources say now, and its media type, as `accept` (of a scrape) asks for it. Takes tens of milliseconds
    where there is much; not for an event loop."""
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry()
    registry.register(_Collector(sources))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    encode, media = choose_encoder(accept)
    return encode(registry), media


class _Collector:
    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = sources

    def describe(self) -> Iterator[Family]:
        """Nothing: what there is, is known when it is collected."""
        return iter(())

    def collect(self) -> Iterator[Family]:
        told: defaultdict[Metric, list[Reading]] = defaultdict(list)
        for source in self._sources:
            for reading in source():
                told[reading.metric].append(reading)
        over = sum(max(len(readings) - SERIES_MAX, 0) for readings in told.values())
        told[DROPPED].append(Reading(DROPPED, (), over))
        return (_family(metric, told[metric][:SERIES_MAX]) for metric in METRICS)


def _family(metric: Metric, readings: list[Reading]) -> Family:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for _, labels, value in readings:
            assert isinstance(value, Histogram)
            histogram.add_metric(labels, _buckets(value), value.total)
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for _, labels, value in readings:
        assert not isinstance(value, Histogram)
        family.add_metric(labels, value)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Upper bound and how many values are not above it, the last for all."""
    bounds = [*map(str, histogram.bounds), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True))
