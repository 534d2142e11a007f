from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.broker import InMemoryBroker
from producer.broker_faults import Call, Fault
from producer.broker_groups import GroupMetadata
from producer.errors import ProducerError
from producer.memory import InMemoryPlainSink, InMemorySink
from producer.publishing import Bookmark, Event, EventPublisher
from producer.records import NextOffsets, TopicPartition

AT = TopicPartition("in", 0)
ROWS = [Event(None, b"%d" % line, line) for line in range(1, 8)]


@dataclass
class Memberless:
    """A group that only transactions commit for."""

    metadata = GroupMetadata("publish")

    def commit(self, offsets: NextOffsets) -> None:
        """Never called."""
        raise AssertionError(offsets)


def a_broker(**options: int) -> InMemoryBroker:
    """Return a broker with the topic ``in``."""
    broker = InMemoryBroker(**options)
    broker.create_topic("in", 1)
    return broker


def a_sink(broker: InMemoryBroker) -> InMemoryPlainSink:
    """Return an open sink without transactions."""
    sink = InMemoryPlainSink(broker)
    sink.open()
    return sink


def test_published_chunk_is_on_the_topic_when_the_call_returns() -> None:
    """Acknowledged means readable, in order, with key and the moment of publishing."""
    broker = a_broker()
    publisher = EventPublisher(a_sink(broker), "in", now_ms=lambda: 5)
    assert publisher.publish([Event(b"k", b"1"), Event(None, b"2")]) == []
    records = broker.read(AT).records
    assert [(r.key, r.value, r.timestamp_ms) for r in records] == [(b"k", b"1", 5), (None, b"2", 5)]


def test_events_that_are_too_large_are_left_out_and_returned() -> None:
    """The user learns which rows they are, and has all the others on the topic."""
    broker = a_broker(max_record_bytes=100)
    publisher = EventPublisher(a_sink(broker), "in")
    large = [Event(None, b"x" * 200, 2), Event(None, b"y" * 200, 3)]
    assert publisher.publish([Event(None, b"1", 1), *large, Event(None, b"4", 4)]) == large
    assert ([r.value for r in broker.read(AT).records], publisher.published) == ([b"1", b"4"], 2)


def test_rate_is_kept_over_the_whole_run() -> None:
    """Pauses make up for what went too fast, by the clock and not by the sleep's own exactness."""
    naps: list[float] = []
    moments = iter([0.0, 0.1, 0.9])
    publisher = EventPublisher(a_sink(a_broker()), "in", rate=10, monotonic=lambda: next(moments), sleep=naps.append)
    for _ in range(2):
        publisher.publish([Event(None, b"x")] * 4)
    assert naps == pytest.approx([0.3, 0.0])


def run_once(broker: InMemoryBroker, *, chunk: int) -> bool:
    """Publish what stands behind the bookmark, as a process of its own; return whether it came to the end."""
    sink = InMemorySink(broker, "file")
    try:
        sink.open()
        after = broker.committed("publish").get(AT, 0)
        publisher = EventPublisher(sink, "in", bookmark=Bookmark(AT, Memberless()))
        rest = [row for row in ROWS if row.line > after]
        for begin in range(0, len(rest), chunk):
            piece = rest[begin : begin + chunk]
            publisher.publish(piece, done=piece[-1].line)
    except ProducerError:
        return False
    return True


CALLS: st.SearchStrategy[Call] = st.sampled_from(["begin", "produce", "flush", "send_offsets", "commit", "abort"])


@given(
    faults=st.lists(st.tuples(CALLS, st.sampled_from(list(Fault)), st.integers(0, 3)), max_size=4),
    chunk=st.integers(1, 4),
)
def test_rows_are_there_once_however_often_the_run_is_interrupted(
    faults: list[tuple[Call, Fault, int]], chunk: int
) -> None:
    """Rows and bookmark move together, whatever fails and whether or not it is known to have failed."""
    broker = a_broker()
    for call, fault, skip in faults:
        broker.faults.fail_next(call, fault, skip=skip)
    for _ in range(len(faults) + 1):
        run_once(broker, chunk=chunk)
    broker.faults.clear()
    assert run_once(broker, chunk=chunk)
    assert [record.value for record in broker.read(AT).records] == [row.value for row in ROWS]
