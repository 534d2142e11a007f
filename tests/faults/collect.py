"""Collect the evidence from a real cluster, with the plain client: what a stranger could read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    Message,
    TopicPartition,
)

from tests.faults.judge import Evidence, InputRecord, OutputRecord, Source

SourceOf: TypeAlias = Callable[[Message], Source]
READ_TIMEOUT_S = 60.0


def source_in_json(message: Message) -> Source:
    """Return the source coordinates in the fields of a JSON score."""
    score = json.loads(message.value() or b"null")
    return Source(score["source_topic"], score["source_partition"], score["source_offset"])


def headers_of(message: Message) -> Sequence[tuple[str, bytes | None]]:
    """Return the headers of a message, none where a name is no UTF-8.

    The client's method is mapped: Python 3.11 does not see the error of a plain call and may crash. Nor may such a
    message be asked again: it would answer with a list that has a hole.
    """
    try:
        found: Any = next(map(Message.headers, [message]))
    except (SystemError, UnicodeDecodeError):
        message.set_headers([])
        return ()
    return found or ()


def source_in_headers(message: Message) -> Source:
    """Return the source coordinates in the Connect headers of a dead letter."""
    headers = {name: value or b"" for name, value in headers_of(message)}
    prefix = "__connect.errors."
    return Source(
        headers[prefix + "topic"].decode(), int(headers[prefix + "partition"]), int(headers[prefix + "offset"])
    )


def collect(
    client: Mapping[str, Any],
    *,
    group: str,
    inputs: Sequence[str],
    scores: str,
    dead_letters: str,
    score_source: SourceOf = source_in_json,
) -> Evidence:
    """Wait until all transactions are finished, then read everything."""
    unfinished = wait_until_finished(client, [scores, dead_letters])
    return Evidence(
        inputs=[
            InputRecord(Source(m.topic() or "", m.partition() or 0, m.offset() or 0), m.value())
            for topic in inputs
            for m in read_all(client, topic)
        ],
        scores=[_output(m, score_source) for m in read_all(client, scores)],
        dead_letters=[_output(m, source_in_headers) for m in read_all(client, dead_letters)],
        committed=committed_offsets(client, group, inputs),
        unfinished=unfinished,
    )


def read_all(client: Mapping[str, Any], topic: str) -> list[Message]:
    """Return every record of a topic that a ``read_committed`` reader sees now."""
    consumer = Consumer(
        {
            **client,
            "group.id": "verifier",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        partitions = list(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
        return _read_to_the_end(consumer, set(partitions))
    finally:
        consumer.close()


def _read_to_the_end(consumer: Consumer, waiting: set[int]) -> list[Message]:
    found: list[Message] = []
    deadline = time.monotonic() + READ_TIMEOUT_S
    while waiting:
        if time.monotonic() > deadline:
            raise TimeoutError(f"partitions {sorted(waiting)} have no readable end after {READ_TIMEOUT_S} s")
        for message in consumer.consume(10_000, 0.5):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                waiting.discard(message.partition() or 0)
    return found


def wait_until_finished(
    client: Mapping[str, Any], topics: Sequence[str], *, timeout: float = 60
) -> list[tuple[str, int]]:
    """Return the partitions on which a transaction is still open after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        stable, end = (_ends(client, topics, level) for level in ("read_committed", "read_uncommitted"))
        unfinished = [lane for lane, offset in end.items() if stable[lane] != offset]
        if not unfinished or time.monotonic() > deadline:
            return unfinished
        time.sleep(0.2)


def _ends(client: Mapping[str, Any], topics: Sequence[str], level: str) -> dict[tuple[str, int], int]:
    consumer = Consumer({**client, "group.id": "verifier", "isolation.level": level})
    try:
        return {
            (topic, partition): consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
            for topic in topics
            for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions
        }
    finally:
        consumer.close()


def end_of_data(client: Mapping[str, Any], topic: str) -> dict[tuple[str, int], int]:
    """Return the log end offsets of a topic that is written without transactions: last record + 1."""
    return _ends(client, [topic], "read_uncommitted")


def committed_offsets(client: Mapping[str, Any], group: str, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    """Return the next offsets a group has committed on these topics; partitions without one are left out.

    Asked of a consumer, not of the admin client: librdkafka 2.16 crashes the process when that one asks a
    coordinator that has only just come back.
    """
    consumer = Consumer({**client, "group.id": group, "isolation.level": "read_uncommitted"})
    try:
        partitions = [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ]
        return {(p.topic, p.partition): p.offset for p in consumer.committed(partitions, timeout=30) if p.offset >= 0}
    finally:
        consumer.close()


def _output(message: Message, source_of: SourceOf) -> OutputRecord:
    return OutputRecord(
        source=source_of(message),
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
    )
