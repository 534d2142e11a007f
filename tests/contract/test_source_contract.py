"""What the engine relies on when it reads: order, rewinds, groups, lag. Memory and Apache Kafka keep it."""

from __future__ import annotations

import pytest

from consumer.errors import OffsetsLost
from consumer.stall import StallDetector
from producer.records import TopicPartition
from tests.support.clusters import (
    Cluster,
    commit_batch,
    own_everything,
    poll,
    poll_until,
    poll_values,
    produce,
    publish_in_transaction,
    rewind,
    until,
    values_in,
)
from tests.support.positions import ToldPositions


def test_poll_keeps_the_order_of_each_partition(cluster: Cluster) -> None:
    """Within a partition records come in offset order, across polls of any size."""
    topic = cluster.create_topic(partitions=3)
    for partition in range(3):
        cluster.publish(topic, *(b"%d-%02d" % (partition, n) for n in range(20)), partition=partition)
    source = cluster.source(cluster.unique("group"), topic)
    values = [value or b"" for value in poll_values(source, 60, max_records=7)]
    for partition in range(3):
        of_partition = [value for value in values if value.startswith(b"%d-" % partition)]
        assert of_partition == [b"%d-%02d" % (partition, n) for n in range(20)]


def test_poll_respects_max_records(cluster: Cluster) -> None:
    """A batch is never larger than asked for, and its columns agree."""
    topic = cluster.create_topic()
    cluster.publish(topic, *(b"%d" % n for n in range(10)), key=b"k")
    source = cluster.source(cluster.unique("group"), topic)
    poll_values(source, 1)
    batch = poll(source, max_records=4, timeout=10)
    assert batch is not None
    assert list(batch.values) == [b"%d" % n for n in range(1, 1 + len(batch))]
    assert 1 <= len(batch) <= 4
    assert set(batch.keys) == {b"k"}
    assert batch.next_offsets() == {TopicPartition(topic, 0): 1 + len(batch)}


def test_aborted_records_are_not_polled(cluster: Cluster) -> None:
    """A source passes over what was aborted and over markers, and says so in its fetch offset."""
    topic, sink = cluster.create_topic(), cluster.sink()
    sink.begin()
    produce(sink, topic, b"undone")
    sink.flush()
    sink.abort()
    publish_in_transaction(cluster, topic, b"kept")
    source = cluster.source(cluster.unique("group"), topic)
    assert poll_values(source, 1) == [b"kept"]


def test_rewind_returns_to_what_is_committed(cluster: Cluster) -> None:
    """After a rewind the first record is the committed next offset: no gap, no double."""
    topic, group = cluster.create_topic(), cluster.unique("group")
    cluster.publish(topic, *(b"%d" % n for n in range(6)))
    source, sink = cluster.source(group, topic), cluster.sink()
    poll_values(source, 5)
    commit_batch(sink, source, 3, topic)
    rewind(source)
    assert poll_values(source, 3) == [b"3", b"4", b"5"]


def test_rewind_without_commit_returns_to_the_first_record(cluster: Cluster) -> None:
    """With nothing committed a rewind goes back to where this member began."""
    topic = cluster.create_topic()
    cluster.publish(topic, b"0", b"1", b"2")
    source = cluster.source(cluster.unique("group"), topic)
    poll_values(source, 2)
    rewind(source)
    assert poll_values(source, 3) == [b"0", b"1", b"2"]


def test_restart_goes_on_at_what_is_committed(cluster: Cluster) -> None:
    """A new client of the same member starts at the committed offset, and the number of assignments grows."""
    topic, group = cluster.create_topic(), cluster.unique("group")
    cluster.publish(topic, b"0", b"1", b"2")
    source, sink = cluster.source(group, topic), cluster.sink()
    poll_values(source, 2)
    before = source.assignments
    commit_batch(sink, source, 1, topic)
    source.restart()
    assert poll_values(source, 2) == [b"1", b"2"]
    assert source.assignments > before


def test_new_owner_waits_for_undecided_offsets(cluster: Cluster) -> None:
    """While a transaction may still commit a partition's offset nobody reads the partition."""
    topic, group = cluster.create_topic(), cluster.unique("group")
    cluster.publish(topic, b"0", b"1", b"2")
    source, sink = cluster.source(group, topic), cluster.sink()
    poll_values(source, 2)
    sink.begin()
    sink.send_offsets({TopicPartition(topic, 0): 2}, source.group())
    source.close()
    successor = cluster.source(group, topic)
    own_everything(successor, 1)
    assert poll(successor, timeout=0.3) is None
    sink.commit()
    assert poll_values(successor, 1) == [b"2"]


