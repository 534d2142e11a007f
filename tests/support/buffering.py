"""Buffering workers on the in-memory broker, with tables in memory and an intake whose rows a test can foretell."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pytest

from buffer.table import TableName
from consumer import buffering
from consumer.buffering import BufferingWorker
from consumer.buffering_flow import Flows
from consumer.buffering_limits import BufferingLimits, FlushRule
from consumer.buffering_places import Places
from consumer.buffering_tables import Done, TableWork
from consumer.buffering_telemetry import FlushOutcome, NullBufferingTelemetry
from consumer.buffering_upkeep import NoUpkeep, Upkeep
from consumer.errors import ConsumerError
from consumer.intake import Taken
from consumer.memory import InMemorySource
from consumer.places import TopicIdentity
from consumer.records import RecordBatch
from consumer.watchdog import Watchdog
from features.errors import SchemasUnavailable
from producer.broker import InMemoryBroker
from producer.broker_log import WriterState
from producer.records import TopicPartition
from tests.support.buffer_memory import InMemoryBufferTable
from tests.support.world import HastyStop

GROUP: Final = "buffer"
TABLES: Final = {"features": TableName.FEATURES, "scores": TableName.SCORES, "labels": TableName.LABELS}
LEFT_OUT: Final = b"left out"
SCHEMA: Final = pa.schema(
    [
        pa.field("record_topic", pa.string()),
        pa.field("record_topic_id", pa.string()),
        pa.field("record_partition", pa.int32()),
        pa.field("record_offset", pa.int64()),
    ]
)


@dataclass
class PlainIntake:
    """Makes a row of every record but those whose value says that it is left out."""

    table: TableName
    is_away: bool = False

    def take(self, records: RecordBatch, *, topic_id: str) -> Taken:
        """Return the rows, or say that a schema cannot be had."""
        if self.is_away:
            raise SchemasUnavailable("the registry gives no answer")
        rows = np.flatnonzero([value != LEFT_OUT for value in records.values])
        columns = [
            pa.array([records.topics[0]] * len(rows), pa.string()),
            pa.array([topic_id] * len(rows), pa.string()),
            pa.array(records.partitions[rows], pa.int32()),
            pa.array(records.offsets[rows], pa.int64()),
        ]
        outcomes = {"accepted": len(rows), "left_out": len(records) - len(rows)}
        return Taken(pa.Table.from_arrays(columns, schema=SCHEMA), outcomes)


@dataclass
class Directory:
    """Gives every topic an identity, which can be changed."""

    generation: Counter[str] = field(default_factory=Counter)
    failing: list[ConsumerError] = field(default_factory=list)

    def identities(self, topics: Collection[str]) -> Mapping[str, TopicIdentity]:
        """Return them, or fail."""
        if self.failing:
            raise self.failing.pop(0)
        return {topic: TopicIdentity("cluster", f"{topic}-{self.generation[topic]}") for topic in topics}


class InlineErrands:
    """Runs an errand in the caller's thread, at its start or later, and lets its end be known later still."""

    def __init__(self, delay: Callable[[], int] = lambda: 0, *, runs_late: Callable[[], bool] = lambda: False) -> None:
        """Take after how many looks an end is known, and whether the errand is done only then."""
        self._delay = delay
        self._runs_late = runs_late
        self._errand: Callable[[], object] | None = None
        self._done: Done | None = None
        self._looks = 0

    @property
    def is_busy(self) -> bool:
        """Return whether there is one."""
        return self._errand is not None

    def start(self, errand: Callable[[], object]) -> None:
        """Begin."""
        self._errand, self._looks = errand, self._delay()
        if not self._runs_late():
            self._run()

    def collect(self) -> Done | None:
        """Return how it ended, when it is time."""
        if self._errand is None:
            return None
        if self._looks:
            self._looks -= 1
            return None
        if self._done is None:
            self._run()
        done, self._done, self._errand = self._done, None, None
        return done

    def wait(self, timeout: float) -> None:
        """Wait for nothing."""

    def _run(self) -> None:
        assert self._errand is not None
        try:
            self._done = Done(self._errand(), None, 0.0)
        except Exception as error:
            self._done = Done(None, error, 0.0)


