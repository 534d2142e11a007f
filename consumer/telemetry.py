"""Everything worth counting in the stream engine, one method per thing that can happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from consumer.source import PartitionStatus
from features.rejection import Reason
from producer.records import TopicPartition

TransactionOutcome: TypeAlias = Literal["committed", "aborted", "recreated"]


class Telemetry(Protocol):
    """Receives facts, once per batch, never per record. Implementations never raise and never block."""

    def records_consumed(self, topic: str, count: int) -> None:
        """``count`` records of ``topic`` were polled."""
        ...

    def records_scored(self, count: int, *, version: str, role: str, sample: Sequence[float] = ()) -> None:
        """``count`` scores by ``version`` are committed; ``sample`` is a bounded sample of their values."""
        ...

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """``count`` dead letters of one reason are committed."""
        ...

    def batch_done(self, records: int, *, stages: Mapping[str, float], end_to_end: Sequence[float]) -> None:
        """A batch is committed.

        ``stages`` are seconds by stage name; ``end_to_end`` are seconds from record timestamp to commit,
        a bounded sample.
        """
        ...

    def transaction(self, outcome: TransactionOutcome, cause: str = "") -> None:
        """A transaction ended; ``cause`` says why it was not committed."""
        ...

    def rebalanced(self, change: Literal["assigned", "revoked", "lost"], partitions: Sequence[TopicPartition]) -> None:
        """Partitions came or went."""
        ...

    def partitions(
        self,
        statuses: Sequence[PartitionStatus],
        *,
        stalled: Sequence[TopicPartition],
        blocked: Sequence[TopicPartition],
    ) -> None:
        """Where all owned partitions stand; ``stalled`` and ``blocked`` name those that do not move."""
        ...

    def model_unusable(self, version: str, detail: str) -> None:
        """The live model fails on every record, its own trial batch included."""
        ...

    def waiting(self, cause: str, detail: str = "") -> None:
        """Nothing moves for this cause (``no_champion``, ``schema_registry``); empty when that is over."""
        ...


class NullTelemetry:
    """Counts nothing."""

    def records_consumed(self, topic: str, count: int) -> None:
        """Ignore."""

    def records_scored(self, count: int, *, version: str, role: str, sample: Sequence[float] = ()) -> None:
        """Ignore."""

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """Ignore."""

    def batch_done(self, records: int, *, stages: Mapping[str, float], end_to_end: Sequence[float]) -> None:
        """Ignore."""

    def transaction(self, outcome: TransactionOutcome, cause: str = "") -> None:
        """Ignore."""

    def rebalanced(self, change: Literal["assigned", "revoked", "lost"], partitions: Sequence[TopicPartition]) -> None:
        """Ignore."""

    def partitions(
        self,
        statuses: Sequence[PartitionStatus],
        *,
        stalled: Sequence[TopicPartition],
        blocked: Sequence[TopicPartition],
    ) -> None:
        """Ignore."""

    def model_unusable(self, version: str, detail: str) -> None:
        """Ignore."""

    def waiting(self, cause: str, detail: str = "") -> None:
        """Ignore."""
