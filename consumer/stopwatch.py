"""Seconds by stage of one batch."""

from __future__ import annotations

from collections.abc import Callable


class Stopwatch:
    """Starts when made; each lap is the time since the one before."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start."""
        self._clock = clock
        self._last = clock()
        self.laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to a stage."""
        now = self._clock()
        self.laps[stage] = self.laps.get(stage, 0.0) + now - self._last
        self._last = now
