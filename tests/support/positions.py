"""Positions that a test decides."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from producer.records import TopicPartition


@dataclass
class ToldPositions:
    """Says what it was told; partitions that it was told nothing of are not known yet."""

    offsets: dict[TopicPartition, int | None] = field(default_factory=dict)

    def find(self, partitions: AbstractSet[TopicPartition]) -> Mapping[TopicPartition, int | None]:
        """Return what it was told of these."""
        return {at: self.offsets[at] for at in partitions if at in self.offsets}

    def move_command(self, at: TopicPartition) -> str:
        """Return a command."""
        return f"move {at} OFFSET"
