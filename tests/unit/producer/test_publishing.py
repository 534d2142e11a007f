from __future__ import annotations

import pytest

from producer.broker import InMemoryBroker
from producer.errors import ProducerError
from producer.memory import InMemoryPlainSink
from producer.publishing import Event, EventPublisher
from producer.records import TopicPartition


def a_sink(broker: InMemoryBroker) -> InMemoryPlainSink:
    """Return an open sink on a broker with the topic ``in``."""
    broker.create_topic("in", 1)
    sink = InMemoryPlainSink(broker)
    sink.open()
    return sink


def test_published_chunk_is_on_the_topic_when_the_call_returns() -> None:
    """Acknowledged means readable, in order, with key and the moment of publishing."""
    broker = InMemoryBroker()
    publisher = EventPublisher(a_sink(broker), "in", now_ms=lambda: 5)
    assert publisher.publish([Event(b"k", b"1"), Event(None, b"2")]) == 2
    records = broker.read(TopicPartition("in", 0)).records
    assert [(r.key, r.value, r.timestamp_ms) for r in records] == [(b"k", b"1", 5), (None, b"2", 5)]


def test_event_that_is_too_large_is_named_by_its_number() -> None:
    """The user learns which event of the file is too large."""
    publisher = EventPublisher(a_sink(InMemoryBroker(max_record_bytes=100)), "in")
    publisher.publish([Event(None, b"1")])
    with pytest.raises(ProducerError, match=r"event 3 \(200 bytes\)"):
        publisher.publish([Event(None, b"2"), Event(None, b"x" * 200)])


def test_rate_is_kept_over_the_whole_run() -> None:
    """Pauses make up for what went too fast, by the clock and not by the sleep's own exactness."""
    naps: list[float] = []
    moments = iter([0.0, 0.1, 0.9])
    publisher = EventPublisher(
        a_sink(InMemoryBroker()), "in", rate=10, monotonic=lambda: next(moments), sleep=naps.append
    )
    for _ in range(2):
        publisher.publish([Event(None, b"x")] * 4)
    assert naps == pytest.approx([0.3, 0.0])