# Groups


def test_two_members_share_and_the_last_takes_over(cluster: Cluster) -> None:
    """Partitions are split without overlap; when a member leaves the other reads on from what is committed."""
    topic, group = cluster.create_topic(partitions=4), cluster.unique("group")
    partitions = {TopicPartition(topic, number) for number in range(4)}
    first, second = cluster.source(group, topic), cluster.source(group, topic)
    poll_until(lambda: len(first.owned) == len(second.owned) == 2, first, second)
    assert first.owned | second.owned == partitions
    before = first.assignments
    second.close()
    assert not second.owned
    poll_until(lambda: first.owned == partitions, first)
    assert first.assignments > before


def test_poll_returns_only_owned_partitions(cluster: Cluster) -> None:
    """Every record comes to exactly one member: the owner of its partition."""
    topic, group = cluster.create_topic(partitions=2), cluster.unique("group")
    first, second = cluster.source(group, topic), cluster.source(group, topic)
    poll_until(lambda: len(first.owned) == len(second.owned) == 1, first, second)
    [mine], [yours] = first.owned, second.owned
    cluster.publish(topic, b"mine", partition=mine.partition)
    cluster.publish(topic, b"yours", partition=yours.partition)
    assert (poll_values(first, 1), poll_values(second, 1)) == ([b"mine"], [b"yours"])
    assert (poll(first), poll(second)) == (None, None)


# Lag


def test_marker_at_the_end_is_not_lag(cluster: Cluster) -> None:
    """Caught up with a topic written in transactions, a source is not stalled, though committed < end."""
    topic, group = cluster.create_topic(), cluster.unique("group")
    publish_in_transaction(cluster, topic, b"a", b"b")
    source, sink = cluster.source(group, topic), cluster.sink()
    poll_values(source, 2)
    commit_batch(sink, source, 2, topic)
    poll_until(lambda: any(s.fetch_offset == s.stable_offset == 3 for s in source.statuses()), source)
    [status] = source.statuses()
    assert (status.delivered_offset, status.end_offset) == (2, 3)
    stalls = StallDetector(stall_after_s=1, blocked_after_s=1)
    assert all(not any(stalls.observe([status], now)) for now in range(20))


def test_foreign_open_transaction_blocks_without_stalling(cluster: Cluster) -> None:
    """Behind somebody's open transaction the stable offset stands below the end: blocked, not stalled."""
    topic, sink = cluster.create_topic(), cluster.sink()
    cluster.publish(topic, b"a")
    sink.begin()
    produce(sink, topic, b"held back")
    sink.flush()
    source = cluster.source(cluster.unique("group"), topic)
    poll_values(source, 1)
    poll_until(lambda: any(s.stable_offset == 1 and s.end_offset == 2 for s in source.statuses()), source)
    [status] = source.statuses()
    stalls = StallDetector(stall_after_s=1, blocked_after_s=1)
    reports = [stalls.observe([status], now) for now in range(20)]
    assert reports[-1] == ((), (TopicPartition(topic, 0),))
    sink.commit()
    assert poll_values(source, 1) == [b"held back"]


# Positions


def test_positions_count_more_than_what_the_group_committed(cluster: Cluster) -> None:
    """A partition gives nothing before it is known where it is read from, and then begins exactly there."""
    topic, group = cluster.create_topic(), cluster.unique("group")
    cluster.publish(topic, *(b"%d" % n for n in range(6)))
    first, sink = cluster.source(group, topic), cluster.sink()
    poll_values(first, 5)
    commit_batch(sink, first, 1, topic)
    first.close()
    told = ToldPositions()
    source = cluster.positioned_source(group, topic, told)
    own_everything(source, 1)
    assert [poll(source, timeout=0.2) for _ in range(3)] == [None] * 3
    told.offsets[TopicPartition(topic, 0)] = 4
    assert poll_values(source, 2) == [b"4", b"5"]


def test_positions_without_an_offset_begin_at_the_start(cluster: Cluster) -> None:
    """Where nothing is known the log is read from its beginning; nothing is committed for it."""
    topic, group = cluster.create_topic(), cluster.unique("group")
    cluster.publish(topic, b"0", b"1")
    source = cluster.positioned_source(group, topic, ToldPositions({TopicPartition(topic, 0): None}))
    assert poll_values(source, 2) == [b"0", b"1"]
    assert cluster.committed(group, topic) == {}


