"""A source on Apache Kafka: one group member, classic or consumer protocol.

Callbacks only take notes: an exception that leaves a callback makes the client drop the records it has
already dequeued while its position moves on. For the same reason any exception out of ``consume`` means
going back to what is committed.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
)
from confluent_kafka import TopicPartition as ClientPartition

from consumer.errors import ConsumerError, OffsetsLost, PollFailed, SourceRefused, SourceUnreachable
from consumer.records import RecordBatch
from consumer.source import PartitionStatus
from producer.records import Headers, NextOffsets, TopicPartition

COMMITTED_TIMEOUT_S = 10.0
SEEK_ATTEMPTS = 20  # a partition just assigned cannot be sought for a moment
SEEK_PAUSE_S = 0.1

Change: TypeAlias = Literal["assigned", "revoked", "lost"]
RebalanceListener: TypeAlias = Callable[[Change, Sequence[TopicPartition]], None]

_REFUSED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,
    }
)


class KafkaGroup:
    """The group as the broker knows this member now."""

    def __init__(self, client: Consumer) -> None:
        self._client = client

    @property
    def metadata(self) -> object:
        """Return group id, member id and generation as the client holds them at this moment."""
        return self._client.consumer_group_metadata()

    def commit(self, offsets: NextOffsets) -> None:
        """Commit outside a transaction and wait for the answer."""
        positions = [ClientPartition(at.topic, at.partition, offset) for at, offset in offsets.items()]
        self._client.commit(offsets=positions, asynchronous=False)


class KafkaSource:
    """One member of a consumer group, read in columns."""

    def __init__(
        self,
        conf: Mapping[str, Any],
        *,
        group_id: str,
        topics: Sequence[str],
        start: Literal["earliest", "latest"] = "earliest",
        on_rebalance: RebalanceListener | None = None,
    ) -> None:
        """Keep the configuration; ``start`` is where a group begins on a partition it never committed.

        ``auto.offset.reset`` is always ``error``: a position that has vanished from the log must stop the
        worker, not move it. ``start`` is applied by us, once, where nothing is committed.
        """
        self._conf = {
            **conf,
            "group.id": group_id,
            "auto.offset.reset": "error",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "stats_cb": self._on_stats,
        }
        self._topics = list(topics)
        self._start = OFFSET_BEGINNING if start == "earliest" else OFFSET_END
        self._listener = on_rebalance
        self._client: Consumer | None = None
        self._assignments = 0
        self._owned: set[TopicPartition] = set()
        self._first: dict[TopicPartition, int] = {}
        self._delivered: dict[TopicPartition, int] = {}
        self._delivered_ms: dict[TopicPartition, int] = {}
        self._stats: Mapping[str, Any] = {}

    @property
    def owned(self) -> set[TopicPartition]:
        """Return the partitions assigned now."""
        return self._owned

    @property
    def assignments(self) -> int:
        """Return the number of rebalances seen."""
        return self._assignments

    def open(self) -> None:
        """Create the client and subscribe."""
        self._client = Consumer(self._conf)
        self._client.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def poll(self, *, max_records: int, max_bytes: int, timeout: float, linger: float) -> RecordBatch | None:
        """Block for one record, then take what is there or arrives within ``linger``."""
        messages = self._consume(1, timeout)
        if not messages:
            return None
        deadline, assignments = time.monotonic() + linger, self._assignments
        size = sum(len(message) for message in messages)
        while len(messages) < max_records and size < max_bytes:
            fitting = (max_bytes - size) * len(messages) // max(size, 1) + 1
            more = self._consume(min(max_records - len(messages), fitting), max(deadline - time.monotonic(), 0))
            if not more:
                break
            messages += more
            size += sum(len(message) for message in more)
        if self._assignments != assignments:
            # A partition may have gone and come back between two calls, committed further by somebody else:
            # what was read of it before is no longer ours to score. (Within one call the client sees to it.)
            raise PollFailed("the group was rebalanced while a batch was collected")
        return columns_of(self._kept(messages))

    def rewind(self) -> None:
        """Seek every owned partition to its committed offset, or to the first record delivered."""
        for at, offset in self._committed(self._owned).items():
            target = offset if offset >= 0 else self._first.get(at)
            if target is not None:
                self._seek(at, target)
                self._delivered[at] = target

    def group(self) -> KafkaGroup:
        """Return the group handle; its metadata is read when it is used."""
        return KafkaGroup(self._consumer)

    def statuses(self) -> list[PartitionStatus]:
        """Return the positions of the last statistics of the client, for owned partitions."""
        return [
            PartitionStatus(
                partition=at,
                fetch_offset=entry["next_offset"],
                delivered_offset=self._delivered.get(at, -1),
                committed_offset=max(entry["committed_offset"], -1),
                stable_offset=entry["ls_offset"],
                end_offset=entry["hi_offset"],
                delivered_ms=self._delivered_ms.get(at, -1),
            )
            for at, entry in self._partition_stats()
            if entry["hi_offset"] >= 0 and entry["next_offset"] >= 0
        ]

    def restart(self) -> None:
        """Leave, forget everything, and join again."""
        self.close()
        self.open()

    def close(self) -> None:
        """Leave the group; a failure to do so cleanly is not the caller's to handle."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(KafkaException, RuntimeError):  # the session timeout will tell the broker
                client.close()
        self._forget(list(self._owned))

    @property
    def _consumer(self) -> Consumer:
        if self._client is None:
            raise PollFailed("the consumer is not open")
        return self._client

    def _consume(self, count: int, timeout: float) -> list[Message]:
        """Return good records; turn errors in the stream into ours."""
        try:
            messages = self._consumer.consume(count, timeout)
        except (KafkaException, RuntimeError, SystemError) as exception:
            raise PollFailed(f"consume: {exception}") from exception
        good = [message for message in messages if message.error() is None]
        if len(good) != len(messages):
            self._judge(message for message in messages if message.error() is not None)
        return good

    def _judge(self, failures: Iterable[Message]) -> None:
        unplaced: list[TopicPartition] = []
        for message in failures:
            error = message.error()
            if error is None:
                continue
            if error.code() == KafkaError._AUTO_OFFSET_RESET:
                unplaced.append(TopicPartition(message.topic() or "", message.partition() or 0))
            elif error.code() in _REFUSED or error.fatal():
                raise SourceRefused(f"reading {message.topic() or 'the group'}: {error.str()} ({error.name()})")
            elif error.code() == KafkaError._MAX_POLL_EXCEEDED:
                raise PollFailed(f"this member was too slow and left the group: {error.str()}")
            # The rest (a broker away, a coordinator moving, the end of a partition) passes by itself.
        if unplaced:
            self._place(unplaced)

    def _place(self, partitions: Sequence[TopicPartition]) -> None:
        """Start at ``start`` where the group never committed; elsewhere the log has lost records."""
        unplaced = self._owned.intersection(partitions)
        committed = self._committed(unplaced if self._is_incremental else self._owned)
        lost = [f"{at} at {committed[at]}" for at in sorted(unplaced) if committed[at] >= 0]
        if lost:
            raise OffsetsLost(
                f"the committed offset is no longer in the log: {', '.join(lost)}. Records were deleted before they "
                "were scored (retention, or a recreated topic). Decide where to go on, set the group's offsets with "
                "kafka-consumer-groups --reset-offsets, and start again"
            )
        targets = [
            ClientPartition(at.topic, at.partition, offset if offset >= 0 else self._start)
            for at, offset in committed.items()
        ]
        if self._is_incremental:
            self._consumer.incremental_unassign(targets)
            self._consumer.incremental_assign(targets)
        elif targets:
            # An eager assignment is replaced as a whole, so every partition goes back to what is committed.
            self._consumer.assign(targets)
            raise PollFailed("the assignment was placed anew")

    def _committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return committed next offsets, below 0 where there is none."""
        wanted = [ClientPartition(at.topic, at.partition) for at in partitions]
        if not wanted:
            return {}
        try:
            found = self._consumer.committed(wanted, timeout=COMMITTED_TIMEOUT_S)
        except KafkaException as exception:
            raise PollFailed(f"committed offsets are not to be had: {exception.args[0]}") from exception
        for position in found:
            if position.error is not None:
                raise PollFailed(f"committed offset of {position.topic}[{position.partition}]: {position.error}")
        return {TopicPartition(position.topic, position.partition): position.offset for position in found}

    @property
    def _is_incremental(self) -> bool:
        strategy = str(self._conf.get("partition.assignment.strategy", "range,roundrobin"))
        return self._conf.get("group.protocol") == "consumer" or "cooperative" in strategy

    def _kept(self, messages: Sequence[Message]) -> list[Message]:
        """Return the records of partitions that are still ours, and note what was delivered."""
        kept: list[Message] = []
        last: dict[tuple[str | None, int | None], Message] = {}
        for message in messages:
            lane = (message.topic(), message.partition())
            if lane in self._owned:
                kept.append(message)
                last[lane] = message
                if lane not in self._first:
                    self._first[TopicPartition(lane[0] or "", lane[1] or 0)] = message.offset() or 0
        for message in last.values():
            at = TopicPartition(message.topic() or "", message.partition() or 0)
            self._delivered[at] = (message.offset() or 0) + 1
            self._delivered_ms[at] = message.timestamp()[1]
        return kept

    def _seek(self, at: TopicPartition, offset: int) -> None:
        for attempt in range(SEEK_ATTEMPTS):
            try:
                self._consumer.seek(ClientPartition(at.topic, at.partition, offset))
            except KafkaException as exception:
                if attempt == SEEK_ATTEMPTS - 1:
                    raise PollFailed(f"seek {at} to {offset}: {exception.args[0]}") from exception
                time.sleep(SEEK_PAUSE_S)
            else:
                return

    def _on_assign(self, _client: Consumer, partitions: Sequence[ClientPartition]) -> None:
        # No assign() here: the client does it itself, with the committed offsets, after this returns.
        self._owned |= (changed := {TopicPartition(p.topic, p.partition) for p in partitions})
        self._tell("assigned", changed)

    def _on_revoke(self, _client: Consumer, partitions: Sequence[ClientPartition]) -> None:
        self._forget(changed := [TopicPartition(p.topic, p.partition) for p in partitions])
        self._tell("revoked", changed)

    def _on_lost(self, _client: Consumer, partitions: Sequence[ClientPartition]) -> None:
        self._forget(changed := [TopicPartition(p.topic, p.partition) for p in partitions])
        self._tell("lost", changed)

    def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        for at in partitions:
            self._owned.discard(at)
            self._first.pop(at, None)
            self._delivered.pop(at, None)
            self._delivered_ms.pop(at, None)

    def _tell(self, change: Change, partitions: Iterable[TopicPartition]) -> None:
        self._assignments += 1
        if self._listener is not None:
            with contextlib.suppress(Exception):  # a callback that raises would lose records
                self._listener(change, sorted(partitions))

    def _on_stats(self, text: str) -> None:
        try:
            self._stats = json.loads(text).get("topics", {})
        except ValueError:
            self._stats = {}

    def _partition_stats(self) -> Iterable[tuple[TopicPartition, Mapping[str, Any]]]:
        for topic, entry in self._stats.items():
            for number, partition in entry.get("partitions", {}).items():
                at = TopicPartition(topic, int(number))
                if at in self._owned:
                    yield at, partition


class KafkaReader:
    """Reads all partitions of some topics from outside any group."""

    def __init__(self, conf: Mapping[str, Any], *, topics: Sequence[str], start: Literal["earliest", "latest"]) -> None:
        """Connect and begin at one end of the topics, or raise ``SourceRefused`` or ``SourceUnreachable``."""
        self._client = Consumer(
            {**conf, "group.id": "tidemill-reader", "enable.auto.commit": False, "isolation.level": "read_committed"}
        )
        offset = OFFSET_BEGINNING if start == "earliest" else OFFSET_END
        try:
            self._client.assign([ClientPartition(t, p, offset) for t in topics for p in self._partitions(t)])
        except ConsumerError:
            self.close()
            raise

    def read(self, *, max_records: int, timeout: float) -> RecordBatch | None:
        """Block for one record, then take what is there."""
        messages = self._client.consume(1, timeout)
        if messages:
            messages += self._client.consume(max_records - 1, 0) if max_records > 1 else []
        for message in messages:
            error = message.error()
            if error is not None and (error.code() in _REFUSED or error.fatal()):
                raise SourceRefused(f"reading {message.topic()}: {error.str()} ({error.name()})")
        return columns_of([message for message in messages if message.error() is None])

    def close(self) -> None:
        """Release the client."""
        with contextlib.suppress(KafkaException, RuntimeError):
            self._client.close()

    def _partitions(self, topic: str) -> list[int]:
        try:
            found = self._client.list_topics(topic, timeout=COMMITTED_TIMEOUT_S).topics[topic]
        except KafkaException as exception:
            raise SourceUnreachable(f"looking up topic {topic}: {exception.args[0]}") from exception
        if found.error is not None:
            raise SourceRefused(f"topic {topic}: {found.error.str()}; create it with 'tidemill topics create'")
        return list(found.partitions)


def columns_of(messages: Sequence[Message]) -> RecordBatch | None:
    """Return the messages as columns, or None when there are none."""
    if not messages:
        return None

    def headers(row: int) -> Headers:
        found: Any = messages[row].headers()
        return found or ()

    return RecordBatch(
        topics=[message.topic() or "" for message in messages],
        partitions=np.array([message.partition() for message in messages], dtype=np.int32),
        offsets=np.array([message.offset() for message in messages], dtype=np.int64),
        timestamps_ms=np.array([message.timestamp()[1] for message in messages], dtype=np.int64),
        keys=[message.key() for message in messages],
        values=[message.value() for message in messages],
        headers=headers,
    )
