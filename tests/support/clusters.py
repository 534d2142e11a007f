"""What the broker contract needs of a cluster, and the in-memory one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from consumer.errors import PollFailed
from consumer.memory import InMemorySource
from consumer.records import RecordBatch
from consumer.source import PositionedSource, Positions, RecordSource
from producer.broker import InMemoryBroker
from producer.memory import InMemoryPlainSink, InMemorySink
from producer.records import Headers, NextOffsets, TopicPartition
from producer.sink import GroupHandle, RecordSink

PATIENCE_S = 30.0  # for what must happen; nothing is expected to take a tenth of it


class Stored(NamedTuple):
    """A record as a reader outside every group sees it."""

    at: TopicPartition
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers


class Cluster(Protocol):
    """A cluster under contract. Every client it makes is closed with it."""

    def create_topic(self, *, partitions: int = 1) -> str:
        """Create a topic and return its name."""
        ...

    def unique(self, stem: str) -> str:
        """Return a name for a group or a transactional id that nobody used before."""
        ...

    def publish(self, topic: str, *values: bytes, key: bytes | None = None, partition: int | None = None) -> None:
        """Append records outside any transaction."""
        ...

    def sink(self, transactional_id: str | None = None) -> RecordSink:
        """Return an open transactional sink."""
        ...

    def plain_sink(self) -> RecordSink:
        """Return an open sink without transactions."""
        ...

    def source(self, group_id: str, topic: str) -> RecordSource:
        """Return a source that has joined the group, or is about to."""
        ...

    def positioned_source(self, group_id: str, topic: str, positions: Positions) -> PositionedSource:
        """Return a source that has joined the group, or is about to, and reads from where it is told."""
        ...

    def committed(self, group_id: str, topic: str) -> dict[TopicPartition, int]:
        """Return the committed offsets of a group, without those of open transactions."""
        ...

    def read_committed(self, topic: str) -> list[Stored]:
        """Return what a ``read_committed`` reader can see of a topic now."""
        ...


@dataclass(frozen=True, slots=True)
class TakenGroup:
    """A group handle that was kept too long: its metadata is that of an earlier moment."""

    metadata: object

    def commit(self, offsets: NextOffsets) -> None:
        """Fail the test: a stale handle is only ever given to a transaction."""
        raise AssertionError(f"offsets {offsets} committed outside a transaction")


def taken(group: GroupHandle) -> TakenGroup:
    """Return the handle as it is now, for use when it is stale."""
    return TakenGroup(group.metadata)


def poll(source: RecordSource, *, max_records: int = 1000, timeout: float = 0.1) -> RecordBatch | None:
    """Poll with limits that suit a test."""
    return source.poll(max_records=max_records, max_bytes=1 << 20, timeout=timeout, linger=0.02)


def rewind(source: RecordSource) -> None:
    """Rewind, again and again while it cannot be done."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            source.rewind()
        except PollFailed:
            if time.monotonic() > deadline:
                raise
        else:
            return


def poll_values(source: RecordSource, count: int, *, max_records: int = 1000) -> list[bytes | None]:
    """Poll until ``count`` records came since the last rewind, and return their values in order."""
    values: list[bytes | None] = []

    def enough() -> bool:
        try:
            batch = poll(source, max_records=min(max_records, count - len(values)))
        except PollFailed:
            values.clear()
            rewind(source)
        else:
            values.extend(batch.values if batch is not None else ())
        return len(values) >= count

    until(enough, f"{count} records")
    return values


def poll_until(condition: Callable[[], bool], *sources: RecordSource) -> None:
    """Let the sources take part in rebalances until the condition holds; what they read is thrown away."""

    def turned() -> bool:
        for source in sources:
            try:
                poll(source)
            except PollFailed:
                rewind(source)
        return condition()

    until(turned, "the rebalance")


def until(condition: Callable[[], bool], what: str) -> None:
    """Repeat a step that waits by itself until it holds; fail with what was awaited."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")


def produce(sink: RecordSink, topic: str, *values: bytes, key: bytes | None = None) -> None:
    """Produce values into the batch that is begun."""
    for value in values:
        sink.produce(topic, key=key, value=value, timestamp_ms=1000)


def publish_in_transaction(cluster: Cluster, topic: str, *values: bytes) -> None:
    """Write values in one committed transaction, so that a marker follows them."""
    sink = cluster.sink()
    sink.begin()
    produce(sink, topic, *values)
    sink.flush()
    sink.commit()


def commit_batch(sink: RecordSink, source: RecordSource, next_offset: int, topic: str) -> None:
    """Commit one offset of partition 0 in a transaction of its own."""
    sink.begin()
    sink.send_offsets({TopicPartition(topic, 0): next_offset}, source.group())
    sink.commit()


def values_in(cluster: Cluster, topic: str) -> list[bytes | None]:
    """Return the values a ``read_committed`` reader sees."""
    return [record.value for record in cluster.read_committed(topic)]


def own_everything(source: RecordSource, partitions: int) -> None:
    """Poll until the source owns all partitions of its topic, which is empty."""
    poll_until(lambda: len(source.owned) == partitions, source)


class MemoryCluster:
    """The in-memory broker under contract."""

    def __init__(self) -> None:
        self._broker = InMemoryBroker()
        self._names = 0

    def create_topic(self, *, partitions: int = 1) -> str:
        """Create a topic and return its name."""
        name = self.unique("topic")
        self._broker.create_topic(name, partitions)
        return name

    def unique(self, stem: str) -> str:
        """Return a name that nobody used before."""
        self._names += 1
        return f"{stem}-{self._names}"

    def publish(self, topic: str, *values: bytes, key: bytes | None = None, partition: int | None = None) -> None:
        """Append records outside any transaction."""
        for value in values:
            self._broker.publish(topic, key=key, value=value, timestamp_ms=1000, partition=partition)

    def sink(self, transactional_id: str | None = None) -> InMemorySink:
        """Return an open transactional sink."""
        sink = InMemorySink(self._broker, transactional_id or self.unique("id"))
        sink.open()
        return sink

    def plain_sink(self) -> InMemoryPlainSink:
        """Return an open sink without transactions."""
        sink = InMemoryPlainSink(self._broker)
        sink.open()
        return sink

    def source(self, group_id: str, topic: str) -> InMemorySource:
        """Return a source that has joined the group."""
        source = InMemorySource(self._broker, group_id, [topic])
        source.open()
        return source

    def positioned_source(self, group_id: str, topic: str, positions: Positions) -> InMemorySource:
        """Return a source that has joined the group."""
        source = InMemorySource(self._broker, group_id, [topic], positions=positions)
        source.open()
        return source

    def committed(self, group_id: str, topic: str) -> dict[TopicPartition, int]:
        """Return the committed offsets of a group."""
        return {at: offset for at, offset in self._broker.committed(group_id).items() if at.topic == topic}

    def read_committed(self, topic: str) -> list[Stored]:
        """Return what a ``read_committed`` reader can see of a topic now."""
        return [
            Stored(at, record.offset, record.key, record.value, record.timestamp_ms, record.headers)
            for at in self._broker.end_offsets(topic)
            for record in self._broker.read(at).records
        ]
