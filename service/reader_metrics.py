"""What every reader of topics shows: where its partitions stand, and what it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal

import structlog
from prometheus_client import CollectorRegistry

from consumer.source import PartitionStatus
from producer.records import TopicPartition
from service import metric_table as table
from service.instruments import Instruments
from service.lag import Lag, LagTracker
from service.logs import Repeats

_REMEDIES: Final = {
    "no_champion": "'tidemill train' or 'tidemill models promote' gives a champion",
    "schema_registry": "see whether the registry is up; it goes on by itself when it answers",
    "buffer": "see whether buffer.uri and the broker can be reached and the disk has room; it goes on by itself",
}


class ReaderTelemetry:
    """The part of the telemetry that scoring and buffering share; called by the worker's thread.

    What happens rarely is logged each time.
    """

    metrics: tuple[table.AnyMetric, ...] = table.READING_METRICS
    partition_gauges: tuple[table.GaugeMetric, ...] = (
        table.LAG_RECORDS,
        table.LAG_SECONDS,
        table.PARTITION_STALLED,
        table.PARTITION_BLOCKED_UPSTREAM,
    )

    def __init__(
        self,
        service: str,
        registry: CollectorRegistry,
        *,
        clock: Callable[[], float] = time.time,
        repeats: Repeats | None = None,
    ) -> None:
        """Register the metrics of ``service``; ``clock`` gives epoch seconds."""
        self._instruments = Instruments(service, registry=registry, metrics=self.metrics)
        self._repeats = Repeats() if repeats is None else repeats
        self._log = structlog.stdlib.get_logger("tidemill").bind(service=service)
        self._clock = clock
        self._lag = LagTracker()
        self._shown: set[TopicPartition] = set()
        self._stalled: frozenset[TopicPartition] = frozenset()
        self._blocked: frozenset[TopicPartition] = frozenset()
        self._waiting_for = ""
        self._instruments.set(table.UP_TO_DATE, 0)

    def records_consumed(self, topic: str, count: int) -> None:
        """Count polled records."""
        self._instruments.add(table.RECORDS_CONSUMED, count, topic=topic)

    def rebalanced(self, change: Literal["assigned", "revoked", "lost"], partitions: Sequence[TopicPartition]) -> None:
        """Count a rebalance; series of partitions that left go with them."""
        self._instruments.add(table.REBALANCES, 1)
        if change != "assigned":
            self._hide(partitions)
        if partitions:  # the cooperative protocol also tells of rounds in which nothing moves
            self._log.info("Partitions " + change, partitions=names_of(partitions))

    def show_partitions(
        self,
        statuses: Sequence[PartitionStatus],
        *,
        stalled: Sequence[TopicPartition],
        blocked: Sequence[TopicPartition],
    ) -> Mapping[TopicPartition, Lag]:
        """Show lag and state of each partition; say once when one stops and once when it moves again."""
        lags = self._lag.observe(statuses, self._clock())
        owned = [status.partition for status in statuses]
        self._hide(self._shown.difference(owned))
        for partition in owned:
            labels = labels_of(partition)
            self._instruments.set(table.PARTITION_STALLED, partition in stalled, **labels)
            self._instruments.set(table.PARTITION_BLOCKED_UPSTREAM, partition in blocked, **labels)
            if partition in lags:
                self._instruments.set(table.LAG_RECORDS, lags[partition].records, **labels)
            seconds = lags[partition].seconds if partition in lags else None
            if seconds is not None:
                self._instruments.set(table.LAG_SECONDS, seconds, **labels)
        self._shown = set(owned)
        all_read = all(partition in lags and lags[partition].records == 0 for partition in owned)
        self._instruments.set(table.UP_TO_DATE, all_read)
        self._say_who_stands_still(frozenset(stalled), frozenset(blocked))
        return lags

    def waiting(self, cause: str, detail: str = "") -> None:
        """Show that nothing is consumed and why; said once per cause."""
        if cause:
            self._lag.forget_looks()
        if cause == self._waiting_for:
            return
        if self._waiting_for:
            self._instruments.set(table.WAITING, 0, cause=self._waiting_for)
            self._log.info("No longer waiting", cause=self._waiting_for)
        if cause:
            self._instruments.set(table.WAITING, 1, cause=cause)
            remedy = _REMEDIES.get(cause, "see the log")
            self._log.warning("Waiting; nothing is consumed", cause=cause, detail=detail, remedy=remedy)
        self._waiting_for = cause

    def _hide(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            for metric in self.partition_gauges:
                self._instruments.remove(metric, **labels_of(partition))
        self._shown.difference_update(partitions)

    def _say_who_stands_still(self, stalled: frozenset[TopicPartition], blocked: frozenset[TopicPartition]) -> None:
        if stalled - self._stalled:
            self._log.error(
                "Partitions stalled: records are there and none is read", partitions=names_of(stalled - self._stalled)
            )
        if blocked - self._blocked:
            self._log.warning(
                "Partitions blocked upstream: a producer elsewhere holds a transaction open",
                partitions=names_of(blocked - self._blocked),
            )
        moving = (self._stalled | self._blocked) - stalled - blocked
        if moving:
            self._log.info("Partitions move again or left", partitions=names_of(moving))
        self._stalled, self._blocked = stalled, blocked


def labels_of(partition: TopicPartition) -> dict[str, str]:
    """Return the labels of a partition's series."""
    return {"topic": partition.topic, "partition": str(partition.partition)}


def names_of(partitions: Iterable[TopicPartition]) -> list[str]:
    """Return the names of partitions as logs have them."""
    return [str(partition) for partition in sorted(partitions)]
