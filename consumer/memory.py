"""A source and a reader on the in-memory broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from consumer.errors import OffsetsLost, PollFailed, SourceRefused
from consumer.records import RecordBatch
from consumer.source import PartitionStatus, Positions
from producer.broker import InMemoryBroker
from producer.broker_faults import Fault
from producer.broker_groups import GroupMetadata
from producer.broker_log import LogRecord
from producer.errors import AbortRequired, SinkRefused
from producer.records import Headers, NextOffsets, TopicPartition

Change: TypeAlias = Literal["assigned", "revoked", "lost"]
RebalanceListener: TypeAlias = Callable[[Change, Sequence[TopicPartition]], None]
Placed: TypeAlias = tuple[TopicPartition, LogRecord]


@dataclass(frozen=True, slots=True)
class InMemoryGroup:
    """The group as the broker knew a member when the handle was taken."""

    broker: InMemoryBroker
    metadata: GroupMetadata

    def commit(self, offsets: NextOffsets) -> None:
        """Commit outside a transaction; ``AbortRequired`` when the group has moved on."""
        self.broker.commit_offsets(offsets, self.metadata)


class InMemorySource:
    """One member of a group on the in-memory broker.

    A partition is read only once its committed offset is settled: while somebody's open transaction may
    still move it, the partition is owned and gives nothing, as on Kafka.
    """

    def __init__(  # noqa: PLR0913 - wired by name
        self,
        broker: InMemoryBroker,
        group_id: str,
        topics: Sequence[str],
        *,
        start: Literal["earliest", "latest"] = "earliest",
        positions: Positions | None = None,
        on_rebalance: RebalanceListener | None = None,
    ) -> None:
        """Keep the wiring; ``start`` is where a group begins on a partition it never committed.

        ``positions`` says where partitions are read from in place of the group's committed offsets.
        """
        self._broker = broker
        self._group_id = group_id
        self._topics = frozenset(topics)
        self._start = start
        self._positions = positions
        self._is_paused = False
        self._listener = on_rebalance
        self._member_id = ""
        self._generation = -1
        self._assignments = 0
        self._owned: frozenset[TopicPartition] = frozenset()
        self._first: dict[TopicPartition, int] = {}
        self._position: dict[TopicPartition, int] = {}
        self._delivered: dict[TopicPartition, int] = {}
        self._delivered_ms: dict[TopicPartition, int] = {}
        self._turn = 0

    @property
    def member_id(self) -> str:
        """Return the id of this member; empty before ``open``."""
        return self._member_id

    @property
    def owned(self) -> frozenset[TopicPartition]:
        """Return the partitions assigned now."""
        return self._owned

    @property
    def assignments(self) -> int:
        """Return the number of rebalances seen."""
        return self._assignments

    def open(self) -> None:
        """Join the group; partitions come with the first poll."""
        try:
            self._member_id = self._broker.join(self._group_id, self._topics)
        except SinkRefused as error:
            raise SourceRefused(str(error)) from error
        self._generation = -1

    def poll(self, *, max_records: int, max_bytes: int, timeout: float, linger: float) -> RecordBatch | None:
        """Take part in rebalances, wait for one record, then take what comes within ``linger``."""
        fault = self._broker.faults.take("poll", self._group_id)
        if fault is Fault.FENCED:
            self._broker.leave(self._group_id, self._member_id)
        elif fault is not None:
            if fault is Fault.TIMEOUT_APPLIED:
                self._sync()
                self._fetch(max_records, max_bytes)  # dequeued, and lost on the way
            raise PollFailed("poll failed; records may have been dropped")
        records = self._collect(max_records, max_bytes, timeout=timeout, linger=linger)
        for at, record in records:
            self._delivered[at] = record.offset + 1
            self._delivered_ms[at] = record.timestamp_ms
        return columns_of(records)

    def rewind(self) -> None:
        """Return to the committed offsets, or to where this member began on a partition."""
        if self._broker.faults.take("rewind", self._group_id) is not None:
            raise PollFailed("the committed offsets are not to be had; try again")
        if self._positions is not None:
            self.go_back(self._owned)
            return
        unstable = [at for at in self._position if self._broker.is_unstable(self._group_id, at)]
        if unstable:
            raise PollFailed(f"the committed offset of {unstable[0]} waits for an open transaction; try again")
        committed = self._broker.committed(self._group_id)
        for at in self._position:
            self._position[at] = self._delivered[at] = committed.get(at, self._first[at])

    def go_back(self, partitions: Collection[TopicPartition]) -> None:
        """Have these placed anew at the next poll."""
        for at in partitions:
            self._position.pop(at, None)

    def pause(self) -> None:
        """Hold all partitions."""
        self._is_paused = True

    def resume(self) -> None:
        """Let go of them."""
        self._is_paused = False

    def passed(self) -> NextOffsets:
        """Return where reading stands on partitions that have nothing more to read."""
        return {at: offset for at, offset in self._position.items() if offset >= self._broker.stable_offset(at)}

    def show(self, offsets: NextOffsets) -> None:
        """Commit to the group, or not."""
        with suppress(AbortRequired):
            self.group().commit(offsets)

    def group(self) -> InMemoryGroup:
        """Return the group handle of this moment; like Kafka's, it names no member before the first poll."""
        joined = self._generation >= 0
        metadata = GroupMetadata(self._group_id, self._member_id if joined else "", self._generation)
        return InMemoryGroup(self._broker, metadata)

    def statuses(self) -> list[PartitionStatus]:
        """Return where the owned partitions stand now."""
        committed = self._broker.committed(self._group_id)
        return [
            PartitionStatus(
                partition=at,
                fetch_offset=position,
                delivered_offset=self._delivered.get(at, -1),
                committed_offset=committed.get(at, -1),
                stable_offset=self._broker.stable_offset(at),
                end_offset=self._broker.end_offset(at),
                delivered_ms=self._delivered_ms.get(at, -1),
            )
            for at, position in sorted(self._position.items())
        ]

    def restart(self) -> None:
        """Leave, forget everything, and join again."""
        self.close()
        self.open()

    def close(self) -> None:
        """Leave the group."""
        self._broker.leave(self._group_id, self._member_id)
        self._member_id, self._generation = "", -1
        self._give_up(self._owned, "revoked")

    def _collect(self, max_records: int, max_bytes: int, *, timeout: float, linger: float) -> list[Placed]:
        deadline = time.monotonic() + timeout
        version = self._broker.version
        self._sync()
        records = self._fetch(max_records, max_bytes)
        while not records and time.monotonic() < deadline:
            version = self._broker.wait(version, deadline - time.monotonic())
            self._sync()
            records = self._fetch(max_records, max_bytes)
        deadline = time.monotonic() + linger
        size = sum(_size(record) for _, record in records)
        # No sync in here: a batch belongs to one generation.
        while records and len(records) < max_records and size < max_bytes and time.monotonic() < deadline:
            version = self._broker.wait(version, deadline - time.monotonic())
            more = self._fetch(max_records - len(records), max_bytes - size)
            records += more
            size += sum(_size(record) for _, record in more)
        return records

    def _sync(self) -> None:
        """Hear from the group what is owned now, and find where to read what is new."""
        answer = self._broker.sync(self._group_id, self._member_id)
        if answer is None:
            if not self._member_id:
                raise PollFailed("the source is not open")
            self._give_up(self._owned, "lost")
            self.open()
            answer = self._broker.sync(self._group_id, self._member_id)
        generation, owned = answer if answer is not None else (-1, frozenset[TopicPartition]())
        moved = generation != self._generation
        self._generation = generation
        self._give_up(self._owned - owned, "revoked")
        fresh = owned - self._owned
        self._owned = owned
        if fresh:
            self._tell("assigned", fresh)
        elif moved:
            self._assignments += 1
        self._place(owned - self._position.keys())

    def _place(self, partitions: AbstractSet[TopicPartition]) -> None:
        if not partitions:
            return
        for at, told in sorted(self._find(partitions).items()):
            low, end = self._broker.start_offset(at), self._broker.end_offset(at)
            offset = (low if self._start == "earliest" else self._broker.stable_offset(at)) if told is None else told
            if self._positions is not None:
                if not low <= offset <= end:
                    raise OffsetsLost(
                        f"the position in the buffer is no longer in the log: {at} at {offset} (the log has {low} to "
                        f"{end}). Decide where to go on: {self._positions.move_command(at)}; then start again",
                        partitions=[at],
                    )
                self._delivered[at] = offset
            self._first[at] = self._position[at] = offset

    def _find(self, partitions: AbstractSet[TopicPartition]) -> Mapping[TopicPartition, int | None]:
        """Return where these are read from; one whose offset is still being decided is absent."""
        if self._positions is not None:
            return self._positions.find(partitions)
        settled = [at for at in partitions if not self._broker.is_unstable(self._group_id, at)]
        committed = self._broker.committed(self._group_id)
        return {at: committed.get(at) for at in settled}

    def _fetch(self, max_records: int, max_bytes: int) -> list[Placed]:
        """Read from the partitions in turn, so that a full one does not starve the rest."""
        partitions = [] if self._is_paused else sorted(self._position)
        self._turn += 1
        start = self._turn % max(len(partitions), 1)
        records: list[Placed] = []
        for at in [*partitions[start:], *partitions[:start]]:
            if len(records) >= max_records or (max_bytes <= 0 and records):
                break
            position = self._position[at]
            found = self._broker.read(at, position, max_records=max_records - len(records), max_bytes=max_bytes)
            if found.began > position:
                raise OffsetsLost(
                    f"{at}: the next offset is {position}, but the log begins at {found.began}: records were deleted "
                    "before they were read; raise the topic's retention",
                    partitions=[at],
                )
            self._position[at] = found.next_offset
            records += [(at, record) for record in found.records]
            max_bytes -= sum(_size(record) for record in found.records)
        return records

    def _give_up(self, partitions: Iterable[TopicPartition], change: Change) -> None:
        gone = sorted(partitions)
        for at in gone:
            self._first.pop(at, None)
            self._position.pop(at, None)
            self._delivered.pop(at, None)
            self._delivered_ms.pop(at, None)
        self._owned -= frozenset(gone)
        if gone:
            self._tell(change, gone)

    def _tell(self, change: Change, partitions: Iterable[TopicPartition]) -> None:
        self._assignments += 1
        if self._listener is not None:
            self._listener(change, sorted(partitions))


