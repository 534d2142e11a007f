from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from buffer.table import TableName
from consumer.source import PartitionStatus
from producer.records import TopicPartition
from service.buffering_metrics import PrometheusBufferingTelemetry
from service.metric_table import BUFFERING_METRICS, SCORING_METRICS, CounterMetric

P0 = TopicPartition("fraud.labels", 0)


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return an empty registry."""
    return CollectorRegistry()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """Return a sample."""
    return registry.get_sample_value(f"tidemill_{name}", {"service": "fraud", **labels})


def test_buffering_counts_labels_and_what_is_left_out(registry: CollectorRegistry) -> None:
    """An inline label that is none is counted beside its event, which is a record once."""
    telemetry = PrometheusBufferingTelemetry("fraud", registry)
    telemetry.records_taken("f", table=TableName.FEATURES, outcomes={"accepted": 5, "left_out": 2, "refused": 1})
    telemetry.records_taken("l", table=TableName.LABELS, outcomes={"accepted": 3, "retracted": 1, "refused": 4})
    counted = [value(registry, "labels_total", outcome=o) for o in ("accepted", "retracted", "refused")]
    assert counted == [3, 1, 5]
    assert value(registry, "buffer_left_out_total", table="features") == 2
    assert [value(registry, "records_consumed_total", topic=t) for t in ("f", "l")] == [7, 8]


def test_buffering_counts_rows_only_when_they_are_committed(registry: CollectorRegistry) -> None:
    """An append that failed shows as such, with no rows and no time."""
    telemetry = PrometheusBufferingTelemetry("fraud", registry)
    telemetry.flushed(TableName.SCORES, "unavailable", rows=0, seconds=9.0, detail="disk full")
    telemetry.flushed(TableName.SCORES, "committed", rows=70, seconds=0.5)
    assert value(registry, "buffer_rows_total", table="scores") == 70
    assert value(registry, "buffer_flush_seconds_sum", table="scores") == 0.5
    assert value(registry, "buffer_flushes_total", table="scores", outcome="unavailable") == 1


def test_buffering_lag_counts_what_was_read_and_is_not_stored(registry: CollectorRegistry) -> None:
    """The marker at the end is no lag; rows in memory are; series of a partition go with it."""
    telemetry = PrometheusBufferingTelemetry("fraud", registry)
    status = PartitionStatus(
        P0, fetch_offset=11, delivered_offset=10, committed_offset=4, stable_offset=11, end_offset=11
    )
    for _look in range(2):
        telemetry.partitions([status], behind={P0: 6}, stalled=(), blocked=())
    lag = [value(registry, name, topic=P0.topic, partition="0") for name in ("lag_records", "buffer_lag_records")]
    assert lag == [0, 6]
    telemetry.rebalanced("revoked", [P0])
    assert value(registry, "buffer_lag_records", topic=P0.topic, partition="0") is None


def test_buffering_and_scoring_show_reading_under_the_same_names() -> None:
    """One dashboard serves both; nothing that only scores has series of the buffer."""
    shared = {metric.name for metric in SCORING_METRICS} & {metric.name for metric in BUFFERING_METRICS}
    assert {"lag_records", "partition_stalled", "rebalances_total", "waiting"} <= shared
    assert not [m.name for m in SCORING_METRICS if isinstance(m, CounterMetric) and m.name.startswith("buffer")]
