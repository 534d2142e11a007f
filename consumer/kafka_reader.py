"""Readers of whole topics from outside any group: one that follows, one that ends where the topic ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as ClientPartition

from consumer.errors import ConsumerError, SourceRefused, SourceUnreachable
from consumer.kafka import DAMAGED, REFUSED
from consumer.kafka_placing import COMMITTED_TIMEOUT_S
from consumer.messages import columns_of, place_of
from consumer.records import RecordBatch
from consumer.slices import next_slice
from producer.records import TopicPartition

READER_GROUP = "tidemill-reader"  # never joined, and nothing is committed
PATIENCE_S = 30.0  # how long a topic that has more records may give none
READ_TIMEOUT_S = 0.5
LINGER_S = 0.05


class KafkaReader:
    """Reads all partitions of some topics from outside any group."""

    def __init__(self, conf: Mapping[str, Any], *, topics: Sequence[str], start: Literal["earliest", "latest"]) -> None:
        """Connect and begin at one end of the topics, or raise ``SourceRefused`` or ``SourceUnreachable``."""
        self._client = Consumer(
            {**conf, "group.id": READER_GROUP, "enable.auto.commit": False, "isolation.level": "read_committed"}
        )
        offset = OFFSET_BEGINNING if start == "earliest" else OFFSET_END
        try:
            places = [place for topic in topics for place in _partitions(self._client, topic)]
            self._client.assign([ClientPartition(at.topic, at.partition, offset) for at in places])
        except ConsumerError:
            self.close()
            raise

    def read(self, *, max_records: int, timeout: float) -> RecordBatch | None:
        """Block for one record, then take what is there."""
        messages = self._client.consume(1, timeout)
        if messages:
            messages += self._client.consume(max_records - 1, 0) if max_records > 1 else []
        return columns_of(_good(messages))

    def close(self) -> None:
        """Release the client."""
        with contextlib.suppress(KafkaException, RuntimeError):
            self._client.close()


class KafkaSnapshot:
    """One topic, from given offsets up to where it ended when this was made: committed records only."""

    def __init__(self, conf: Mapping[str, Any], topic: str, *, group_id: str = READER_GROUP) -> None:
        """Connect and look where the partitions begin and end, or raise ``SourceRefused`` or ``SourceUnreachable``.

        The group is never joined; it matters only for ``committed`` and ``group_metadata``.
        """
        fixed = {
            "group.id": group_id,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",  # what was deleted meanwhile is not there to be read
        }
        member_only = {"group.instance.id"}  # with it the coordinator would look for a member
        self.group_id = group_id
        self._topic = topic
        self._client = Consumer({**{name: value for name, value in conf.items() if name not in member_only}, **fixed})
        try:
            self.ends = {at: self._ends(at) for at in _partitions(self._client, topic)}
        except ConsumerError:
            self.close()
            raise
        self._unread: dict[TopicPartition, int] = {}

    def begin(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Begin at these offsets, or where the log begins if that is later; other partitions are not read."""
        begun = {at: max(offset, self.ends[at][0]) for at, offset in offsets.items()}
        self._unread = {at: offset for at, offset in begun.items() if offset < self.ends[at][1]}
        self._client.assign([ClientPartition(at.topic, at.partition, offset) for at, offset in self._unread.items()])

    def batches(self, *, max_records: int, max_bytes: int) -> Iterator[RecordBatch]:
        """Yield the records; ends with the last one that was there at the beginning.

        Raises:
            SourceRefused: The topic may not be read, or a record batch is damaged.
            SourceUnreachable: Nothing came for a long while though there is more.
        """
        while self._unread:
            messages = self._next(1)
            size = sum(map(len, messages))
            while messages and self._unread:
                count = next_slice(len(messages), size, max_records=max_records, max_bytes=max_bytes)
                more = self._take(count, LINGER_S) if count else []
                if not more:
                    break
                messages += more
                size += sum(map(len, more))
            batch = columns_of(messages)
            if batch is not None:
                yield batch

    def committed(self) -> dict[TopicPartition, tuple[int, str]]:
        """Return offset and note that the group has committed, the offset below 0 where there is none.

        The ends are looked up after that: so they lie behind what a replay that runs meanwhile has dealt with.

        Raises:
            SourceRefused: The group may not be looked at.
            SourceUnreachable: The coordinator does not answer.
        """
        wanted = [ClientPartition(at.topic, at.partition) for at in self.ends]
        try:
            found = self._client.committed(wanted, timeout=COMMITTED_TIMEOUT_S)
        except KafkaException as exception:
            raise _told(exception, f"committed offsets of {self._topic}") from exception
        for position in found:
            if position.error is not None:
                raise SourceRefused(f"committed offset of {position.topic}[{position.partition}]: {position.error}")
        self.ends = {at: self._ends(at) for at in self.ends}
        return {TopicPartition(p.topic, p.partition): (p.offset, p.metadata or "") for p in found}

    @property
    def group_metadata(self) -> object:
        """Return the group as a transaction names it: no member, no generation."""
        return self._client.consumer_group_metadata()

    def close(self) -> None:
        """Release the client."""
        with contextlib.suppress(KafkaException, RuntimeError):
            self._client.close()

    def _next(self, count: int) -> list[Message]:
        """Return the next records, none when all are read."""
        deadline = time.monotonic() + PATIENCE_S
        while self._unread:
            found = self._take(count, READ_TIMEOUT_S)
            if found:
                return found
            if time.monotonic() > deadline:
                raise SourceUnreachable(f"topic {self._topic}: no broker gave a record for {PATIENCE_S:.0f} s")
        return []

    def _take(self, count: int, timeout: float) -> list[Message]:
        """Return records that were there at the beginning, and note which partitions are read to that end."""
        messages = self._client.consume(count, timeout)
        found = []
        for message in _good(messages):
            at, offset = place_of(message), message.offset() or 0
            if offset < self.ends[at][1]:
                found.append(message)
            if offset + 1 >= self.ends[at][1]:
                self._unread.pop(at, None)
        for at in _ended(messages):  # the last offset of a partition often holds no record: a marker, an aborted one
            self._unread.pop(at, None)
        return found

    def _ends(self, at: TopicPartition) -> tuple[int, int]:
        try:
            ends = self._client.get_watermark_offsets(ClientPartition(at.topic, at.partition), COMMITTED_TIMEOUT_S)
        except KafkaException as exception:
            raise _told(exception, f"{at}") from exception
        if ends is None:
            raise SourceUnreachable(f"{at}: no broker says where it begins and ends")
        return ends


