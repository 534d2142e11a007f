"""The sink on Apache Kafka where the client's own limits are met."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest

from producer.errors import RecordTooLarge
from producer.kafka import KafkaPlainSink
from producer.records import RecordColumns
from tests.support.clusters_kafka import RealCluster
from tests.support.kafka import KafkaCluster

pytestmark = pytest.mark.kafka


def records(values: list[bytes]) -> RecordColumns:
    """Return records of one key."""
    return RecordColumns([b"k"] * len(values), values, np.full(len(values), 1000))


def test_a_full_queue_is_waited_for_and_costs_no_record_its_place(kafka: KafkaCluster) -> None:
    """Records handed over at once may be many times what the client holds; each goes out once, in order."""
    topic = kafka.create_topic("sink-full-queue")
    sink = KafkaPlainSink({**kafka.client_settings, "queue.buffering.max.messages": 7}, flush_timeout=30)
    values = [b"%d" % number for number in range(100)]
    sink.open()
    sink.begin()
    sink.produce_many(topic, records(values))
    sink.flush()
    sink.close()
    with ExitStack() as closing:
        found = RealCluster(kafka, closing, protocol="classic").read_committed(topic)
    assert [record.value for record in found] == values


def test_a_refused_record_is_named_by_its_place_after_a_full_queue(kafka: KafkaCluster) -> None:
    """Waiting for room does not lose count of the records."""
    topic = kafka.create_topic("sink-refused")
    sink = KafkaPlainSink({**kafka.client_settings, "queue.buffering.max.messages": 7}, flush_timeout=30)
    sink.open()
    sink.begin()
    with pytest.raises(RecordTooLarge) as caught:
        sink.produce_many(topic, records([*[b"small"] * 20, bytes(2_000_000), b"never"]))
    sink.flush()
    sink.close()
    assert caught.value.index == 20
