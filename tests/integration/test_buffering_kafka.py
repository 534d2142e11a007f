"""The buffering worker on a real broker, with tables in memory: what depends on how Kafka itself behaves."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as ClientPartition

from buffer.errors import TableUnavailable
from buffer.table import Stretch, TableName
from consumer.buffering import BufferingWorker
from consumer.buffering_flow import Flows
from consumer.buffering_limits import BufferingLimits, FlushRule
from consumer.buffering_places import Places
from consumer.buffering_tables import TableWork, ThreadErrands
from consumer.buffering_upkeep import NoUpkeep
from consumer.errors import OffsetsLost
from consumer.kafka import KafkaSource
from consumer.kafka_places import KafkaTopicDirectory
from consumer.watchdog import Watchdog
from tests.support.buffer_memory import InMemoryBufferTable
from tests.support.buffering import SCHEMA, PlainIntake, RecordingBufferTelemetry
from tests.support.kafka import KafkaCluster, unique_name
from tests.support.kafka_scoring import MEMBER, PATIENCE_S, QUICK, wait_until

pytestmark = pytest.mark.kafka
TABLE = TableName.FEATURES


class KafkaBuffer:
    """One topic, one table, and workers of one group between them."""

    def __init__(self, kafka: KafkaCluster, *, partitions: int = 2) -> None:
        """Make the topic."""
        self.kafka = kafka
        self.topic = kafka.create_topic(unique_name("buffered"), partitions=partitions)
        self.group = unique_name("group")
        self.table = InMemoryBufferTable(TABLE, SCHEMA)
        self.directory = KafkaTopicDirectory({**kafka.client_settings, **QUICK})

    def worker(self, telemetry: RecordingBufferTelemetry, *, rule: FlushRule | None = None) -> BufferingWorker:
        """Return a worker that flushes often."""
        places, flush = Places("move {topic} {partition} OFFSET"), rule or FlushRule(interval=0.2)
        source = KafkaSource(
            {**self.kafka.client_settings, **QUICK, **MEMBER},
            group_id=self.group,
            topics=[self.topic],
            positions=places,
        )
        return BufferingWorker(
            source,
            places=places,
            intakes={self.topic: PlainIntake(TABLE)},
            work=TableWork({TABLE: self.table}, self.directory, prepare=lambda: None, reached=lambda _step: None),
            errands=ThreadErrands(),
            flows=Flows(flush, random.Random(0)),
            upkeep=NoUpkeep(),
            limits=BufferingLimits(flush=flush, max_records=100, linger=0.01, stall_after=3.0),
            telemetry=telemetry,
            watchdog=Watchdog(),
            reached=lambda _step: None,
        )

    def publish(self, count: int) -> None:
        """Append records in a transaction of their own, so that a marker follows them in every partition."""
        producer = Producer({**self.kafka.client_settings, "transactional.id": unique_name("id")})
        producer.init_transactions(PATIENCE_S)
        producer.begin_transaction()
        for number in range(count):
            producer.produce(self.topic, json.dumps(number).encode(), partition=number % 2)
        producer.commit_transaction(PATIENCE_S)

    def offsets(self) -> list[tuple[int, int]]:
        """Return partition and offset of every row, sorted."""
        rows = self.table.rows().select(["record_partition", "record_offset"]).to_pylist()
        return sorted((row["record_partition"], row["record_offset"]) for row in rows)

    def wait_for_rows(self, count: int) -> None:
        """Wait until the table has so many rows."""
        wait_until(lambda: len(self.table.rows()) >= count, f"{count} rows in the table")


@contextmanager
def buffering(worker: BufferingWorker) -> Iterator[BufferingWorker]:
    """Let a worker run while the block does."""
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the worker does not stop"


@pytest.fixture
def bench(kafka: KafkaCluster) -> KafkaBuffer:
    """Return a topic and a table."""
    return KafkaBuffer(kafka)


def test_table_decides_where_a_worker_begins(bench: KafkaBuffer) -> None:
    """The group is set back to 0 between two workers, and no row is doubled."""
    bench.publish(20)
    with buffering(bench.worker(RecordingBufferTelemetry())):
        bench.wait_for_rows(20)
    source = KafkaSource({**bench.kafka.client_settings, **MEMBER}, group_id=bench.group, topics=[bench.topic])
    source.open()
    wait_until(
        lambda: source.poll(max_records=1, max_bytes=1, timeout=0.1, linger=0) is None and bool(source.owned), "all"
    )
    source._consumer.commit(offsets=[ClientPartition(bench.topic, p, 0) for p in range(2)], asynchronous=False)
    source.close()
    bench.publish(20)
    with buffering(bench.worker(RecordingBufferTelemetry())):
        bench.wait_for_rows(40)
    assert bench.offsets() == [(p, o) for p in range(2) for o in [*range(10), *range(11, 21)]]


def test_topic_that_ends_in_markers_neither_stalls_nor_restarts(bench: KafkaBuffer) -> None:
    """Nothing comes for longer than a stall takes to be named: the client is the same as before."""
    bench.publish(4)
    worker = bench.worker(RecordingBufferTelemetry())
    with buffering(worker):
        bench.wait_for_rows(4)
        before, began = worker._source.assignments, time.monotonic()
        wait_until(lambda: time.monotonic() - began > 6, "twice the time of a stall")
        assert (worker._source.assignments, worker.lacks_tables) == (before, False)


def test_idle_topic_that_retention_emptied_stops_nobody(bench: KafkaBuffer) -> None:
    """The log begins behind its last marker by then, and so does the table's position: nothing was lost."""
    bench.publish(4)
    identity = bench.directory.identities([bench.topic])[bench.topic]
    ends = {identity.app_id(number): 3 for number in range(2)}
    with buffering(bench.worker(RecordingBufferTelemetry())):
        wait_until(lambda: bench.table.positions(list(ends)) == ends, "positions behind the markers")
    everything = [ClientPartition(bench.topic, number, -1) for number in range(2)]
    for deleted in bench.kafka.admin.delete_records(everything).values():
        deleted.result(PATIENCE_S)
    with buffering(bench.worker(RecordingBufferTelemetry())):
        bench.publish(4)
        bench.wait_for_rows(8)


