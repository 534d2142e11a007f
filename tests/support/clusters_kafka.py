"""The real broker under the broker contract."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Literal

from confluent_kafka import Consumer, KafkaError, Message, Producer
from confluent_kafka import TopicPartition as ClientPartition

from consumer.kafka import KafkaSource
from consumer.source import Positions
from producer.kafka import KafkaPlainSink, KafkaSink
from producer.records import TopicPartition
from tests.faults.collect import headers_of
from tests.support.clusters import PATIENCE_S, Stored, until
from tests.support.kafka import KafkaCluster, unique_name


class RealCluster:
    """A running Apache Kafka under contract, with one group protocol."""

    def __init__(self, kafka: KafkaCluster, closing: ExitStack, *, protocol: Literal["classic", "consumer"]) -> None:
        """Take a running cluster; ``closing`` gets every client made here."""
        self._kafka = kafka
        self._closing = closing
        self._group_conf: dict[str, Any] = {"group.protocol": protocol}
        if protocol == "classic":
            self._group_conf["partition.assignment.strategy"] = "cooperative-sticky"
            self._group_conf["heartbeat.interval.ms"] = 200  # how soon a member hears of a rebalance

    def create_topic(self, *, partitions: int = 1) -> str:
        """Create a topic and return its name."""
        return self._kafka.create_topic(unique_name("contract"), partitions=partitions)

    def unique(self, stem: str) -> str:
        """Return a name that nobody used before."""
        return unique_name(stem)

    def publish(self, topic: str, *values: bytes, key: bytes | None = None, partition: int | None = None) -> None:
        """Append records outside any transaction."""
        producer = Producer(self._producer_conf)
        for value in values:
            producer.produce(topic, value, key, -1 if partition is None else partition)
        assert producer.flush(PATIENCE_S) == 0

    def sink(self, transactional_id: str | None = None) -> KafkaSink:
        """Return an open transactional sink."""
        name = transactional_id or self.unique("id")
        sink = KafkaSink(self._producer_conf, transactional_id=name, transaction_timeout=10)
        self._closing.callback(sink.close)
        sink.open()
        return sink

    def plain_sink(self) -> KafkaPlainSink:
        """Return an open sink without transactions."""
        sink = KafkaPlainSink(self._producer_conf, flush_timeout=10)
        self._closing.callback(sink.close)
        sink.open()
        return sink

    def source(self, group_id: str, topic: str) -> KafkaSource:
        """Return a source that is joining the group."""
        return self._source(group_id, topic, None)

    def positioned_source(self, group_id: str, topic: str, positions: Positions) -> KafkaSource:
        """Return a source that is joining the group."""
        return self._source(group_id, topic, positions)

    def _source(self, group_id: str, topic: str, positions: Positions | None) -> KafkaSource:
        conf = {**self._consumer_conf, **self._group_conf, "statistics.interval.ms": 50}
        source = KafkaSource(conf, group_id=group_id, topics=[topic], positions=positions)
        self._closing.callback(source.close)
        source.open()
        return source

    def committed(self, group_id: str, topic: str) -> dict[TopicPartition, int]:
        """Return the committed offsets of a group, even while transactions are open; not where it began, at 0."""
        conf = {**self._consumer_conf, "isolation.level": "read_uncommitted", "group.id": group_id}
        asked = Consumer(conf)
        try:
            partitions = self._partitions_of(asked, topic)
            found = asked.committed(partitions, timeout=PATIENCE_S)
        finally:
            asked.close()
        return {TopicPartition(p.topic, p.partition): p.offset for p in found if p.offset > 0}

    def read_committed(self, topic: str) -> list[Stored]:
        """Read every partition from its beginning to its last stable offset."""
        reader = Consumer({**self._consumer_conf, "group.id": "unused", "enable.partition.eof": True})
        try:
            partitions = self._partitions_of(reader, topic)
            reader.assign([ClientPartition(p.topic, p.partition, 0) for p in partitions])
            stored: list[Stored] = []
            until(_reading(reader, stored, len(partitions)), "the end of the partitions")
        finally:
            reader.close()
        return sorted(stored)

    @property
    def _consumer_conf(self) -> dict[str, Any]:
        fixed = {"isolation.level": "read_committed", "enable.auto.commit": False, "fetch.wait.max.ms": 20}
        return {**self._kafka.client_settings, **fixed}

    @property
    def _producer_conf(self) -> dict[str, Any]:
        return {**self._kafka.client_settings, "partitioner": "murmur2_random", "linger.ms": 0}

    @staticmethod
    def _partitions_of(client: Consumer, topic: str) -> list[ClientPartition]:
        known = client.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
        return [ClientPartition(topic, number) for number in known]


def _reading(reader: Consumer, stored: list[Stored], partitions: int) -> Callable[[], bool]:
    """Return a step that reads on and says whether every partition has been read to its end."""
    ended: set[int | None] = set()

    def step() -> bool:
        for message in reader.consume(500, 0.1):
            error = message.error()
            if error is None:
                stored.append(_stored(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
        return len(ended) == partitions

    return step


def _stored(message: Message) -> Stored:
    at = TopicPartition(message.topic() or "", message.partition() or 0)
    offset = message.offset() or 0
    return Stored(at, offset, message.key(), message.value(), message.timestamp()[1], tuple(headers_of(message)))
