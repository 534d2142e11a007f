"""Everything worth counting in the buffering worker, one method per thing that can happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from buffer.table import TableName
from consumer.source import PartitionStatus
from producer.records import TopicPartition

FlushOutcome: TypeAlias = Literal["committed", "overtaken", "unavailable"]
BufferWait: TypeAlias = Literal["", "buffer", "schema_registry"]


class BufferingTelemetry(Protocol):
    """Receives facts, once per batch or flush, never per record. Implementations never raise and never block."""

    def records_taken(self, topic: str, *, table: TableName, outcomes: Mapping[str, int]) -> None:
        """Records of a topic were polled and had these outcomes; see ``consumer/intake.py``."""
        ...

    def flushed(self, table: TableName, outcome: FlushOutcome, *, rows: int, seconds: float, detail: str = "") -> None:
        """An append ended; ``rows`` are in the table if it was committed, ``detail`` says why not."""
        ...

    def dropped(self, partitions: Sequence[TopicPartition], detail: str) -> None:
        """Rows of these partitions that were not in the table yet are read again, because of ``detail``."""
        ...

    def pending(self, rows: int, *, nbytes: int, is_held: bool) -> None:
        """So many rows wait in memory; ``is_held`` when nothing is read until there are fewer."""
        ...

    def poll_failed(self, detail: str) -> None:
        """A poll failed; its records are read again."""
        ...

    def rebalanced(self, change: Literal["assigned", "revoked", "lost"], partitions: Sequence[TopicPartition]) -> None:
        """Partitions came or went."""
        ...

    def partitions(
        self,
        statuses: Sequence[PartitionStatus],
        *,
        behind: Mapping[TopicPartition, int],
        stalled: Sequence[TopicPartition],
        blocked: Sequence[TopicPartition],
    ) -> None:
        """Where the partitions stand; ``behind`` counts the offsets read and not in the table yet."""
        ...

    def waiting(self, cause: BufferWait, detail: str = "") -> None:
        """Nothing gets into the tables for this cause; empty when that is over."""
        ...

    def table_size(self, table: TableName, *, files: int, nbytes: int) -> None:
        """The newest version of a table has so many files of so many bytes."""
        ...


class NullBufferingTelemetry:
    """Counts nothing."""

    def records_taken(self, topic: str, *, table: TableName, outcomes: Mapping[str, int]) -> None:
        """Ignore."""

    def flushed(self, table: TableName, outcome: FlushOutcome, *, rows: int, seconds: float, detail: str = "") -> None:
        """Ignore."""

    def dropped(self, partitions: Sequence[TopicPartition], detail: str) -> None:
        """Ignore."""

    def pending(self, rows: int, *, nbytes: int, is_held: bool) -> None:
        """Ignore."""

    def poll_failed(self, detail: str) -> None:
        """Ignore."""

    def rebalanced(self, change: Literal["assigned", "revoked", "lost"], partitions: Sequence[TopicPartition]) -> None:
        """Ignore."""

    def partitions(
        self,
        statuses: Sequence[PartitionStatus],
        *,
        behind: Mapping[TopicPartition, int],
        stalled: Sequence[TopicPartition],
        blocked: Sequence[TopicPartition],
    ) -> None:
        """Ignore."""

    def waiting(self, cause: BufferWait, detail: str = "") -> None:
        """Ignore."""

    def table_size(self, table: TableName, *, files: int, nbytes: int) -> None:
        """Ignore."""