def _partitions(client: Consumer, topic: str) -> list[TopicPartition]:
    try:
        found = client.list_topics(topic, timeout=COMMITTED_TIMEOUT_S).topics[topic]
    except KafkaException as exception:
        raise SourceUnreachable(f"topic {topic}: no Kafka broker answers; run 'tidemill doctor'") from exception
    if found.error is not None:
        raise SourceRefused(f"topic {topic}: {found.error.str()}; create it with 'tidemill topics create'")
    return [TopicPartition(topic, number) for number in found.partitions]


def _good(messages: Sequence[Message]) -> list[Message]:
    """Return the records among what the client gave.

    Raises:
        SourceRefused: It gave an error that does not pass by itself.
    """
    for message in messages:
        error = message.error()
        if error is None:
            continue
        if error.code() in DAMAGED:
            raise SourceRefused(
                f"topic {message.topic()} partition {message.partition()}: the batch at offset {message.offset()} "
                f"is damaged ({error.str()}{DAMAGED[error.code()]}); "
                "restore the log segment, or let an undamaged replica lead"
            )
        if error.code() in REFUSED or error.fatal():
            raise SourceRefused(f"reading {message.topic()}: {error.str()} ({error.name()})")
    return [message for message in messages if message.error() is None]


def _ended(messages: Sequence[Message]) -> set[TopicPartition]:
    """Return the partitions of which the client says that there is no more."""
    return {
        place_of(message)
        for message in messages
        if (error := message.error()) is not None and error.code() == KafkaError._PARTITION_EOF
    }


def _told(exception: KafkaException, what: str) -> ConsumerError:
    error = exception.args[0]
    if isinstance(error, KafkaError) and error.code() in REFUSED:
        return SourceRefused(f"{what}: {error.str()} ({error.name()})")
    return SourceUnreachable(f"{what}: {error}; run 'tidemill doctor'")
