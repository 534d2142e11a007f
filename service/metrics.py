"""Telemetry as Prometheus series and log lines: each fact moves its counter and says so, in one place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry

from consumer.source import PartitionStatus
from consumer.telemetry import TransactionOutcome
from features.rejection import Reason
from models.champion import LiveModel
from producer.records import TopicPartition
from service import metric_table as table
from service.instruments import Instruments
from service.lag import LagTracker
from service.logs import Repeats

OTHER_REASON = "unreadable"  # for a refusal that is not in the documented set, so that labels stay bounded
_REMEDIES = {
    "no_champion": "'tidemill train' or 'tidemill models promote' gives a champion",
    "schema_registry": "see whether the registry is up; scoring goes on by itself when it answers",
}


class PrometheusTelemetry:
    """Implements ``Telemetry`` (called by the worker's thread) and ``ChampionListener`` (by any one thread).

    What happens with every batch is logged at DEBUG or held down to one line in ten seconds; what
    happens rarely is logged each time.
    """

    def __init__(
        self,
        service: str,
        registry: CollectorRegistry,
        *,
        clock: Callable[[], float] = time.time,
        repeats: Repeats | None = None,
    ) -> None:
        """Register the metrics of ``service``; ``clock`` gives epoch seconds."""
        self._instruments = Instruments(service, registry=registry)
        self._log = structlog.stdlib.get_logger("tidemill").bind(service=service)
        self._clock = clock
        self._repeats = Repeats() if repeats is None else repeats
        self._lag = LagTracker()
        self._versions: dict[str, None] = {}  # in the order of their last use
        self._shown: set[TopicPartition] = set()
        self._stalled: frozenset[TopicPartition] = frozenset()
        self._blocked: frozenset[TopicPartition] = frozenset()
        self._waiting_for = ""
        self._instruments.set(table.UP_TO_DATE, 0)

    def records_consumed(self, topic: str, count: int) -> None:
        """Count polled records."""
        self._instruments.add(table.RECORDS_CONSUMED, count, topic=topic)

    def records_scored(self, count: int, *, version: str, role: str, sample: Sequence[float] = ()) -> None:  # noqa: ARG002 - values are not a metric
        """Count committed scores; the oldest version goes when there are more than the table keeps."""
        self._instruments.add(table.RECORDS_SCORED, count, version=version, role=role)
        self._versions.pop(version, None)
        self._versions[version] = None
        while len(self._versions) > table.KEPT_VERSIONS:
            oldest = next(iter(self._versions))
            del self._versions[oldest]
            self._instruments.remove(table.RECORDS_SCORED, version=oldest)

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """Count dead letters and warn of them."""
        self._instruments.add(table.DEAD_LETTERS, count, reason=reason.value)
        total = self._repeats.due(f"dead letters {reason.value}", count)
        if total is not None:
            self._log.warning("Records went to the dead-letter topic", reason=reason.value, count=total)

    def batch_done(self, records: int, *, stages: Mapping[str, float], end_to_end: Sequence[float]) -> None:
        """Note size, stage times and delays of a committed batch."""
        self._instruments.observe(table.BATCH_RECORDS, (records,))
        for stage, seconds in stages.items():
            self._instruments.observe(table.STAGE_SECONDS, (seconds,), stage=stage)
        self._instruments.observe(table.END_TO_END_SECONDS, end_to_end)
        self._log.debug("Batch committed", records=records, stages={k: round(v, 6) for k, v in stages.items()})

    def transaction(self, outcome: TransactionOutcome, cause: str = "") -> None:
        """Count a transaction, and warn when it did not commit."""
        self._instruments.add(table.TRANSACTIONS, 1, outcome=outcome)
        if outcome == "committed":
            return
        self._lag.forget_looks()
        total = self._repeats.due(f"transaction {outcome}")
        if total is not None:
            self._log.warning(
                "Transaction not committed; its records are read again", outcome=outcome, cause=cause, count=total
            )

    def rebalanced(self, change: Literal["assigned", "revoked", "lost"], partitions: Sequence[TopicPartition]) -> None:
        """Count a rebalance; series of partitions that left go with them."""
        self._instruments.add(table.REBALANCES, 1)
        if change != "assigned":
            self._hide(partitions)
        if partitions:  # the cooperative protocol also tells of rounds in which nothing moves
            self._log.info("Partitions " + change, partitions=_names(partitions))

    def partitions(
        self,
        statuses: Sequence[PartitionStatus],
        *,
        stalled: Sequence[TopicPartition],
        blocked: Sequence[TopicPartition],
    ) -> None:
        """Show lag and state of each partition; say once when one stops and once when it moves again."""
        lags = self._lag.observe(statuses, self._clock())
        owned = [status.partition for status in statuses]
        self._hide(self._shown.difference(owned))
        for partition in owned:
            labels = _labels(partition)
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

    def model_unusable(self, version: str, detail: str) -> None:
        """Count a live model that fails on everything; a person must look at it."""
        self._instruments.add(table.MODEL_LOAD_FAILURES, 1, reason="unusable")
        self._log.error("The live model fails on every record", model_version=version, detail=detail)

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

    def model_swapped(self, previous: LiveModel | None, live: LiveModel) -> None:
        """Show the new live version in place of the one before."""
        before = None if previous is None else previous.version
        if before is not None:
            self._instruments.remove(table.MODEL_INFO, version=before)
        kind, created_ms = live.manifest.kind, live.manifest.created_ms
        self._instruments.set(table.MODEL_INFO, 1, version=live.version, kind=kind, alias="champion")
        self._instruments.follow(table.MODEL_AGE_SECONDS, lambda: max(0.0, self._clock() - created_ms / 1000))
        self._instruments.add(table.MODEL_SWAPS, 1, result="swapped")
        self._log.info("Model swapped", model_version=live.version, previous=before, kind=kind)

    def model_load_failed(self, version: str, reason: str, detail: str) -> None:
        """Count a version that was not taken live, or (no version) a store that cannot be read; what was live stays."""
        known = table.MODEL_LOAD_FAILURES.labels[0].values
        self._instruments.add(table.MODEL_LOAD_FAILURES, 1, reason=reason if reason in known else OTHER_REASON)
        if not version:
            self._log.error("Model store cannot be read; the live model stays", reason=reason, detail=detail)
            return
        self._instruments.add(table.MODEL_SWAPS, 1, result="failed")
        self._log.error(
            "Model version not taken live; the one before stays", model_version=version, reason=reason, detail=detail
        )

    def _hide(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            for metric in (
                table.LAG_RECORDS,
                table.LAG_SECONDS,
                table.PARTITION_STALLED,
                table.PARTITION_BLOCKED_UPSTREAM,
            ):
                self._instruments.remove(metric, **_labels(partition))
        self._shown.difference_update(partitions)

    def _say_who_stands_still(self, stalled: frozenset[TopicPartition], blocked: frozenset[TopicPartition]) -> None:
        if stalled - self._stalled:
            self._log.error(
                "Partitions stalled: records are there and none is read", partitions=_names(stalled - self._stalled)
            )
        if blocked - self._blocked:
            self._log.warning(
                "Partitions blocked upstream: a producer elsewhere holds a transaction open",
                partitions=_names(blocked - self._blocked),
            )
        moving = (self._stalled | self._blocked) - stalled - blocked
        if moving:
            self._log.info("Partitions move again or left", partitions=_names(moving))
        self._stalled, self._blocked = stalled, blocked


def _labels(partition: TopicPartition) -> dict[str, str]:
    return {"topic": partition.topic, "partition": str(partition.partition)}


def _names(partitions: Iterable[TopicPartition]) -> list[str]:
    return [str(partition) for partition in sorted(partitions)]