def test_table_that_is_away_holds_reading_and_keeps_the_membership(bench: KafkaBuffer) -> None:
    """The worker reads twice of what it flushes, stays in its group, and goes on where it was."""
    telemetry = RecordingBufferTelemetry()
    bench.publish(1000)
    bench.table.failing = [TableUnavailable("disk full")] * 4
    worker = bench.worker(telemetry, rule=FlushRule(interval=0.2, max_records=100))
    with buffering(worker):
        wait_until(lambda: worker._is_held, "reading is held")
        held = worker._source.assignments
        bench.wait_for_rows(1000)
        assert (worker._source.assignments, telemetry.waited_for) == (held, ["buffer"])
    assert bench.offsets() == [(p, o) for p in range(2) for o in range(500)]


def test_topic_made_again_is_another_one(bench: KafkaBuffer) -> None:
    """Its offsets begin anew, and so do its rows: neither is taken for the old one's, nobody restarts the worker."""
    bench.publish(10)
    with buffering(bench.worker(RecordingBufferTelemetry())):
        bench.wait_for_rows(10)
        old = bench.directory.identities([bench.topic])[bench.topic]
        bench.kafka.admin.delete_topics([bench.topic], operation_timeout=30)[bench.topic].result(30)
        wait_until(lambda: bench.directory.identities([bench.topic]) == {}, "the topic is gone")
        bench.kafka.create_topic(bench.topic, partitions=2)
        bench.publish(6)
        bench.wait_for_rows(16)
    new = bench.directory.identities([bench.topic])[bench.topic]
    assert old.cluster_id == new.cluster_id
    ids = bench.table.rows()["record_topic_id"].to_pylist()
    assert (ids.count(old.topic_id), ids.count(new.topic_id)) == (10, 6)


def test_position_outside_the_log_stops_the_worker(bench: KafkaBuffer) -> None:
    """When the log does not hold what comes next (lost, or deleted unread) the place and the command are told."""
    bench.publish(10)
    identity = bench.directory.identities([bench.topic])[bench.topic]
    bench.table.append(SCHEMA.empty_table(), [Stretch(identity.app_id(0), None, 99)])
    with pytest.raises(OffsetsLost, match=rf"{bench.topic}\[0\] at 99 \(the log has 0 to 6\).*move {bench.topic} 0 "):
        bench.worker(RecordingBufferTelemetry()).run()
