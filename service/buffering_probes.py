"""What the probes ask of a buffering process: its worker, its loop."""

from __future__ import annotations

import time

from consumer.buffering import BufferingWorker
from consumer.watchdog import Watchdog
from service.health import Phase, Verdict, buffering_readiness, liveness
from service.probes import LIVENESS_MARGIN_S


class BufferingProbes:
    """Implements ``Probes``; reads only, from any thread."""

    def __init__(self, worker: BufferingWorker, *, watchdog: Watchdog) -> None:
        """Take what is looked at."""
        self._worker = worker
        self._watchdog = watchdog
        self._limit_s = worker.longest_step + LIVENESS_MARGIN_S

    def live(self) -> Verdict:
        """Judge by the age of the loop's last sign of life alone."""
        return liveness(time.monotonic(), self._watchdog.last_beat, limit_s=self._limit_s)

    def ready(self) -> Verdict:
        """Judge whether records get into the tables."""
        return buffering_readiness(
            phase=Phase.DRAINING if self._worker.is_stopping else Phase.RUNNING,
            is_joined=self._worker.is_joined,
            lacks_tables=self._worker.lacks_tables,
            lacks_schemas=self._worker.lacks_schemas,
            live=self.live(),
        )
