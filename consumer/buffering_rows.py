"""Rows that wait for the table: in memory, with the stretches of the log they come from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from buffer.table import Stretch, TableName
from consumer.places import TopicIdentity
from producer.records import TopicPartition


@dataclass(frozen=True, slots=True)
class Load:
    """What one append is given.

    Attributes:
        table: The table it is for.
        rows: Rows in the order they were read; may be none, when only positions have moved.
        stretches: By partition, what of it the rows cover.
        identities: Of the topics, as they were when the rows were read.
        count: How many rows.
        nbytes: The memory they take.
    """

    table: TableName
    rows: tuple[pa.Table, ...]
    stretches: Mapping[TopicPartition, Stretch]
    identities: Mapping[str, TopicIdentity]
    count: int
    nbytes: int

    def without(self, partitions: Iterable[TopicPartition]) -> Load:
        """Return it without what comes from these partitions."""
        gone = self.stretches.keys() & set(partitions)
        if not gone:
            return self
        kept = {at: stretch for at, stretch in self.stretches.items() if at not in gone}
        rows = tuple(_without(part, gone) for part in self.rows) if kept else ()
        return replace(
            self, rows=rows, stretches=kept, count=sum(map(len, rows)), nbytes=sum(part.nbytes for part in rows)
        )


@dataclass(slots=True)
class PendingRows:
    """Rows of one table that no append was given yet.

    Attributes:
        table: The table they are for.
        count: How many there are.
        nbytes: The memory they take.
        since: When the oldest of them, or the first position to be moved, was added; None while there is neither.
    """

    table: TableName
    count: int = 0
    nbytes: int = 0
    since: float | None = None
    _rows: list[pa.Table] = field(default_factory=list)
    _stretches: dict[TopicPartition, Stretch] = field(default_factory=dict)
    _identities: dict[str, TopicIdentity] = field(default_factory=dict)

    def add(
        self, rows: pa.Table, stretches: Mapping[TopicPartition, Stretch], *, identity: TopicIdentity, now: float
    ) -> None:
        """Take rows of one topic and what of its partitions they cover, which follows on what is here."""
        if len(rows):
            self._rows.append(rows)
            self.count += len(rows)
            self.nbytes += rows.nbytes
        self.move(stretches, identity=identity, now=now)

    def move(self, stretches: Mapping[TopicPartition, Stretch], *, identity: TopicIdentity, now: float) -> None:
        """Take what of the partitions of one topic holds no row, which follows on what is here."""
        for at, stretch in stretches.items():
            before = self._stretches.get(at)
            self._stretches[at] = stretch if before is None else replace(before, next=stretch.next)
            self._identities[at.topic] = identity
        if self.since is None and stretches:
            self.since = now

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget what comes from these partitions."""
        kept = self._load().without(partitions)
        if len(kept.stretches) == len(self._stretches):
            return
        self._rows, self._stretches = list(kept.rows), dict(kept.stretches)
        self.count, self.nbytes = kept.count, kept.nbytes
        if not kept.stretches:
            self.since = None

    def take(self) -> Load:
        """Return everything and begin afresh."""
        load = self._load()
        self._rows, self._stretches, self._identities = [], {}, {}
        self.count = self.nbytes = 0
        self.since = None
        return load

    def _load(self) -> Load:
        return Load(self.table, tuple(self._rows), self._stretches, self._identities, self.count, self.nbytes)


def _without(rows: pa.Table, gone: Iterable[TopicPartition]) -> pa.Table:
    masks = [
        pc.and_(pc.equal(rows["record_topic"], at.topic), pc.equal(rows["record_partition"], at.partition))
        for at in gone
    ]
    return rows.filter(pc.invert(reduce(pc.or_, masks)))