class InMemoryReader:
    """Reads all partitions of some topics from outside any group; commits nothing."""

    def __init__(
        self, broker: InMemoryBroker, *, topics: Sequence[str], start: Literal["earliest", "latest"] = "earliest"
    ) -> None:
        """Begin at one end of the topics, or raise ``SourceRefused`` when one does not exist."""
        self._broker = broker
        try:
            partitions = [TopicPartition(topic, n) for topic in topics for n in range(broker.partition_count(topic))]
        except SinkRefused as error:
            raise SourceRefused(str(error)) from error
        self._position = {at: 0 if start == "earliest" else broker.stable_offset(at) for at in partitions}

    def read(self, *, max_records: int, timeout: float) -> RecordBatch | None:
        """Return the next committed records, or None after ``timeout`` seconds without any."""
        deadline = time.monotonic() + timeout
        version = self._broker.version
        records = self._fetch(max_records)
        while not records and time.monotonic() < deadline:
            version = self._broker.wait(version, deadline - time.monotonic())
            records = self._fetch(max_records)
        return columns_of(records)

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _fetch(self, max_records: int) -> list[Placed]:
        records: list[Placed] = []
        for at, position in self._position.items():
            found = self._broker.read(at, position, max_records=max_records - len(records))
            self._position[at] = found.next_offset
            records += [(at, record) for record in found.records]
        return records


def columns_of(records: Sequence[Placed]) -> RecordBatch | None:
    """Return the records as columns, or None when there are none."""
    if not records:
        return None

    def headers(row: int) -> Headers:
        return records[row][1].headers

    return RecordBatch(
        topics=[at.topic for at, _ in records],
        partitions=np.array([at.partition for at, _ in records], dtype=np.int32),
        offsets=np.array([record.offset for _, record in records], dtype=np.int64),
        timestamps_ms=np.array([record.timestamp_ms for _, record in records], dtype=np.int64),
        keys=[record.key for _, record in records],
        values=[record.value for _, record in records],
        headers=headers,
    )


def _size(record: LogRecord) -> int:
    return len(record.key or b"") + len(record.value or b"")