def test_go_back_places_only_the_partitions_named(cluster: Cluster) -> None:
    """One partition is read again from where it is said to be by now; the others read on."""
    topic, group = cluster.create_topic(partitions=2), cluster.unique("group")
    for partition in range(2):
        cluster.publish(topic, *(b"%d-%d" % (partition, n) for n in range(4)), partition=partition)
    told = ToldPositions({TopicPartition(topic, 0): 0, TopicPartition(topic, 1): 0})
    source = cluster.positioned_source(group, topic, told)
    poll_values(source, 8)
    told.offsets[TopicPartition(topic, 1)] = 2
    source.go_back([TopicPartition(topic, 1)])
    assert poll_values(source, 2) == [b"1-2", b"1-3"]
    assert poll(source, timeout=0.2) is None


def test_rewind_returns_to_the_positions(cluster: Cluster) -> None:
    """After a failed poll every partition is read again from where it is said to be."""
    topic = cluster.create_topic()
    cluster.publish(topic, b"0", b"1", b"2")
    told = ToldPositions({TopicPartition(topic, 0): 1})
    source = cluster.positioned_source(cluster.unique("group"), topic, told)
    assert poll_values(source, 2) == [b"1", b"2"]
    rewind(source)
    assert poll_values(source, 2) == [b"1", b"2"]


def test_paused_source_stays_a_member_and_loses_nothing(cluster: Cluster) -> None:
    """What was read before, comes during and after a pause comes once and in order; also after a second pause."""
    topic = cluster.create_topic()
    source = cluster.positioned_source(cluster.unique("group"), topic, ToldPositions({TopicPartition(topic, 0): None}))
    own_everything(source, 1)
    values: list[bytes | None] = []

    def takes_any() -> bool:
        batch = poll(source, max_records=7, timeout=0.2)
        values.extend(batch.values if batch is not None else ())
        return batch is not None

    for round_ in range(3):
        cluster.publish(topic, *(b"%d" % n for n in range(round_ * 50, round_ * 50 + 50)))
        until(takes_any, "a record")
        source.pause()
        until(lambda: not takes_any(), "silence")
        assert len(source.owned) == 1
        source.resume()
    until(lambda: takes_any() and len(values) >= 150, "the rest")
    assert values == values_in(cluster, topic)


def test_partition_that_left_while_paused_is_read_when_it_returns(cluster: Cluster) -> None:
    """A pause that ended while somebody else had the partition is over for it, too."""
    topic, group = cluster.create_topic(partitions=2), cluster.unique("group")
    told = ToldPositions({TopicPartition(topic, number): 0 for number in range(2)})
    first = cluster.positioned_source(group, topic, told)
    first.pause()
    poll_until(lambda: len(first.owned) == 2, first)
    second = cluster.positioned_source(group, topic, told)
    poll_until(lambda: len(first.owned) == len(second.owned) == 1, first, second)
    first.resume()
    second.close()
    poll_until(lambda: len(first.owned) == 2, first)
    for partition in range(2):
        cluster.publish(topic, b"%d" % partition, partition=partition)
    assert sorted(value or b"" for value in poll_values(first, 2)) == [b"0", b"1"]


def test_end_that_was_passed_is_behind_markers_and_aborted_records(cluster: Cluster) -> None:
    """Whoever keeps positions may move on to where reading stands, though no record leads there."""
    topic, sink = cluster.create_topic(), cluster.sink()
    publish_in_transaction(cluster, topic, b"kept")
    sink.begin()
    produce(sink, topic, b"undone")
    sink.flush()
    sink.abort()
    source = cluster.positioned_source(cluster.unique("group"), topic, ToldPositions({TopicPartition(topic, 0): 0}))
    assert poll_values(source, 1) == [b"kept"]
    until(lambda: bool(source.passed()) or poll(source) is not None, "the end")
    assert source.passed() == {TopicPartition(topic, 0): 4}
    source.go_back([TopicPartition(topic, 0)])
    assert source.passed() == {}


def test_position_outside_the_log_stops_the_source(cluster: Cluster) -> None:
    """Records that are gone are not skipped in silence: the line names the place and the way out."""
    topic = cluster.create_topic()
    cluster.publish(topic, b"0")
    source = cluster.positioned_source(cluster.unique("group"), topic, ToldPositions({TopicPartition(topic, 0): 7}))
    with pytest.raises(OffsetsLost, match=r"\[0\] at 7 \(the log has 0 to 1\).*move .* OFFSET"):
        poll_values(source, 1)
