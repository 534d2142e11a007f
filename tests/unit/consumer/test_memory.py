from __future__ import annotations

import threading

import pytest

from consumer.errors import OffsetsLost, PollFailed, SourceRefused
from consumer.memory import InMemoryReader, InMemorySource
from consumer.records import RecordBatch
from producer.broker import InMemoryBroker
from producer.broker_faults import Fault
from producer.records import TopicPartition

P0, P1 = TopicPartition("in", 0), TopicPartition("in", 1)


@pytest.fixture
def broker() -> InMemoryBroker:
    """Return a broker with an input of two partitions."""
    broker = InMemoryBroker()
    broker.create_topic("in", 2, retention_records=100)
    return broker


def publish(broker: InMemoryBroker, *values: bytes, partition: int = 0) -> None:
    """Append values to a partition of the input."""
    for value in values:
        broker.publish("in", key=None, value=value, timestamp_ms=7, partition=partition)


def poll(source: InMemorySource, *, max_records: int = 100, max_bytes: int = 1 << 20) -> RecordBatch | None:
    """Poll without waiting."""
    return source.poll(max_records=max_records, max_bytes=max_bytes, timeout=0, linger=0)


def polled(source: InMemorySource, *, max_records: int = 100, max_bytes: int = 1 << 20) -> list[bytes | None]:
    """Poll without waiting and return the values."""
    batch = poll(source, max_records=max_records, max_bytes=max_bytes)
    return [] if batch is None else list(batch.values)


def test_source_stops_when_records_were_deleted_unread(broker: InMemoryBroker) -> None:
    """A position that has left the log is an error that names it; skipping would lose events in silence."""
    source = InMemorySource(broker, "group", ["in"])
    source.open()
    publish(broker, b"first")
    poll(source)
    publish(broker, *(b"%d" % n for n in range(300)))
    with pytest.raises(OffsetsLost, match=r"in\[0\]: the next offset is 1, but the log begins at"):
        poll(source)


def test_source_starts_where_told_only_without_a_commit(broker: InMemoryBroker) -> None:
    """`latest` skips what is there, once; a committed offset counts more."""
    publish(broker, b"old")
    first = InMemorySource(broker, "group", ["in"], start="latest")
    first.open()
    assert polled(first) == []
    publish(broker, b"new", b"newer")
    assert polled(first) == [b"new", b"newer"]
    first.group().commit({P0: 2})
    first.close()
    second = InMemorySource(broker, "group", ["in"], start="latest")
    second.open()
    assert polled(second) == [b"newer"]


def test_expelled_member_learns_of_its_loss_and_joins_again(broker: InMemoryBroker) -> None:
    """A member that the group gave up forgets everything and starts from what is committed."""
    changes: list[tuple[str, list[TopicPartition]]] = []
    source = InMemorySource(broker, "group", ["in"], on_rebalance=lambda kind, parts: changes.append((kind, [*parts])))
    source.open()
    publish(broker, b"a")
    assert polled(source) == [b"a"]
    before = source.assignments
    broker.leave("group", source.member_id)
    assert polled(source) == [b"a"]
    assert source.assignments > before
    assert changes == [("assigned", [P0, P1]), ("lost", [P0, P1]), ("assigned", [P0, P1])]


def test_failed_poll_loses_nothing_after_a_rewind(broker: InMemoryBroker) -> None:
    """Records dropped by a failing poll come again after the rewind."""
    source = InMemorySource(broker, "group", ["in"])
    source.open()
    publish(broker, b"a", b"b")
    broker.faults.fail_next("poll", Fault.TIMEOUT_APPLIED)
    with pytest.raises(PollFailed):
        poll(source)
    assert polled(source) == []
    source.rewind()
    assert polled(source) == [b"a", b"b"]


def test_poll_respects_bytes_and_starves_no_partition(broker: InMemoryBroker) -> None:
    """A batch ends before the limit is passed, one record always fits, and a full partition does not block another."""
    source = InMemorySource(broker, "group", ["in"])
    source.open()
    publish(broker, *[b"x" * 10] * 9, partition=0)
    publish(broker, b"y" * 10, partition=1)
    assert [len(polled(source, max_bytes=25)) for _ in range(2)] == [2, 2]
    broker.publish("in", key=None, value=b"z" * 99, timestamp_ms=7, partition=1)
    found = [value for _ in range(4) for value in polled(source, max_bytes=25)]
    assert b"z" * 99 in found


def test_poll_wakes_up_for_a_record(broker: InMemoryBroker) -> None:
    """A poll that waits returns when a record arrives, long before its timeout."""
    source = InMemorySource(broker, "group", ["in"])
    source.open()
    writer = threading.Timer(0.05, publish, [broker, b"late"])
    writer.start()
    batch = source.poll(max_records=10, max_bytes=100, timeout=60, linger=0)
    writer.join()
    assert batch is not None
    assert (list(batch.values), batch.at(0), batch.next_offsets()) == ([b"late"], P0, {P0: 1})


def test_missing_topic_is_refused(broker: InMemoryBroker) -> None:
    """Neither a member nor a reader can read a topic that does not exist."""
    with pytest.raises(SourceRefused, match="'nowhere' does not exist"):
        InMemorySource(broker, "group", ["nowhere"]).open()
    with pytest.raises(SourceRefused, match="'nowhere' does not exist"):
        InMemoryReader(broker, topics=["nowhere"])


def test_reader_follows_a_topic_from_either_end(broker: InMemoryBroker) -> None:
    """A reader outside every group sees all partitions, from the beginning or only what comes."""
    publish(broker, b"a", partition=0)
    publish(broker, b"b", partition=1)
    readers = [InMemoryReader(broker, topics=["in"]), InMemoryReader(broker, topics=["in"], start="latest")]
    publish(broker, b"c", partition=1)
    batches = [reader.read(max_records=10, timeout=0) for reader in readers]
    assert [list(batch.values) if batch else None for batch in batches] == [[b"a", b"b", b"c"], [b"c"]]
    assert [reader.read(max_records=10, timeout=0) for reader in readers] == [None, None]
