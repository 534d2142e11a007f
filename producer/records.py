"""Coordinates of records, shared by the way out and the way in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt


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


@dataclass(frozen=True, slots=True)
class RecordColumns:
    """Records for one topic, in columns of one length and in the order they shall have.

    Attributes:
        keys: Keys; they decide the partition where ``partitions`` does not.
        values: Values.
        timestamps_ms: Epoch milliseconds; below 0: the moment of sending.
        headers: Headers of each record; None: no record has any.
        partitions: Partition of each record, None for one whose key decides; None: the keys decide of all.
    """

    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    timestamps_ms: npt.NDArray[np.int64]
    headers: Sequence[Headers] | None = None
    partitions: Sequence[int | None] | None = None

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.values)

    def part(self, begin: int, end: int) -> RecordColumns:
        """Return the records from ``begin`` up to, not including, ``end``."""
        if begin == 0 and end == len(self):
            return self
        return RecordColumns(
            keys=self.keys[begin:end],
            values=self.values[begin:end],
            timestamps_ms=self.timestamps_ms[begin:end],
            headers=None if self.headers is None else self.headers[begin:end],
            partitions=None if self.partitions is None else self.partitions[begin:end],
        )
