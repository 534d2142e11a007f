"""What the engine relies on when it writes: transactions, fencing, delivery. Memory and Apache Kafka keep it."""

from __future__ import annotations

import numpy as np
import pytest

from producer.errors import AbortRequired, RecordTooLarge, RecreateRequired, SinkRefused
from producer.partitioning import partition_for_key
from producer.records import RecordColumns, TopicPartition
from tests.support.clusters import (
    Cluster,
    own_everything,
    poll_until,
    poll_values,
    produce,
    publish_in_transaction,
    taken,
    until,
    values_in,
)

# Transactions


def test_commit_shows_records_and_offsets_together(cluster: Cluster) -> None:
    """Nothing is visible before the commit; after it records and offsets both are."""
    inputs, outputs, group = cluster.create_topic(), cluster.create_topic(), cluster.unique("group")
    cluster.publish(inputs, b"a", b"b")
    source, sink = cluster.source(group, inputs), cluster.sink()
    poll_values(source, 2)
    sink.begin()
    produce(sink, outputs, b"A", b"B")
    sink.flush()
    sink.send_offsets({TopicPartition(inputs, 0): 2}, source.group())
    assert (values_in(cluster, outputs), cluster.committed(group, inputs)) == ([], {})
    sink.commit()
    assert values_in(cluster, outputs) == [b"A", b"B"]
    assert cluster.committed(group, inputs) == {TopicPartition(inputs, 0): 2}


def test_abort_leaves_neither_records_nor_offsets(cluster: Cluster) -> None:
    """What an aborted transaction wrote is never seen, and the sink goes on."""
    inputs, outputs, group = cluster.create_topic(), cluster.create_topic(), cluster.unique("group")
    cluster.publish(inputs, b"a")
    source, sink = cluster.source(group, inputs), cluster.sink()
    poll_values(source, 1)
    sink.begin()
    produce(sink, outputs, b"undone")
    sink.flush()
    sink.send_offsets({TopicPartition(inputs, 0): 1}, source.group())
    sink.abort()
    sink.begin()
    produce(sink, outputs, b"kept")
    sink.flush()
    sink.commit()
    assert (values_in(cluster, outputs), cluster.committed(group, inputs)) == ([b"kept"], {})


def test_readers_wait_behind_an_open_transaction(cluster: Cluster) -> None:
    """Records after an open transaction stay unread until it ends, so that order is kept."""
    topic = cluster.create_topic()
    sink = cluster.sink()
    sink.begin()
    produce(sink, topic, b"first")
    sink.flush()
    cluster.publish(topic, b"second")
    assert values_in(cluster, topic) == []
    sink.commit()
    assert values_in(cluster, topic) == [b"first", b"second"]


def test_marker_takes_an_offset(cluster: Cluster) -> None:
    """The end marker of a transaction has an offset of its own, aborted or committed."""
    topic = cluster.create_topic()
    publish_in_transaction(cluster, topic, b"a")
    publish_in_transaction(cluster, topic, b"b")
    assert [record.offset for record in cluster.read_committed(topic)] == [0, 2]


def test_record_is_stored_as_given(cluster: Cluster) -> None:
    """Key, value, timestamp and headers arrive as they were sent, nulls and repeated names included."""
    topic, headers = cluster.create_topic(partitions=2), (("h", b"\xff"), ("h", None), ("g", b""))
    sink = cluster.sink()
    sink.begin()
    sink.produce(topic, key=b"k", value=None, timestamp_ms=123_456, headers=headers, partition=1)
    sink.flush()
    sink.commit()
    [stored] = cluster.read_committed(topic)
    assert stored == (TopicPartition(topic, 1), 0, b"k", None, 123_456, headers)


def test_too_large_record_leaves_the_transaction_usable(cluster: Cluster) -> None:
    """A record over the limit is refused alone; the rest of its batch is committed."""
    topic, sink = cluster.create_topic(), cluster.sink()
    sink.begin()
    with pytest.raises(RecordTooLarge):
        produce(sink, topic, bytes(2_000_000))
    produce(sink, topic, b"small")
    sink.flush()
    sink.commit()
    assert values_in(cluster, topic) == [b"small"]


def test_too_large_record_among_many_is_named_and_the_ones_before_it_are_taken(cluster: Cluster) -> None:
    """What comes after the refused record is the caller's to hand over again, so nothing is sent twice or left out."""
    topic, sink = cluster.create_topic(), cluster.sink()
    values = [b"a", bytes(2_000_000), b"c"]
    sink.begin()
    with pytest.raises(RecordTooLarge) as caught:
        sink.produce_many(topic, RecordColumns([b"k"] * 3, values, np.full(3, 1000)))
    sink.flush()
    sink.commit()
    assert (caught.value.index, values_in(cluster, topic)) == (1, [b"a"])


def test_many_records_are_stored_as_one_by_one(cluster: Cluster) -> None:
    """Order, keys, partitions, headers and timestamps of columns arrive as those of single records."""
    topic, headers = cluster.create_topic(partitions=2), (("h", b"1"), ("g", None))
    columns = RecordColumns([None, b"k", None], [b"a", None, b"c"], np.array([1, 2, 3]), [(), headers, ()], [1, 1, 1])
    sink = cluster.sink()
    sink.begin()
    sink.produce_many(topic, columns)
    sink.flush()
    sink.commit()
    at = TopicPartition(topic, 1)
    assert cluster.read_committed(topic) == [
        (at, 0, None, b"a", 1, ()),
        (at, 1, b"k", None, 2, headers),
        (at, 2, None, b"c", 3, ()),
    ]