@dataclass
class RecordingBufferTelemetry(NullBufferingTelemetry):
    """Remembers how flushes ended, what is waited for, and whether reading is held."""

    outcomes: list[str] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)
    waiting_for: str = ""
    waited_for: list[str] = field(default_factory=list)

    def records_taken(self, topic: str, *, table: TableName, outcomes: Mapping[str, int]) -> None:  # noqa: ARG002 - the port gives it
        """Remember."""
        self.taken.update({f"{table}.{outcome}": count for outcome, count in outcomes.items()})

    def flushed(
        self,
        table: TableName,
        outcome: FlushOutcome,
        *,
        rows: int,  # noqa: ARG002 - the port gives it
        seconds: float,  # noqa: ARG002 - the port gives it
        detail: str = "",  # noqa: ARG002 - the port gives it
    ) -> None:
        """Remember."""
        self.outcomes.append(f"{table} {outcome}")

    def waiting(self, cause: str, detail: str = "") -> None:  # noqa: ARG002 - the port gives it
        """Remember."""
        if cause and cause != self.waiting_for:
            self.waited_for.append(cause)
        self.waiting_for = cause


@dataclass
class Member:
    """One worker, and what it was built from."""

    worker: BufferingWorker
    source: InMemorySource
    telemetry: RecordingBufferTelemetry


class BufferBench:
    """A broker with three topics of two partitions, three tables, and workers of one group between them."""

    def __init__(self) -> None:
        """Make the topics."""
        self.broker = InMemoryBroker()
        for topic in TABLES:
            self.broker.create_topic(topic, 2)
        self.tables = {name: InMemoryBufferTable(name, SCHEMA) for name in TableName}
        self.intakes = {topic: PlainIntake(table) for topic, table in TABLES.items()}
        self.directory = Directory()
        self.now = 0.0
        self.prepared = 0

    def publish(self, topic: str, count: int, *, partition: int = 0, value: bytes = b"x") -> None:
        """Append records."""
        for _ in range(count):
            self.broker.publish(topic, key=None, value=value, timestamp_ms=1000, partition=partition)

    def mark(self, topic: str, *, partition: int = 0) -> None:
        """Append the marker of a transaction, which no reader sees."""
        log, writer = self.broker._log(TopicPartition(topic, partition)), WriterState()
        log.append([], writer)
        writer.outcome = "committed"
        log.mark(writer)

    def member(
        self,
        *,
        flush: FlushRule | None = None,
        errands: InlineErrands | None = None,
        reached: Callable[[str], None] = lambda _step: None,
        upkeep: Upkeep | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> Member:
        """Return a worker of the group that waits for nothing."""
        places = Places("move {topic} {partition} OFFSET")
        source = InMemorySource(self.broker, GROUP, sorted(TABLES), positions=places)
        telemetry = RecordingBufferTelemetry()
        rule = FlushRule(interval=10.0, max_records=20) if flush is None else flush
        worker = BufferingWorker(
            source,
            places=places,
            intakes=self.intakes,
            work=TableWork(
                self.tables,
                self.directory,
                prepare=self._count_prepared if prepare is None else prepare,
                reached=reached,
            ),
            errands=InlineErrands() if errands is None else errands,
            flows=Flows(rule, random.Random(0)),
            upkeep=NoUpkeep() if upkeep is None else upkeep,
            limits=BufferingLimits(flush=rule, max_records=7, linger=0.0),
            telemetry=telemetry,
            watchdog=Watchdog(),
            reached=reached,
            monotonic=lambda: self.now,
        )
        worker._stop = HastyStop(0.0)
        return Member(worker, source, telemetry)

    def rounds(self, count: int, *members: Member) -> None:
        """Let each member do so many rounds; every round takes a second."""
        for _ in range(count):
            for member in members:
                member.worker.run_once()
            self.now += 1.0

    def stored(self, topic: str) -> list[tuple[int, int]]:
        """Return partition and offset of each row that came from a topic, sorted."""
        return sorted(
            (row["record_partition"], row["record_offset"])
            for row in self.tables[TABLES[topic]].rows().to_pylist()
            if row["record_topic"] == topic
        )

    def expected(self, topic: str) -> list[tuple[int, int]]:
        """Return what must be stored of a topic in the end."""
        return [
            (partition, record.offset)
            for partition in range(2)
            for record in self.broker.read(TopicPartition(topic, partition)).records
            if record.value != LEFT_OUT
        ]

    def position(self, topic: str, partition: int) -> int | None:
        """Return where the table stands on a partition."""
        app_id = f"cluster/{topic}-{self.directory.generation[topic]}/{partition}"
        return self.tables[TABLES[topic]]._positions.get(app_id)

    def misses(self) -> list[str]:
        """Return the topics of which the tables do not hold each record's row once."""
        return [topic for topic in TABLES if self.stored(topic) != self.expected(topic)]

    def _count_prepared(self) -> None:
        self.prepared += 1


def at(topic: str, partition: int = 0) -> TopicPartition:
    """Return a partition."""
    return TopicPartition(topic, partition)


@contextmanager
def hasty_buffering() -> Iterator[None]:
    """Let no poll wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buffering, "POLL_TIMEOUT_S", 0.0)
        patch.setattr(buffering, "BUSY_POLL_TIMEOUT_S", 0.0)
        yield
