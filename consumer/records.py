"""What a poll returns: columns, not an object per record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producer.records import Headers, TopicPartition


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records of one poll in the order they were delivered; all columns have one length.

    Within a partition offsets ascend. ``headers`` is a function of the row because most records'
    headers are never looked at and each look costs.
    """

    topics: Sequence[str]
    partitions: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    timestamps_ms: npt.NDArray[np.int64]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Callable[[int], Headers]

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.values)

    def at(self, row: int) -> TopicPartition:
        """Return the partition a record came from."""
        return TopicPartition(self.topics[row], int(self.partitions[row]))

    def next_offsets(self) -> dict[TopicPartition, int]:
        """Return what to commit once every record is dealt with: last offset + 1 per partition.

        This is our own bookkeeping on purpose: the client's ``position()`` may already be past
        records it dropped or that nobody has processed.
        """
        result: dict[TopicPartition, int] = {}
        topics = np.asarray(self.topics, dtype=object)
        for topic in dict.fromkeys(self.topics):
            of_topic = topics == topic
            for partition in np.unique(self.partitions[of_topic]):
                last = self.offsets[of_topic & (self.partitions == partition)].max()
                result[TopicPartition(topic, int(partition))] = int(last) + 1
        return result
