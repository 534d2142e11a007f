"""The buffering worker: from the topics into the tables, each record's row once.

One thread polls and decodes; tables and cluster are asked aside, one errand at a time, so that a slow or absent table
never keeps this member from polling. What makes it exact is not here: a commit of a table holds the rows and the
positions they lead to, and is refused unless the table stands where the rows begin. So everything here may be dropped
at any time and read again from what the table says, and that is the answer to every doubt.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import cast

from buffer.errors import BufferingError, Overtaken, TableUnavailable
from buffer.table import TableName
from consumer.buffering_flow import Flows
from consumer.buffering_limits import BufferingLimits
from consumer.buffering_places import Place, Places
from consumer.buffering_rows import Load
from consumer.buffering_tables import Done, Errands, Reached, TableWork, TopicsRemade
from consumer.buffering_telemetry import BufferingTelemetry
from consumer.buffering_upkeep import Upkeep
from consumer.errors import ConsumerError, OffsetsLost, PollFailed, SourceUnreachable
from consumer.intake import Intake
from consumer.records import RecordBatch
from consumer.source import PositionedSource
from consumer.stall import StallDetector
from consumer.watchdog import Watchdog
from features.errors import SchemasUnavailable
from producer.records import TopicPartition

STATUS_INTERVAL_S = 1.0
POLL_TIMEOUT_S = 0.5  # how long a stop can go unnoticed while nothing arrives
BUSY_POLL_TIMEOUT_S = 0.05  # while an errand runs: how late its end is seen
WAIT_FOR_SCHEMAS_S = 1.0
WAIT_AFTER_FAILED_POLL_S = 0.1
WAIT_FOR_PLACES_S = 1.0  # until places that could not be looked up are asked for again
SLOW_ERRAND_S = 30.0  # when the tables are held for unavailable though they have not said so


class BufferingWorker:
    """Owns one source, used only from the thread that calls ``run``."""

    def __init__(  # noqa: PLR0913 - the composition root wires a worker by name
        self,
        source: PositionedSource,
        *,
        places: Places,
        intakes: Mapping[str, Intake],
        work: TableWork,
        errands: Errands,
        flows: Flows,
        upkeep: Upkeep,
        limits: BufferingLimits,
        telemetry: BufferingTelemetry,
        watchdog: Watchdog,
        reached: Reached,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect nothing yet; ``places`` are the positions of ``source``. The group is joined when tables are."""
        self._source = source
        self._places = places
        self._intakes = intakes
        self._work = work
        self._errands = errands
        self._flows = flows
        self._upkeep = upkeep
        self._limits = limits
        self._telemetry = telemetry
        self._watchdog = watchdog
        self._reached = reached
        self._monotonic = monotonic
        self._stop = threading.Event()
        self._stalls = StallDetector(stall_after_s=limits.stall_after, blocked_after_s=limits.stall_after)
        self._on_done: Callable[[Done], None] = self._prepared
        self._is_prepared = self._is_open = self._is_held = self._lacks_tables = False
        self._errand_began = 0.0
        self._errand_at = 0.0  # when the next errand that is no append may begin
        self._lacks_schemas: dict[str, int] = {}  # the topics, and the assignment for which they are lacking
        self._assignments = 0
        self._reported_at = monotonic()

    @property
    def longest_step(self) -> float:
        """Return the seconds after which at the latest the watchdog ends a process whose step hangs."""
        return max(self._limits.step_timeout, self._limits.decode_timeout, self._limits.stop_timeout)

    def stop(self) -> None:
        """Ask the worker to flush and end; safe from any thread and from a signal handler."""
        self._stop.set()

    @property
    def is_stopping(self) -> bool:
        """Return whether a stop was asked for."""
        return self._stop.is_set()

    @property
    def is_joined(self) -> bool:
        """Return whether this process takes part in the group; a member without partitions is a spare."""
        return self._is_open and self._source.assignments > 0

    @property
    def lacks_schemas(self) -> bool:
        """Return whether records wait for schemas that cannot be had now."""
        return bool(self._lacks_schemas)

    @property
    def lacks_tables(self) -> bool:
        """Return whether rows wait for tables that cannot be had now."""
        return self._lacks_tables or self._flows.is_failing

    def run(self) -> None:
        """Work until ``stop``; then flush and leave the group.

        Raises:
            ConsumerError: It cannot go on; the message says why and what to do.
            BufferingError: A table refuses; likewise.
        """
        try:
            while not self._stop.is_set():
                self.run_once()
        finally:
            self.close()

    def run_once(self) -> int:
        """Do one round: at most one poll; return the number of records taken."""
        self._watchdog.beat()
        self._see_to_errands()
        if not self._is_prepared:
            self._errands.wait(POLL_TIMEOUT_S)
            return 0
        self._open()
        self._hold_or_go_on()
        self._report()
        batch = self._poll()
        self._follow_rebalance()
        if batch is None:
            self._forget_schemas_of_others()
        taken = 0 if batch is None else self._take(batch)
        self._follow_end()
        return taken

    def close(self) -> None:
        """Flush what is there, as far as there is time for it, leave the group and let go of the client."""
        if self._is_open:
            self._is_open = False
            with self._watchdog.step("last flush", self._limits.stop_timeout + self._limits.step_timeout):
                self._flush_all()
            with self._watchdog.step("close", self._limits.step_timeout):
                self._source.close()

    # Reading

    def _open(self) -> None:
        if not self._is_open:
            self._is_open = True
            with self._watchdog.step("open", self._limits.step_timeout):
                self._source.open()

    def _poll(self) -> RecordBatch | None:
        limits = self._limits
        try:
            with self._watchdog.step("poll", limits.step_timeout):
                batch = self._source.poll(
                    max_records=min(limits.max_records, limits.flush.max_records),
                    max_bytes=min(limits.max_bytes, limits.flush.max_bytes),
                    timeout=BUSY_POLL_TIMEOUT_S
                    if self._errands.is_busy
                    else min(POLL_TIMEOUT_S, limits.flush.interval),
                    linger=min(limits.linger, limits.flush.interval / 2),
                )
        except OffsetsLost as error:
            # Perhaps the topic is another one by now. Whether it is, the append of what was read of it finds out.
            if not self._places.doubt(error.partitions):
                raise
            self._flows.hurry()
            self._source.rewind()
            return None
        except PollFailed as error:
            self._telemetry.poll_failed(str(error))
            self._source.rewind()
            self._stop.wait(WAIT_AFTER_FAILED_POLL_S)
            return None
        self._places.polled()
        return batch

    def _follow_rebalance(self) -> None:
        """Drop what was read of partitions that are another member's now."""
        if self._source.assignments != self._assignments:
            self._assignments = self._source.assignments
            self._drop(self._places.known() - self._source.owned)

    def _take(self, batch: RecordBatch) -> int:
        taken = 0
        for topic, polled in batch.by_topic().items():
            records, intake = self._places.unread(polled), self._intakes[topic]
            if not len(records):
                continue
            identity = self._places.identity(topic)
            try:
                with self._watchdog.step("decode", self._limits.decode_timeout):
                    found = intake.take(records, topic_id=identity.topic_id)
            except SchemasUnavailable as error:
                self._wait_for_schemas(topic, records, error)
                continue
            self._lacks_schemas.pop(topic, None)
            stretches = self._places.advance(records.next_offsets())
            self._flows.pending(intake.table).add(found.rows, stretches, identity=identity, now=self._monotonic())
            self._telemetry.records_taken(topic, table=intake.table, outcomes=found.outcomes)
            taken += len(records)
        self._tell_waiting()
        return taken

    def _follow_end(self) -> None:
        """Move on behind markers: when retention removes them from an idle topic, the log begins behind them."""
        for at, offset in self._places.ahead(self._source.passed()).items():
            pending = self._flows.pending(self._intakes[at.topic].table)
            identity = self._places.identity(at.topic)
            pending.move(self._places.advance({at: offset}), identity=identity, now=self._monotonic())

    def _wait_for_schemas(self, topic: str, records: RecordBatch, error: SchemasUnavailable) -> None:
        """Read these again later: no record is at fault. The polls that follow keep this member in its group."""
        self._lacks_schemas[topic] = self._source.assignments
        self._telemetry.waiting("schema_registry", str(error))
        self._source.go_back(records.next_offsets().keys())
        self._stop.wait(WAIT_FOR_SCHEMAS_S)

    def _forget_schemas_of_others(self) -> None:
        """Forget about records without schemas that may be another member's now."""
        for topic, assignments in list(self._lacks_schemas.items()):
            if assignments != self._source.assignments:
                del self._lacks_schemas[topic]

    def _drop(self, partitions: Collection[TopicPartition]) -> None:
        self._places.forget(partitions)
        self._flows.drop(partitions)

    def _read_again(self, partitions: Collection[TopicPartition], detail: str) -> None:
        """Forget what is not in the table, and read it again from where the table stands then."""
        if partitions:
            self._drop(partitions)
            self._source.go_back(partitions)
            self._telemetry.dropped(sorted(partitions), detail)

    # Tables

    def _see_to_errands(self) -> None:
        """Collect what was done aside and begin the next thing."""
        done = self._errands.collect()
        if done is not None:
            self._lacks_tables = False
            self._on_done(done)
        if self._errands.is_busy:
            return
        now = self._monotonic()
        is_time = now >= self._errand_at
        if not self._is_prepared:
            if is_time:
                self._start(self._work.prepare, self._prepared)
        elif is_time and (wanted := self._wanted()):  # first, or appends without a break would keep it waiting
            self._start(partial(self._work.look_up, wanted), partial(self._looked_up, wanted))
        elif load := self._flows.next_load(now):
            self._start_append(load)

    def _wanted(self) -> dict[TopicPartition, TableName]:
        self._places.resolve_doubts()
        self._places.wanted &= self._source.owned
        return {at: self._intakes[at.topic].table for at in self._places.wanted}

    def _start(self, errand: Callable[[], object], on_done: Callable[[Done], None]) -> None:
        self._on_done = on_done
        self._errand_began = self._monotonic()
        self._errands.start(errand)

    def _start_append(self, load: Load) -> None:
        self._start(partial(self._work.append, load), partial(self._appended, load))

    def _prepared(self, done: Done) -> None:
        self._is_prepared = self._went_well(done)

    def _looked_up(self, wanted: Mapping[TopicPartition, TableName], done: Done) -> None:
        if not self._went_well(done):
            return
        places = cast("Mapping[TopicPartition, Place]", done.result)
        stale = self._places.found({at: place for at, place in places.items() if at in self._source.owned})
        self._read_again(stale, "its topic was deleted and made again")
        if wanted.keys() - places.keys():  # of topics that do not exist now
            self._errand_at = self._monotonic() + WAIT_FOR_PLACES_S

    def _went_well(self, done: Done) -> bool:
        """Return whether an errand that can be repeated succeeded; wait a moment where it did not."""
        if done.error is None:
            self._tell_waiting()
            return True
        if not isinstance(done.error, TableUnavailable | SourceUnreachable):
            raise done.error
        self._lacks_tables = True
        self._errand_at = self._monotonic() + WAIT_FOR_PLACES_S
        self._telemetry.waiting("buffer", str(done.error))
        return False

    def _appended(self, load: Load, done: Done) -> None:
        error = done.error
        if error is None:
            self._committed(load, done.seconds)
        elif isinstance(error, Overtaken):
            self._telemetry.flushed(load.table, "overtaken", rows=0, seconds=done.seconds, detail=str(error))
            self._read_again(load.stretches.keys() & self._places.known(), str(error))
            self._flows.drop(load.stretches)
        elif isinstance(error, TopicsRemade):
            self._telemetry.flushed(load.table, "overtaken", rows=0, seconds=done.seconds, detail=str(error))
            self._read_again(self._places.of_topics(error.topics), str(error))
            self._flows.drop([at for at in load.stretches if at.topic in error.topics])
        elif isinstance(error, TableUnavailable | SourceUnreachable):
            self._telemetry.flushed(load.table, "unavailable", rows=0, seconds=done.seconds, detail=str(error))
            self._flows.failed(load.table, self._monotonic())
            self._telemetry.waiting("buffer", str(error))
        else:
            self._flows.failed(load.table, self._monotonic())
            raise error

    def _committed(self, load: Load, seconds: float) -> None:
        self._flows.committed(load.table)
        self._places.stored(load.stretches)
        self._telemetry.flushed(load.table, "committed", rows=load.count, seconds=seconds)
        self._tell_waiting()
        self._reached("before_group_commit")
        self._source.show({at: stretch.next for at, stretch in load.stretches.items() if at in self._source.owned})

    def _flush_all(self) -> None:
        """Append what is there, each table once; what fails is read again by the successor."""
        deadline = self._monotonic() + self._limits.stop_timeout
        self._flows.try_at_once()
        while self._monotonic() < deadline:
            done = self._errands.collect()
            if done is not None:
                with contextlib.suppress(BufferingError, ConsumerError):  # it ends anyway, perhaps for this reason
                    self._on_done(done)
            if not self._errands.is_busy:
                load = self._flows.last_load()
                if load is None:
                    return
                self._start_append(load)
            self._errands.wait(BUSY_POLL_TIMEOUT_S)

    # Telling

    def _hold_or_go_on(self) -> None:
        """Stop reading while too much waits; polls go on."""
        is_full = self._flows.is_full
        if is_full != self._is_held:
            self._is_held = is_full
            self._source.pause() if is_full else self._source.resume()

    def _tell_waiting(self) -> None:
        if not self.lacks_tables and not self._lacks_schemas:
            self._telemetry.waiting("")

    def _report(self) -> None:
        """Tell where things stand; replace a client that stands still before readable records."""
        now = self._monotonic()
        if now - self._reported_at < STATUS_INTERVAL_S:
            return
        self._reported_at = now
        self._upkeep.glance(self._source.owned)
        slow_s = now - self._errand_began if self._errands.is_busy else 0.0
        if slow_s > SLOW_ERRAND_S:
            self._lacks_tables = True
            self._telemetry.waiting("buffer", f"the tables, or the broker, have not answered for {slow_s:.0f} s")
        self._tell_waiting()
        self._telemetry.pending(self._flows.rows, nbytes=self._flows.nbytes, is_held=self._is_held)
        statuses = [status for status in self._source.statuses() if status.partition in self._places]
        # A partition that stands still because we hold it would not move under another client either.
        on_purpose = self._is_held or self._lacks_schemas
        report = self._stalls.observe([] if on_purpose else statuses, now)
        self._telemetry.partitions(
            statuses, behind=self._places.behind(), stalled=report.stalled, blocked=report.blocked
        )
        if report.stalled:
            with self._watchdog.step("restart", self._limits.step_timeout):
                self._source.restart()
            self._drop(self._places.known())
            self._stalls.forget()
