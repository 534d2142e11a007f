"""The way back after a failure: undo, make the outcome definite, rewind, and try again without end or hurry."""

from __future__ import annotations

import threading
from collections.abc import Callable

from consumer.errors import IdentityTaken, PollFailed, StuckBatch
from consumer.records import RecordBatch
from consumer.retry import MAX_PAUSE_S, Brake, FencingRecord
from consumer.source import RecordSource
from consumer.telemetry import Telemetry
from consumer.watchdog import Watchdog
from producer.errors import AbortRequired, DeliveryFailed, ProducerError, ProducerFenced, RecreateRequired
from producer.sink import RecordSink

FIRST_PAUSE_S = 0.1
FENCED_TOO_OFTEN = 2  # within the window of FencingRecord
REFUSED_TOO_OFTEN = 2  # as a dead letter, and cut short: there is no third form


class StopRequested(Exception):
    """A stop came while recovering; the successor settles what is open."""


class Recovery:
    """Knows what each error asks for. A batch is undone completely before anything is read again."""

    def __init__(  # noqa: PLR0913 - the composition root wires it by name
        self,
        source: RecordSource,
        sink: RecordSink,
        *,
        brake: Brake,
        telemetry: Telemetry,
        watchdog: Watchdog,
        step_timeout: float,
        transaction_timeout: float,
        stop: threading.Event,
        monotonic: Callable[[], float],
    ) -> None:
        """Take the parts; a set ``stop`` ends every wait with ``StopRequested``."""
        self._source = source
        self._sink = sink
        self._brake = brake
        self._telemetry = telemetry
        self._watchdog = watchdog
        self._step_timeout = step_timeout
        self._transaction_timeout = transaction_timeout
        self._stop = stop
        self._monotonic = monotonic
        self._fencings = FencingRecord()

    def undo(self, batch: RecordBatch, error: ProducerError, *, began_at: float) -> None:
        """Undo a batch that failed with this error, and go back to what is committed.

        Raises:
            StuckBatch: The broker refuses one record in every form.
            IdentityTaken: Another live process has our transactional id.
            ProducerError: The error asks for a person.
        """
        if isinstance(error, DeliveryFailed) and error.record_at_fault:
            self._find_the_guilty(batch, error)
        if isinstance(error, AbortRequired):
            self._telemetry.transaction("aborted", str(error))
            self._settle_by(lambda: self._abort(began_at), again=self._sink.reopen)
        elif isinstance(error, RecreateRequired):
            if isinstance(error, ProducerFenced) and not self._is_expired(began_at):
                self._note_fencing(error)
            self._telemetry.transaction("recreated", str(error))
            self._settle_by(self._sink.reopen, again=self._sink.reopen)
        else:
            raise error
        pause = self._brake.failed(batch.first_offsets())
        self.rewind()
        if not (isinstance(error, DeliveryFailed) and error.record_at_fault):  # halving the batch needs no time
            self._pause(pause)

    def open_sink(self, learn: Callable[[], None]) -> None:
        """Open the sink and then ``learn`` from it, for as long as it takes.

        A predecessor's open transaction is settled by it.
        """

        def first() -> None:
            self._sink.open()
            learn()

        def again() -> None:
            self._sink.reopen()
            learn()

        self._settle_by(first, again=again)

    def rewind(self) -> None:
        """Go back to what is committed; where that fails, leave and come back as a new member."""
        try:
            with self._watchdog.step("rewind", self._step_timeout):
                self._source.rewind()
        except PollFailed as error:
            self._telemetry.transaction("aborted", f"rewind: {error}")
            self._pause(FIRST_PAUSE_S)
            with self._watchdog.step("restart", self._step_timeout):
                self._source.restart()  # a new member starts from what is committed, too

    def _settle_by(self, act: Callable[[], None], *, again: Callable[[], None]) -> None:
        """Do what makes the last outcome definite; until it has succeeded no record moves."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                with self._watchdog.step("settle", self._step_timeout):
                    act()
            except (AbortRequired, RecreateRequired) as error:
                if isinstance(error, ProducerFenced):
                    self._note_fencing(error)
                self._telemetry.transaction("recreated", str(error))
                self._pause(pause)
                pause = min(MAX_PAUSE_S, pause * 2)
                act = again
            else:
                return

    def _abort(self, began_at: float) -> None:
        try:
            self._sink.abort()
        except ProducerFenced as error:
            if self._is_expired(began_at):
                raise RecreateRequired(f"the transaction outlived its time: {error}") from error
            raise

    def _is_expired(self, began_at: float) -> bool:
        """Return whether the coordinator has fenced the transaction for its age: that is no second owner."""
        return self._monotonic() - began_at >= self._transaction_timeout

    def _find_the_guilty(self, batch: RecordBatch, error: DeliveryFailed) -> None:
        self._brake.shrink()
        if len(batch) > 1:
            return
        at, offset = batch.at(0), int(batch.offsets[0])
        if self._brake.blame(at, offset, said=str(error), too_large=error.too_large) > REFUSED_TOO_OFTEN:
            raise StuckBatch(f"record {at} offset {offset} is refused by the broker in every form: {error}")

    def _note_fencing(self, error: ProducerFenced) -> None:
        if self._fencings.fenced(self._monotonic()) >= FENCED_TOO_OFTEN:
            raise IdentityTaken(
                f"another live process uses the same transactional id: {error}. Give every process a slot "
                "of its own (--slot, TIDEMILL_SLOT or the pod's name)"
            )

    def _pause(self, seconds: float) -> None:
        self._watchdog.beat()
        if self._stop.wait(seconds):
            raise StopRequested
