"""The metrics of the table as live Prometheus collectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from service.metric_table import METRICS, PREFIX, AnyMetric, CounterMetric, GaugeMetric, HistogramMetric


def build_registry() -> CollectorRegistry:
    """Return a registry of our own with figures of the process (memory, CPU, file handles)."""
    # Otherwise every counter and histogram gets a second series with the time it was made.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


class Instruments:
    """Moves the metrics of the table for one service.

    Thread-safe. Labels are given by name, without ``service``. Series whose labels have known values
    exist from the start at zero, so that a rate is right at the first event.
    """

    def __init__(self, service: str, *, registry: CollectorRegistry, metrics: Sequence[AnyMetric] = METRICS) -> None:
        """Register every metric of the table."""
        self._service = service
        self._counters: dict[CounterMetric, Counter] = {}
        self._gauges: dict[GaugeMetric, Gauge] = {}
        self._histograms: dict[HistogramMetric, Histogram] = {}
        for metric in metrics:
            self._register(metric, registry)

    def _register(self, metric: AnyMetric, registry: CollectorRegistry) -> None:
        name, names = PREFIX + metric.name, metric.label_names
        match metric:
            case CounterMetric():
                counter = self._counters[metric] = Counter(name, metric.meaning, names, registry=registry)
                if len(metric.labels) == 1:
                    for value in metric.labels[0].values:
                        counter.labels(self._service, value)
                elif not metric.labels:
                    counter.labels(self._service)
            case GaugeMetric():
                self._gauges[metric] = Gauge(name, metric.meaning, names, registry=registry)
            case HistogramMetric():
                self._histograms[metric] = Histogram(
                    name, metric.meaning, names, registry=registry, buckets=metric.buckets
                )

    def add(self, metric: CounterMetric, count: float, **labels: str) -> None:
        """Add to a counter."""
        self._counters[metric].labels(service=self._service, **labels).inc(count)

    def set(self, metric: GaugeMetric, value: float, **labels: str) -> None:
        """Set a gauge."""
        self._gauges[metric].labels(service=self._service, **labels).set(value)

    def follow(self, metric: GaugeMetric, function: Callable[[], float], **labels: str) -> None:
        """Let a gauge call ``function`` whenever it is read."""
        self._gauges[metric].labels(service=self._service, **labels).set_function(function)

    def observe(self, metric: HistogramMetric, values: Sequence[float], **labels: str) -> None:
        """Add values to a distribution."""
        histogram = self._histograms[metric].labels(service=self._service, **labels)
        for value in values:
            histogram.observe(value)

    def remove(self, metric: CounterMetric | GaugeMetric, **labels: str) -> None:
        """Remove every series of a metric that has these labels, if there is any."""
        collector = self._gauges[metric] if isinstance(metric, GaugeMetric) else self._counters[metric]
        collector.remove_by_labels({"service": self._service, **labels})
