from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
import structlog
from prometheus_client import CollectorRegistry
from structlog.testing import LogCapture

from consumer.source import PartitionStatus
from features.rejection import Reason
from features.schema import FeatureSchema, Field, FieldType
from models.base import Task
from models.champion import LiveModel
from models.manifest import Manifest
from producer.records import TopicPartition
from service.instruments import build_registry
from service.logs import Repeats
from service.metrics import PrometheusTelemetry

NOW = 1_700_000_000.0
P0, P1 = TopicPartition("payments", 0), TopicPartition("payments", 1)
READ = PartitionStatus(P0, fetch_offset=20, delivered_offset=20, committed_offset=20, stable_offset=20, end_offset=20)
SCHEMA = FeatureSchema((Field("amount", FieldType.DOUBLE, "amount"),))


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return an empty registry."""
    return build_registry()


@pytest.fixture
def telemetry(registry: CollectorRegistry) -> PrometheusTelemetry:
    """Return the telemetry of a service called fraud at a fixed time."""
    return PrometheusTelemetry("fraud", registry, clock=lambda: NOW, repeats=Repeats(clock=lambda: 0.0))


@pytest.fixture
def lines() -> LogCapture:
    """Return what is logged, however logs are set up."""
    capture = LogCapture()
    structlog.configure(processors=[capture])
    return capture


@pytest.fixture(autouse=True)
def _default_logs(lines: LogCapture) -> Iterator[None]:
    yield
    structlog.reset_defaults()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """Return a series of this service, or None when there is none."""
    return registry.get_sample_value(f"tidemill_{name}", {"service": "fraud", **labels})


def live(version: str) -> LiveModel:
    """Return what telemetry looks at in a live model, trained 90 seconds ago."""
    manifest = Manifest("fraud", "sklearn", Task.CLASSIFICATION, SCHEMA, "matrix", int(NOW * 1000) - 90_000)
    return cast("LiveModel", SimpleNamespace(version=version, manifest=manifest))


def test_metrics_start_at_zero_where_the_labels_are_known(
    registry: CollectorRegistry, telemetry: PrometheusTelemetry
) -> None:
    """A counter that appears with its first event hides that event from a rate."""
    shown = [value(registry, "dead_letters_total", reason=reason.value) for reason in Reason]
    shown += [value(registry, "rebalances_total"), value(registry, "up_to_date")]
    assert shown == [0.0] * (len(Reason) + 2)


def test_metrics_count_a_committed_batch(registry: CollectorRegistry, telemetry: PrometheusTelemetry) -> None:
    """One batch moves every figure that is about records."""
    telemetry.records_consumed("payments", 10)
    telemetry.records_scored(9, version="v1", role="champion")
    telemetry.dead_lettered(Reason.MISSING, 1)
    telemetry.batch_done(10, stages={"score": 0.2}, end_to_end=[0.1, 0.3])
    assert (
        value(registry, "records_consumed_total", topic="payments"),
        value(registry, "records_scored_total", version="v1", role="champion"),
        value(registry, "dead_letters_total", reason="missing"),
        value(registry, "batch_records_sum"),
        value(registry, "stage_seconds_count", stage="score"),
        value(registry, "end_to_end_seconds_count"),
    ) == (10, 9, 1, 10, 1, 2)


def test_metrics_keep_the_five_versions_used_last(registry: CollectorRegistry, telemetry: PrometheusTelemetry) -> None:
    """Series do not grow with every version, and a rollback keeps the version it goes back to."""
    for version in ("v1", "v2", "v3", "v1", "v4", "v5", "v6"):
        telemetry.records_scored(1, version=version, role="champion")
    shown = [value(registry, "records_scored_total", version=f"v{n}", role="champion") for n in range(1, 7)]
    assert shown == [2, None, 1, 1, 1, 1]


def test_metrics_show_lag_and_state_of_owned_partitions(
    registry: CollectorRegistry, telemetry: PrometheusTelemetry
) -> None:
    """Lag, stall and block are shown for each partition."""
    behind = replace(READ, partition=P1, delivered_offset=5, fetch_offset=5, delivered_ms=int(NOW * 1000) - 4000)
    telemetry.partitions([READ, behind], stalled=[P1], blocked=[P0])
    names = ("lag_records", "lag_seconds", "partition_stalled", "partition_blocked_upstream")
    shown = [[value(registry, name, topic="payments", partition=p) for name in names] for p in "01"]
    assert [*shown, value(registry, "up_to_date")] == [[0, 0, 0, 1], [15, 4, 1, 0], 0]


@pytest.mark.parametrize("way", ["revoked", "left out"])
def test_metrics_forget_partitions_that_left(
    registry: CollectorRegistry, telemetry: PrometheusTelemetry, way: str
) -> None:
    """The lag of a partition that another member owns now would be shown twice, once for ever wrong."""
    telemetry.partitions([READ, replace(READ, partition=P1)], stalled=[], blocked=[])
    if way == "revoked":
        telemetry.rebalanced("revoked", [P1])
    else:
        telemetry.partitions([READ], stalled=[], blocked=[])
    shown = [value(registry, "lag_records", topic="payments", partition=p) for p in "01"]
    assert [*shown, value(registry, "up_to_date")] == [0, None, 1]


def test_metrics_say_once_that_a_partition_stalls_and_once_that_it_moves(
    telemetry: PrometheusTelemetry, lines: LogCapture
) -> None:
    """The state is looked at every second; the log gets its two edges."""
    for stalled in ([], [P0], [P0], [], []):
        telemetry.partitions([READ], stalled=stalled, blocked=[])
    assert [(line["log_level"], line["partitions"]) for line in lines.entries] == [
        ("error", ["payments[0]"]),
        ("info", ["payments[0]"]),
    ]


def test_metrics_hold_down_warnings_that_come_with_every_batch(
    registry: CollectorRegistry, telemetry: PrometheusTelemetry, lines: LogCapture
) -> None:
    """A topic full of bad records moves the counter a hundred times and the log once."""
    for _ in range(100):
        telemetry.dead_lettered(Reason.UNDECODABLE, 3)
    assert (value(registry, "dead_letters_total", reason="undecodable"), len(lines.entries)) == (300, 1)


def test_metrics_name_the_cause_of_an_aborted_transaction(
    registry: CollectorRegistry, telemetry: PrometheusTelemetry, lines: LogCapture
) -> None:
    """Every outcome is counted; one that is not a commit says why."""
    telemetry.transaction("committed")
    telemetry.transaction("aborted", "stale generation")
    counted = [value(registry, "transactions_total", outcome=o) for o in ("committed", "aborted", "recreated")]
    assert (counted, [line["cause"] for line in lines.entries]) == ([1, 1, 0], ["stale generation"])


def test_metrics_say_once_what_is_waited_for(
    registry: CollectorRegistry, telemetry: PrometheusTelemetry, lines: LogCapture
) -> None:
    """The worker repeats itself while it waits; the log does not."""
    for cause in ("no_champion", "no_champion", "", ""):
        telemetry.waiting(cause)
    assert (value(registry, "waiting", cause="no_champion"), len(lines.entries)) == (0, 2)


def test_metrics_show_only_the_live_model(registry: CollectorRegistry, telemetry: PrometheusTelemetry) -> None:
    """After a swap the version before is gone from ``model_info`` and the age is that of the new one."""
    telemetry.model_swapped(None, live("v1"))
    telemetry.model_swapped(live("v1"), live("v2"))
    info = [value(registry, "model_info", version=v, kind="sklearn", alias="champion") for v in ("v1", "v2")]
    swaps = value(registry, "model_swaps_total", result="swapped")
    assert [*info, swaps, value(registry, "model_age_seconds")] == [None, 1, 2, 90]


@pytest.mark.parametrize(("reason", "label"), [("digest", "digest"), ("something new", "unreadable")])
def test_metrics_count_a_version_that_was_refused(
    registry: CollectorRegistry, telemetry: PrometheusTelemetry, reason: str, label: str
) -> None:
    """A refusal is counted under a documented reason, whatever the store calls it."""
    telemetry.model_load_failed("v2", reason, "model.skops differs")
    counted = value(registry, "model_load_failures_total", reason=label)
    assert (counted, value(registry, "model_swaps_total", result="failed")) == (1, 1)


def test_metrics_do_not_take_a_store_outage_for_a_failed_swap(
    registry: CollectorRegistry, telemetry: PrometheusTelemetry
) -> None:
    """A store that cannot be read is a load failure without a version, so nothing was to be swapped."""
    telemetry.model_load_failed("", "unreadable", "permission denied")
    counted = value(registry, "model_load_failures_total", reason="unreadable")
    assert (counted, value(registry, "model_swaps_total", result="failed")) == (1, 0)


def test_metrics_have_no_series_of_creation_times(registry: CollectorRegistry, telemetry: PrometheusTelemetry) -> None:
    """They would double the number of series and nobody reads them."""
    telemetry.records_consumed("payments", 1)
    names = [sample.name for metric in registry.collect() for sample in metric.samples]
    assert [name for name in names if name.endswith("_created")] == []
