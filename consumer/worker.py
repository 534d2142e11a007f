"""The scoring worker: poll, score, publish and commit as one transaction, and recover from anything.

The rule that makes rebalances harmless: no transaction is open while ``poll`` runs. Rebalances happen
only inside ``poll``, so a transaction never sees one; what happened meanwhile at the broker is caught by
the generation check when the offsets are sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from consumer.errors import PollFailed, WorkerStopped
from consumer.outgoing import Outbox
from consumer.records import RecordBatch
from consumer.recovery import Recovery, StopRequested
from consumer.retry import Brake
from consumer.scoring import BatchScorer, ModelUnusable, ScoredBatch
from consumer.source import RecordSource
from consumer.stall import StallDetector
from consumer.stopwatch import Stopwatch
from consumer.telemetry import Telemetry
from consumer.transaction import TransactionPublisher
from consumer.watchdog import Watchdog
from features.errors import SchemasUnavailable
from features.rejection import Reason
from models.champion import Champion, LiveModel
from producer.errors import ProducerError
from producer.sink import RecordSink

STATUS_INTERVAL_S = 1.0
POLL_TIMEOUT_S = 0.5  # how long a stop can go unnoticed while nothing arrives
WAIT_FOR_CHAMPION_S = 0.2
WAIT_FOR_SCHEMAS_S = 1.0
WAIT_AFTER_FAILED_POLL_S = 0.1  # some polls fail at once, again and again, until the cluster is well
SAMPLE = 100  # values of a batch that telemetry is shown, at most about twice as many


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and how long at most.

    Attributes:
        max_records: Records in one batch.
        max_bytes: Bytes of keys and values in one batch, give or take the last slice.
        linger: Seconds to collect after the first record.
        transaction_timeout: Seconds the broker lets a transaction live.
        scoring_timeout: Seconds decoding and scoring one batch may take before the process is ended.
        stall_after: Seconds a partition with readable records may stand still before the client is replaced.
        when_missing: ``wait`` for a first model, or ``fail``.
    """

    max_records: int = 10_000
    max_bytes: int = 16 * 1024 * 1024
    linger: float = 0.005
    transaction_timeout: float = 15.0
    scoring_timeout: float = 120.0
    stall_after: float = 60.0
    when_missing: str = "wait"

    @property
    def step_timeout(self) -> float:
        """Return when a transactional step counts as hung: calls repeat for one timeout and end in a second."""
        return 3 * self.transaction_timeout + 15


