from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from features.rejection import Reason
from models.champion import LiveModel
from producer.records import TopicPartition
from service.fan_out import FanOutTelemetry, ServiceTelemetry
from service.metrics import PrometheusTelemetry
from service.stream_stats import StreamStats

LIVE = cast("LiveModel", SimpleNamespace(version="v1"))
FACTS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "records_consumed": (("payments", 3), {}),
    "records_scored": ((3,), {"version": "v1", "role": "champion", "sample": [0.5]}),
    "dead_lettered": ((Reason.EMPTY, 1), {}),
    "batch_done": ((4,), {"stages": {"score": 0.1}, "end_to_end": [0.2]}),
    "transaction": (("aborted", "stale generation"), {}),
    "rebalanced": (("assigned", [TopicPartition("payments", 0)]), {}),
    "partitions": (([],), {"stalled": [], "blocked": []}),
    "model_unusable": (("v1", "raises"), {}),
    "waiting": (("no_champion",), {}),
    "model_swapped": ((None, LIVE), {}),
    "model_load_failed": (("v2", "digest", "differs"), {}),
}


class RecordingListener:
    """Remembers every fact."""

    def __init__(self) -> None:
        self.facts: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        """Return a method that remembers its call."""
        return lambda *args, **kwargs: self.facts.append((name, args, kwargs))


@pytest.mark.parametrize(
    "name", [n for n, _ in inspect.getmembers(ServiceTelemetry, inspect.isfunction) if n[0] != "_"]
)
def test_fan_out_passes_every_fact_to_each_listener(name: str) -> None:
    """No fact of the protocol is lost or changed on the way."""
    first, second = RecordingListener(), RecordingListener()
    args, kwargs = FACTS[name]
    getattr(FanOutTelemetry(cast("list[ServiceTelemetry]", [first, second])), name)(*args, **kwargs)
    assert first.facts == second.facts == [(name, args, kwargs)]


def test_fan_out_takes_metrics_and_statistics_together() -> None:
    """Both listeners of a scoring process see the same batch."""
    registry, stats = CollectorRegistry(), StreamStats()
    both: ServiceTelemetry = FanOutTelemetry([PrometheusTelemetry("fraud", registry), stats])
    both.records_scored(3, version="v1", role="champion", sample=[0.5])
    labels = {"service": "fraud", "version": "v1", "role": "champion"}
    assert (registry.get_sample_value("tidemill_records_scored_total", labels), stats.snapshot().scored) == (3, 3)
