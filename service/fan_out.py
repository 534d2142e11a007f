"""One stream of facts to several listeners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from consumer.source import PartitionStatus
from consumer.telemetry import Telemetry, TransactionOutcome
from features.rejection import Reason
from models.champion import ChampionListener, LiveModel
from producer.records import TopicPartition


class ServiceTelemetry(Telemetry, ChampionListener, Protocol):
    """What a scoring process reports: the facts of the stream and those of its live model."""


class FanOutTelemetry:
    """Implements ``ServiceTelemetry``: passes every fact to each listener, in their order."""

    def __init__(self, listeners: Sequence[ServiceTelemetry]) -> None:
        """Keep the listeners."""
        self._listeners = tuple(listeners)

    def records_consumed(self, topic: str, count: int) -> None:
        """Pass on."""
        for listener in self._listeners:
            listener.records_consumed(topic, count)

    def records_scored(self, count: int, *, version: str, role: str, sample: Sequence[float] = ()) -> None:
        """Pass on."""
        for listener in self._listeners:
            listener.records_scored(count, version=version, role=role, sample=sample)

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """Pass on."""
        for listener in self._listeners:
            listener.dead_lettered(reason, count)

    def batch_done(self, records: int, *, stages: Mapping[str, float], end_to_end: Sequence[float]) -> None:
        """Pass on."""
        for listener in self._listeners:
            listener.batch_done(records, stages=stages, end_to_end=end_to_end)

    def transaction(self, outcome: TransactionOutcome, cause: str = "") -> None:
        """Pass on."""
        for listener in self._listeners:
            listener.transaction(outcome, cause)

    def rebalanced(self, change: Literal["assigned", "revoked", "lost"], partitions: Sequence[TopicPartition]) -> None:
        """Pass on."""
        for listener in self._listeners:
            listener.rebalanced(change, partitions)

    def partitions(
        self,
        statuses: Sequence[PartitionStatus],
        *,
        stalled: Sequence[TopicPartition],
        blocked: Sequence[TopicPartition],
    ) -> None:
        """Pass on."""
        for listener in self._listeners:
            listener.partitions(statuses, stalled=stalled, blocked=blocked)

    def model_unusable(self, version: str, detail: str) -> None:
        """Pass on."""
        for listener in self._listeners:
            listener.model_unusable(version, detail)

    def waiting(self, cause: str) -> None:
        """Pass on."""
        for listener in self._listeners:
            listener.waiting(cause)

    def model_swapped(self, previous: LiveModel | None, live: LiveModel) -> None:
        """Pass on."""
        for listener in self._listeners:
            listener.model_swapped(previous, live)

    def model_load_failed(self, version: str, reason: str, detail: str) -> None:
        """Pass on."""
        for listener in self._listeners:
            listener.model_load_failed(version, reason, detail)