class ScoringWorker:
    """Owns one source and one sink, both used only from the thread that calls ``run``."""

    def __init__(  # noqa: PLR0913 - the composition root wires a worker by name
        self,
        source: RecordSource,
        sink: RecordSink,
        *,
        champion: Champion,
        scorer: BatchScorer,
        outbox: Outbox,
        limits: Limits,
        telemetry: Telemetry,
        watchdog: Watchdog,
        output_topics: Sequence[str],
        monotonic: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Connect nothing yet; the group is joined when there is a model."""
        self._source = source
        self._sink = sink
        self._champion = champion
        self._scorer = scorer
        self._outbox = outbox
        self._limits = limits
        self._telemetry = telemetry
        self._watchdog = watchdog
        self._output_topics = output_topics
        self._monotonic = monotonic
        self._now_ms = now_ms
        self._stop = threading.Event()
        self._brake = Brake(limits.max_records)
        self._stalls = StallDetector(stall_after_s=limits.stall_after, blocked_after_s=limits.stall_after)
        self._publisher = TransactionPublisher(
            source, sink, outbox=outbox, brake=self._brake, watchdog=watchdog, step_timeout=limits.step_timeout
        )
        self._recovery = Recovery(
            source,
            sink,
            brake=self._brake,
            telemetry=telemetry,
            watchdog=watchdog,
            step_timeout=limits.step_timeout,
            transaction_timeout=limits.transaction_timeout,
            stop=self._stop,
            monotonic=monotonic,
        )
        self._is_open = False
        self._lacks_schemas: int | None = None  # the assignment for which they are lacking
        self._reported_at = monotonic()

    @property
    def longest_step(self) -> float:
        """Return the seconds after which at the latest the watchdog ends a process whose step hangs."""
        return max(self._limits.step_timeout, self._limits.scoring_timeout)

    def stop(self) -> None:
        """Ask the worker to finish its batch and end; safe from any thread and from a signal handler."""
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
        """Return whether the last batch waits for schemas that cannot be had now."""
        return self._lacks_schemas is not None

    def run(self) -> None:
        """Work until ``stop``; then leave the group.

        Raises:
            ConsumerError: It cannot go on; the message says why and what to do.
            ProducerError: The cluster refuses to be written.
        """
        try:
            while not self._stop.is_set():
                self.run_once()
        except StopRequested:
            pass  # asked to stop while recovering: nothing is half done, the successor settles the rest
        finally:
            self.close()

    def run_once(self) -> int:
        """Do one round: at most one batch; return the number of records committed."""
        self._watchdog.beat()
        if self._champion.current() is None:
            self._wait_for_champion()
            return 0
        self._open()
        self._report_statuses()
        stopwatch = Stopwatch(self._monotonic)
        batch = self._poll()
        live = self._champion.current()  # after the poll, which may have waited: the newest model scores
        if batch is None:
            if self._lacks_schemas != self._source.assignments:  # what lacked them is another member's now
                self._has_schemas()
            return 0
        if live is None:
            self._recovery.rewind()
            return 0
        stopwatch.lap("poll")
        return self._process(batch, live, stopwatch)

    def close(self) -> None:
        """Leave the group and let go of the clients."""
        if self._is_open:
            self._is_open = False
            with self._watchdog.step("close", self._limits.step_timeout):
                self._source.close()
                self._sink.close()

    def _wait_for_champion(self) -> None:
        """Consume nothing without a model: not even as an idle member that holds partitions."""
        if self._limits.when_missing == "fail":
            raise WorkerStopped("there is no champion model, and model.when_missing is 'fail'")
        self.close()
        self._telemetry.waiting("no_champion")
        self._stop.wait(WAIT_FOR_CHAMPION_S)

    def _open(self) -> None:
        if self._is_open:
            return
        self._telemetry.waiting("")
        self._is_open = True  # from here on there is something to close
        self._recovery.open_sink(lambda: self._publisher.learn_topics(self._output_topics))
        with self._watchdog.step("open", self._limits.step_timeout):
            self._source.open()

    def _poll(self) -> RecordBatch | None:
        try:
            with self._watchdog.step("poll", self._limits.step_timeout):
                batch = self._source.poll(
                    max_records=self._brake.limit,
                    max_bytes=self._limits.max_bytes,
                    timeout=POLL_TIMEOUT_S,
                    linger=self._limits.linger,
                )
        except PollFailed as error:
            self._telemetry.transaction("aborted", str(error))
            self._recovery.rewind()
            self._stop.wait(WAIT_AFTER_FAILED_POLL_S)
            return None
        if batch is not None:
            for topic, count in batch.records_by_topic().items():
                self._telemetry.records_consumed(topic, count)
        return batch

    def _process(self, batch: RecordBatch, live: LiveModel, stopwatch: Stopwatch) -> int:
        assignments = self._source.assignments
        try:
            with self._watchdog.step("score", self._limits.scoring_timeout):
                scored = self._score(batch, live, stopwatch)
                outgoing = self._outbox.fill(batch, scored)
                stopwatch.lap("encode")
        except ModelUnusable as error:
            self._champion.reject(live.version, str(error))
            self._telemetry.model_unusable(live.version, str(error))
            self._recovery.rewind()
            return 0
        except SchemasUnavailable as error:
            self._wait_for_schemas(error)
            return 0
        self._has_schemas()
        began_at = self._monotonic()
        try:
            dead = self._publisher.publish(batch, outgoing, assignments=assignments, stopwatch=stopwatch)
        except ProducerError as error:
            self._recovery.undo(batch, error, began_at=began_at)
            return 0
        self._acknowledge(batch, scored, dead, stopwatch)
        return len(batch)

    def _wait_for_schemas(self, error: SchemasUnavailable) -> None:
        """Pause: no record is at fault. The polls that follow keep this member in its group."""
        self._lacks_schemas = self._source.assignments
        self._telemetry.waiting("schema_registry", str(error))
        self._recovery.rewind()
        self._stop.wait(WAIT_FOR_SCHEMAS_S)

    def _has_schemas(self) -> None:
        if self._lacks_schemas is not None:
            self._lacks_schemas = None
            self._telemetry.waiting("")

    def _score(self, batch: RecordBatch, live: LiveModel, stopwatch: Stopwatch) -> ScoredBatch:
        features, rejections = self._scorer.decode(batch.values, live, headers=batch.headers)
        stopwatch.lap("decode")
        scored = self._scorer.score(features, live)
        stopwatch.lap("score")
        return ScoredBatch(live, scored.features, scored.scores, [*rejections, *scored.rejections])

    def _acknowledge(
        self, batch: RecordBatch, scored: ScoredBatch, dead: Mapping[Reason, int], stopwatch: Stopwatch
    ) -> None:
        """Count, only now that it is committed."""
        telemetry = self._telemetry
        telemetry.transaction("committed")
        telemetry.records_scored(
            len(batch) - sum(dead.values()),
            version=scored.live.version,
            role="champion",
            sample=scored.scores.score[:: max(1, len(batch) // SAMPLE)].tolist(),
        )
        for reason, count in dead.items():
            telemetry.dead_lettered(reason, count)
        step = max(1, len(batch) // SAMPLE)
        ages = (self._now_ms() - batch.timestamps_ms[::step]) / 1000
        telemetry.batch_done(len(batch), stages=stopwatch.laps, end_to_end=ages.tolist())

    def _report_statuses(self) -> None:
        """Tell where the partitions stand; replace a client that stands still before readable records."""
        now = self._monotonic()
        if now - self._reported_at < STATUS_INTERVAL_S:
            return
        self._reported_at = now
        statuses = self._source.statuses()
        # Partitions that stand still because we wait for a schema would not move under another client either.
        report = self._stalls.observe([] if self._lacks_schemas else statuses, now)
        self._telemetry.partitions(statuses, stalled=report.stalled, blocked=report.blocked)
        if report.stalled:
            with self._watchdog.step("restart", self._limits.step_timeout):
                self._source.restart()
            self._stalls.forget()
