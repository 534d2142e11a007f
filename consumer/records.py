"""What a poll returns: columns, not an object per record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from producer.records import Headers, TopicPartition


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records of one poll in the order they were delivered; all columns have one length.

    Within a partition offsets ascend. ``headers`` is a function of the row because most records'
    headers are never looked at and each look costs. ``headed`` names the rows that may have headers, None
    means any: most topics have none, and then nobody needs to ask.
    """

    topics: Sequence[str]
    partitions: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    timestamps_ms: npt.NDArray[np.int64]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Callable[[int], Headers]
    headed: Collection[int] | None = None

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.values)

    def at(self, row: int) -> TopicPartition:
        """Return the partition a record came from."""
        return TopicPartition(self.topics[row], int(self.partitions[row]))

    def records_by_topic(self) -> Mapping[str, int]:
        """Return how many records there are of each topic."""
        topics = self.topics
        if topics and topics.count(topics[0]) == len(topics):
            return {topics[0]: len(topics)}
        return Counter(topics)

    def by_topic(self) -> Mapping[str, RecordBatch]:
        """Return the records of each topic by themselves, in their order."""
        names = list(self.records_by_topic())
        if len(names) == 1:
            return {names[0]: self}
        topics = np.asarray(self.topics, dtype=object)
        return {name: self.pick(np.flatnonzero(topics == name)) for name in names}

    def next_offsets(self) -> dict[TopicPartition, int]:
        """Return what to commit once every record is dealt with: last offset + 1 per partition.

        This is our own bookkeeping on purpose: the client's ``position()`` may already be past
        records it dropped or that nobody has processed.
        """
        return {at: int(self.offsets[row]) + 1 for at, row in self.last_rows().items()}

    def last_rows(self) -> dict[TopicPartition, int]:
        """Return the row of the last record of each partition."""
        result: dict[TopicPartition, int] = {}
        topics = list(self.records_by_topic())
        names = np.asarray(self.topics, dtype=object) if len(topics) > 1 else None
        for topic in topics:
            rows = np.arange(len(self)) if names is None else np.flatnonzero(names == topic)
            partitions = self.partitions[rows]
            last = np.full(int(partitions.max()) + 1, -1)
            last[partitions] = rows  # of several rows for one place the last one stays
            result |= {TopicPartition(topic, p): int(last[p]) for p in np.flatnonzero(last >= 0).tolist()}
        return result

    def first_offsets(self) -> frozenset[tuple[TopicPartition, int]]:
        """Return the first offset of each partition in the batch: what names a batch across retries."""
        firsts: dict[TopicPartition, int] = {}
        for row in range(len(self)):
            firsts.setdefault(self.at(row), int(self.offsets[row]))
        return frozenset(firsts.items())

    def pick(self, rows: npt.NDArray[np.int64]) -> RecordBatch:
        """Return the records in these rows, in that order."""
        numbers = rows.tolist()
        headed = self.headed if self.headed is None else frozenset(self.headed)
        return RecordBatch(
            topics=[self.topics[row] for row in numbers],
            partitions=self.partitions[rows],
            offsets=self.offsets[rows],
            timestamps_ms=self.timestamps_ms[rows],
            keys=[self.keys[row] for row in numbers],
            values=[self.values[row] for row in numbers],
            headers=lambda row: self.headers(numbers[row]),
            headed=None if headed is None else [new for new, row in enumerate(numbers) if row in headed],
        )