def test_equal_keys_share_the_partition_of_the_java_client(cluster: Cluster) -> None:
    """A key decides the partition, by the same hash for every producer."""
    topic, sink = cluster.create_topic(partitions=5), cluster.sink()
    keys = [b"card-%d" % (number % 7) for number in range(21)] + [b""]
    sink.begin()
    for key in keys:
        produce(sink, topic, b"v", key=key)
    sink.flush()
    sink.commit()
    expected = sorted((partition_for_key(key, 5), key) for key in keys)
    assert expected == sorted((record.at.partition, record.key) for record in cluster.read_committed(topic))


def test_missing_topic_is_refused(cluster: Cluster) -> None:
    """The partition count of a topic that is not there is an error, not a new topic."""
    topic, sink = cluster.create_topic(partitions=3), cluster.sink()
    assert sink.partition_count(topic) == 3
    with pytest.raises(SinkRefused):
        sink.partition_count(cluster.unique("missing"))


# Fencing


def test_second_open_fences_the_first(cluster: Cluster) -> None:
    """Of two producers with one transactional id only the later one can commit."""
    topic, name = cluster.create_topic(), cluster.unique("id")
    zombie = cluster.sink(name)
    zombie.begin()
    produce(zombie, topic, b"zombie")
    zombie.flush()
    owner = cluster.sink(name)
    with pytest.raises(RecreateRequired):
        zombie.commit()
    owner.begin()
    produce(owner, topic, b"owner")
    owner.flush()
    owner.commit()
    assert values_in(cluster, topic) == [b"owner"]


def test_fenced_sink_says_so_at_every_step(cluster: Cluster) -> None:
    """A sink fenced with records under way fails with an error of ours, and nothing short of a new producer helps."""
    topic, name = cluster.create_topic(), cluster.unique("id")
    zombie = cluster.sink(name)
    zombie.begin()
    produce(zombie, topic, b"acknowledged")
    zombie.flush()
    owner = cluster.sink(name)
    produce(zombie, topic, b"too late")
    with pytest.raises((AbortRequired, RecreateRequired)):
        zombie.flush()
    with pytest.raises(RecreateRequired):
        zombie.abort()
    owner.begin()
    owner.commit()
    assert values_in(cluster, topic) == []


def test_reopen_settles_the_open_transaction(cluster: Cluster) -> None:
    """After ``reopen`` the old transaction is over: readers pass it, and its offsets are not committed."""
    inputs, outputs, group = cluster.create_topic(), cluster.create_topic(), cluster.unique("group")
    cluster.publish(inputs, b"a")
    source, sink = cluster.source(group, inputs), cluster.sink()
    poll_values(source, 1)
    sink.begin()
    produce(sink, outputs, b"left open")
    sink.flush()
    sink.send_offsets({TopicPartition(inputs, 0): 1}, source.group())
    sink.reopen()
    cluster.publish(outputs, b"after")
    assert (values_in(cluster, outputs), cluster.committed(group, inputs)) == ([b"after"], {})


def test_reopened_sink_commits_again(cluster: Cluster) -> None:
    """A fenced sink is as good as new after ``reopen``."""
    topic, name = cluster.create_topic(), cluster.unique("id")
    sink = cluster.sink(name)
    sink.begin()
    produce(sink, topic, b"lost")
    sink.flush()
    cluster.sink(name)
    with pytest.raises(RecreateRequired):
        sink.commit()
    sink.reopen()
    sink.begin()
    produce(sink, topic, b"kept")
    sink.flush()
    sink.commit()
    assert values_in(cluster, topic) == [b"kept"]


def test_stale_generation_is_refused(cluster: Cluster) -> None:
    """Group metadata from before a rebalance cannot commit for a partition that has moved, and moves nothing."""
    topic, group, output = cluster.create_topic(partitions=2), cluster.unique("group"), cluster.create_topic()
    first, sink = cluster.source(group, topic), cluster.sink()
    own_everything(first, 2)
    stale = taken(first.group())
    second = cluster.source(group, topic)
    poll_until(lambda: len(first.owned) == len(second.owned) == 1, first, second)
    sink.begin()
    produce(sink, output, b"zombie")
    with pytest.raises(AbortRequired):
        sink.send_offsets(dict.fromkeys(second.owned, 7), stale)
    sink.abort()
    assert (values_in(cluster, output), cluster.committed(group, topic)) == ([], {})


# At least once


def test_plain_sink_commits_offsets_after_delivery(cluster: Cluster) -> None:
    """Without transactions records are visible first, and the offsets follow with ``commit``."""
    inputs, outputs, group = cluster.create_topic(), cluster.create_topic(), cluster.unique("group")
    cluster.publish(inputs, b"a")
    source, sink = cluster.source(group, inputs), cluster.plain_sink()
    poll_values(source, 1)
    sink.begin()
    produce(sink, outputs, b"A")
    sink.flush()
    sink.send_offsets({TopicPartition(inputs, 0): 1}, source.group())
    assert (values_in(cluster, outputs), cluster.committed(group, inputs)) == ([b"A"], {})
    sink.commit()
    until(lambda: cluster.committed(group, inputs) == {TopicPartition(inputs, 0): 1}, "the offsets")
