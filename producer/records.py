"""Coordinates of records, shared by the way out and the way in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias


class TopicPartition(NamedTuple):
    """One shard of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        """Return ``topic[partition]``, as Kafka's own tools print it."""
        return f"{self.topic}[{self.partition}]"


NextOffsets: TypeAlias = Mapping[TopicPartition, int]
"""What is committed: for each partition the offset of the *next* record to read (last done + 1)."""

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
