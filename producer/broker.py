"""A Kafka stand-in in memory: partitioned logs, groups and transactions, for tests and embedded use.

It keeps Kafka's rules that exactly-once rests on (markers, the last stable offset, fencing by epoch and by
generation, unknown outcomes) and leaves out the rest: no replication, no disk, no wire. One contract suite
holds it and the real broker to the same behaviour.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Literal

from producer.broker_faults import FaultScript
from producer.broker_groups import ConsumerGroup, GroupMetadata
from producer.broker_log import Isolation, NewRecord, PartitionLog, Slice
from producer.broker_transactions import ProducerIdentity, TransactionCoordinator
from producer.errors import DeliveryFailed, RecordTooLarge, SinkRefused
from producer.partitioning import partition_for_key
from producer.records import Headers, NextOffsets, TopicPartition

DEFAULT_MAX_RECORD_BYTES = 1_000_000  # librdkafka's message.max.bytes


class InMemoryBroker:
    """All state of one embedded cluster. Thread-safe: one lock, and every call is one step.

    Args:
        max_record_bytes: Larger records are refused, as the client and the broker do.
        max_timestamp_ms: Later records of sinks are refused, as the broker does.

    Attributes:
        faults: What the next calls of sinks and sources shall suffer.
    """

    def __init__(
        self, *, max_record_bytes: int = DEFAULT_MAX_RECORD_BYTES, max_timestamp_ms: int = (1 << 63) - 1
    ) -> None:
        self.faults = FaultScript()
        self._max_timestamp_ms = max_timestamp_ms
        self._max_record_bytes = max_record_bytes
        self._changed = threading.Condition(threading.RLock())
        self._topics: dict[str, list[PartitionLog]] = {}
        self._groups: dict[str, ConsumerGroup] = {}
        self._transactions = TransactionCoordinator()
        self._keyless = count()
        self._version = 0

    # Topics

    def create_topic(self, name: str, partitions: int, *, retention_records: int | None = None) -> None:
        """Create a topic; one that is there already is left as it is.

        Args:
            name: Its name.
            partitions: How many; fixed from now on.
            retention_records: Bound of each partition, which drops its oldest records; None keeps all.
        """
        with self._changed:
            if name not in self._topics:
                self._topics[name] = [PartitionLog(retention_records=retention_records) for _ in range(partitions)]
                for group in self._groups.values():
                    group.rebalance(self._partitions())
                self._notify()

    def topics(self) -> dict[str, int]:
        """Return the number of partitions of every topic."""
        with self._changed:
            return {name: len(logs) for name, logs in self._topics.items()}

    def partition_count(self, topic: str) -> int:
        """Return the number of partitions of a topic.

        Raises:
            SinkRefused: It does not exist.
        """
        with self._changed:
            return len(self._logs(topic))

    # Records

    def check_record(self, topic: str, record: NewRecord) -> None:
        """Raise what producing this record would raise: ``RecordTooLarge`` or, without the topic, ``SinkRefused``."""
        if record.size > self._max_record_bytes:
            raise RecordTooLarge(f"topic {topic}: a record of {record.size} bytes is over {self._max_record_bytes}")
        self._logs(topic)

    def check_timestamp(self, record: NewRecord) -> None:
        """Raise what delivering this record would raise for its timestamp: ``DeliveryFailed``."""
        if record.timestamp_ms > self._max_timestamp_ms:
            raise DeliveryFailed("delivery: Broker: Invalid timestamp (INVALID_TIMESTAMP)", record_at_fault=True)

    def choose_partition(self, topic: str, key: bytes | None) -> int:
        """Return where a record goes: its key decides; without one the partitions take turns."""
        partitions = len(self._logs(topic))
        return next(self._keyless) % partitions if key is None else partition_for_key(key, partitions)

    def publish(  # noqa: PLR0913 - a record has this many parts
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        headers: Headers = (),
        partition: int | None = None,
    ) -> tuple[TopicPartition, int]:
        """Append one record outside any transaction; return where it lies."""
        record = NewRecord(timestamp_ms, key, value, tuple(headers))
        with self._changed:
            self.check_record(topic, record)
            chosen = self.choose_partition(topic, key) if partition is None else partition
            where = TopicPartition(topic, chosen)
            offset = self._log(where).end_offset
            self.append([(where, record)])
            return where, offset

    def append(
        self, records: Iterable[tuple[TopicPartition, NewRecord]], *, producer: ProducerIdentity | None = None
    ) -> None:
        """Append records in order, visible at once or (with a producer) when its transaction commits.

        Raises:
            ProducerFenced: The producer's epoch is over; nothing was appended.
        """
        by_partition: dict[TopicPartition, list[NewRecord]] = {}
        for where, record in records:
            by_partition.setdefault(where, []).append(record)
        with self._changed:
            for where, rows in by_partition.items():
                if producer is None:
                    self._log(where).append(rows, None)
                else:
                    self._transactions.append(producer, self._log(where), rows)
            self._notify()

    def read(
        self,
        partition: TopicPartition,
        offset: int = 0,
        *,
        max_records: int = 10_000,
        max_bytes: int | None = None,
        isolation: Isolation = "read_committed",
    ) -> Slice:
        """Return what a reader of this isolation sees from ``offset`` on, or from the oldest record kept."""
        with self._changed:
            return self._log(partition).read(offset, max_records=max_records, max_bytes=max_bytes, isolation=isolation)

    def start_offset(self, partition: TopicPartition) -> int:
        """Return the offset of the oldest record kept."""
        with self._changed:
            return self._log(partition).start_offset

    def end_offset(self, partition: TopicPartition) -> int:
        """Return the high watermark."""
        with self._changed:
            return self._log(partition).end_offset

    def stable_offset(self, partition: TopicPartition) -> int:
        """Return the last stable offset, which no ``read_committed`` reader passes."""
        with self._changed:
            return self._log(partition).stable_offset

    def end_offsets(self, topic: str) -> dict[TopicPartition, int]:
        """Return the high watermark of every partition of a topic."""
        with self._changed:
            return {TopicPartition(topic, number): log.end_offset for number, log in enumerate(self._logs(topic))}

    def stable_offsets(self, topic: str) -> dict[TopicPartition, int]:
        """Return the last stable offset of every partition of a topic."""
        with self._changed:
            return {TopicPartition(topic, number): log.stable_offset for number, log in enumerate(self._logs(topic))}

    @property
    def version(self) -> int:
        """Return a number that grows with every change; see ``wait``."""
        return self._version

    def wait(self, version: int, timeout: float) -> int:
        """Block until the version is no longer ``version``, or ``timeout`` seconds passed; return what it is.

        Reading the version first, then the records, then waiting misses no change in between.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._version == version and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return self._version

    # Transactions

    def open_producer(self, transactional_id: str) -> ProducerIdentity:
        """Settle the unfinished transaction of this id, fence its owner, and return the new identity."""
        with self._changed:
            self._notify()
            return self._transactions.open(transactional_id)

    def add_offsets(self, producer: ProducerIdentity, offsets: NextOffsets, metadata: GroupMetadata) -> None:
        """Add consumed offsets to the transaction.

        Raises:
            AbortRequired: The group refuses this member and generation.
            ProducerFenced: The producer's epoch is over.
        """
        with self._changed:
            self._transactions.add_offsets(producer, self._group(metadata.group_id), offsets, metadata)

    def end_transaction(self, producer: ProducerIdentity, outcome: Literal["committed", "aborted"]) -> None:
        """End the transaction of this producer, all of it in one step.

        Raises:
            ProducerFenced: The producer's epoch is over.
        """
        with self._changed:
            self._transactions.end(producer, outcome)
            self._notify()

    def prepare_commit(self, producer: ProducerIdentity) -> None:
        """Take a commit and finish it later: at ``finish_prepared`` or when the id is opened again."""
        with self._changed:
            self._transactions.prepare(producer)

    def finish_prepared(self, transactional_id: str) -> None:
        """Complete the prepared commit of this id, if there is one."""
        with self._changed:
            self._transactions.finish_prepared(transactional_id)
            self._notify()

    def expire(self, transactional_id: str) -> None:
        """Abort the open transaction of this id and fence its producer, as the coordinator's timer does."""
        with self._changed:
            self._transactions.expire(transactional_id)
            self._notify()

    # Groups

    def join(self, group_id: str, topics: frozenset[str]) -> str:
        """Add a member to a group and return its id.

        Raises:
            SinkRefused: A topic does not exist.
        """
        with self._changed:
            for topic in sorted(topics):
                self._logs(topic)
            self._notify()
            return self._group(group_id).join(topics, self._partitions())

    def leave(self, group_id: str, member_id: str) -> None:
        """Remove a member, who left or is held for dead; its commits are refused from now on."""
        with self._changed:
            self._group(group_id).leave(member_id, self._partitions())
            self._notify()

    def sync(self, group_id: str, member_id: str) -> tuple[int, frozenset[TopicPartition]] | None:
        """Tell a member its generation and what it owns now; None when the group does not know it (any more)."""
        with self._changed:
            before = self._group(group_id).held_by(member_id)
            answer = self._group(group_id).sync(member_id)
            if answer is not None and before - answer[1]:
                self._notify()  # what it gave up is free for the others
            return answer

    def members(self, group_id: str) -> tuple[str, ...]:
        """Return the member ids of a group in the order they joined."""
        with self._changed:
            return self._group(group_id).members

    def commit_offsets(self, offsets: NextOffsets, metadata: GroupMetadata) -> None:
        """Commit offsets outside any transaction.

        Raises:
            AbortRequired: The group refuses this member and generation.
        """
        with self._changed:
            group = self._group(metadata.group_id)
            group.check(metadata)
            group.committed.update(offsets)
            self._notify()

    def committed(self, group_id: str) -> dict[TopicPartition, int]:
        """Return the committed offsets of a group; those of open transactions are not among them."""
        with self._changed:
            return dict(self._group(group_id).committed)

    def is_unstable(self, group_id: str, partition: TopicPartition) -> bool:
        """Return whether an open transaction may still move this committed offset."""
        with self._changed:
            return self._group(group_id).is_unstable(partition)

    # Inside

    def _notify(self) -> None:
        self._version += 1
        self._changed.notify_all()

    def _partitions(self) -> Sequence[TopicPartition]:
        return [TopicPartition(name, number) for name, logs in self._topics.items() for number in range(len(logs))]

    def _logs(self, topic: str) -> list[PartitionLog]:
        logs = self._topics.get(topic)
        if logs is None:
            raise SinkRefused(f"topic {topic!r} does not exist; create it first, it is never created on the side")
        return logs

    def _log(self, partition: TopicPartition) -> PartitionLog:
        logs = self._logs(partition.topic)
        if not 0 <= partition.partition < len(logs):
            raise SinkRefused(f"topic {partition.topic!r} has {len(logs)} partitions, so there is no {partition}")
        return logs[partition.partition]

    def _group(self, group_id: str) -> ConsumerGroup:
        return self._groups.setdefault(group_id, ConsumerGroup(group_id))
