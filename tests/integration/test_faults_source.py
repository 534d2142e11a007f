"""Where a group begins, and what a poll that fails must not lose: against a real broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
from confluent_kafka import Consumer, Message, Producer

from consumer import kafka_placing
from consumer.errors import PollFailed, SourceRefused
from consumer.kafka import KafkaSource
from consumer.records import RecordBatch
from producer.records import TopicPartition
from tests.support.kafka import KafkaCluster, unique_name
from tests.support.kafka_scoring import MEMBER, QUICK, wait_until

pytestmark = pytest.mark.kafka


class InterruptedSource(KafkaSource):
    """A source to which something happens just after its client has handed over the first records."""

    interruption: Callable[[], None] | None = None

    def _consume(self, count: int, timeout: float) -> list[Message]:
        found = super()._consume(count, timeout)
        if found and self.interruption is not None:
            interruption, self.interruption = self.interruption, None
            interruption()
        return found


def source(
    kafka: KafkaCluster, topic: str, group: str, *, start: Literal["earliest", "latest"] = "earliest"
) -> InterruptedSource:
    """Return a source that is not open yet."""
    return InterruptedSource({**kafka.client_settings, **QUICK, **MEMBER}, group_id=group, topics=[topic], start=start)


def publish(kafka: KafkaCluster, topic: str, *values: bytes) -> None:
    """Append records to the first partition."""
    producer = Producer(kafka.client_settings)
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(20) == 0


def poll(member: KafkaSource) -> RecordBatch | None:
    """Poll once; after a failure go back, as the worker does."""
    try:
        return member.poll(max_records=100, max_bytes=1 << 20, timeout=0.2, linger=0.0)
    except PollFailed:
        member.rewind()
        return None


def first_values(member: KafkaSource) -> list[bytes | None]:
    """Return the values of the first batch that comes."""
    found: list[RecordBatch] = []
    wait_until(lambda: (batch := poll(member)) is not None and not found.append(batch), "a batch")  # type: ignore[func-returns-value]
    return list(found[0].values)


def fail() -> None:
    """Be the exception that leaves a poll."""
    raise PollFailed("an exception with records on the way")


def test_failed_first_poll_loses_nothing(kafka: KafkaCluster) -> None:
    """Records dequeued by a poll that failed come again even though the group has never committed a batch."""
    topic = kafka.create_topic(unique_name("in"))
    publish(kafka, topic, b"0", b"1", b"2")
    member = source(kafka, topic, unique_name("group"))
    member.interruption = fail
    member.open()
    try:
        assert first_values(member) == [b"0", b"1", b"2"]
    finally:
        member.close()


def test_latest_begins_once_for_the_group(kafka: KafkaCluster) -> None:
    """With `latest` a successor begins where the first did, not behind what that one read and never committed."""
    topic, group = kafka.create_topic(unique_name("in")), unique_name("group")
    publish(kafka, topic, b"old")
    first = source(kafka, topic, group, start="latest")
    first.open()
    wait_until(lambda: poll(first) is None and bool(first.statuses()), "a position")
    publish(kafka, topic, b"0", b"1")
    assert first_values(first)[0] == b"0"
    first.close()
    successor = source(kafka, topic, group, start="latest")
    successor.open()
    try:
        assert first_values(successor) == [b"0", b"1"]
    finally:
        successor.close()


def test_placing_that_failed_is_tried_again(kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the coordinator does not answer just as a partition must be placed, the partition is not forgotten."""
    topic = kafka.create_topic(unique_name("in"))
    publish(kafka, topic, b"0")
    member = source(kafka, topic, unique_name("group"))
    answers, failures = kafka_placing.committed, [fail]

    def committed(client: Consumer, partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
        if partitions and failures:
            failures.pop()()
        return answers(client, partitions)

    monkeypatch.setattr(kafka_placing, "committed", committed)
    member.open()
    try:
        assert first_values(member) == [b"0"]
    finally:
        member.close()


def test_source_of_a_missing_topic_says_so(kafka: KafkaCluster) -> None:
    """A features topic that does not exist is an error with a remedy, not a member that waits for ever."""
    member = source(kafka, unique_name("nowhere"), unique_name("group"))
    try:
        with pytest.raises(SourceRefused, match="tidemill topics create"):
            member.open()
    finally:
        member.close()


def test_source_with_an_unknown_property_says_so(kafka: KafkaCluster) -> None:
    """What the client does not take is told in one line that names it."""
    member = KafkaSource({**kafka.client_settings, "no.such": "1"}, group_id="g", topics=["t"])
    with pytest.raises(SourceRefused, match=r"no\.such"):
        member.open()
