"""What the probes ask of a scoring process: its worker, its model, its loop."""

from __future__ import annotations

import time

from consumer.watchdog import Watchdog
from consumer.worker import ScoringWorker
from models.champion import ChampionHandle
from service.health import Phase, Verdict, liveness, readiness

LIVENESS_MARGIN_S = 60.0  # above the longest guarded step: the watchdog ends a hung process before a probe does


class WorkerProbes:
    """Implements ``Probes``; reads only, from any thread."""

    def __init__(self, worker: ScoringWorker, *, champion: ChampionHandle, watchdog: Watchdog) -> None:
        """Take what is looked at."""
        self._worker = worker
        self._champion = champion
        self._watchdog = watchdog
        self._limit_s = worker.longest_step + LIVENESS_MARGIN_S

    def live(self) -> Verdict:
        """Judge by the age of the loop's last sign of life alone."""
        return liveness(time.monotonic(), self._watchdog.last_beat, limit_s=self._limit_s)

    def ready(self) -> Verdict:
        """Judge whether events are being scored."""
        return readiness(
            phase=Phase.DRAINING if self._worker.is_stopping else Phase.RUNNING,
            has_champion=self._champion.current() is not None,
            is_joined=self._worker.is_joined,
            lacks_schemas=self._worker.lacks_schemas,
            live=self.live(),
        )
