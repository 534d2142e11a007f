"""The one who looks after the tables while events come in: runs in a thread of one worker, and never raises."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from buffer.care_report import CareReport
from buffer.maintenance import CaredTable, CarePolicy, Stopping, maintain


class Maintainer:
    """Runs maintenance at an interval. ``due`` and ``run`` may be called from different threads, ``run`` from one."""

    def __init__(
        self,
        tables: Iterable[CaredTable],
        policy: CarePolicy,
        *,
        interval: timedelta,
        clock: Callable[[], datetime],
        should_stop: Stopping = lambda: False,
    ) -> None:
        """Do nothing yet; the first run is due after one interval.

        Args:
            tables: All three; only ``handle`` is used, which shares nothing with the worker that appends.
            policy: What is kept.
            interval: From the end of one run to the beginning of the next.
            clock: The time, with its zone.
            should_stop: Asked between two days and two steps, so that an end need not wait for a long run.
        """
        self._tables = tuple(tables)
        self._policy = policy
        self._interval = interval
        self._clock = clock
        self._should_stop = should_stop
        self._next = clock() + interval

    def due(self, now: datetime) -> bool:
        """Return whether it is time to run."""
        return now >= self._next

    def run(self) -> CareReport:
        """Do what is due and return what was done; never raises."""
        try:
            return maintain(self._tables, self._policy, self._clock(), should_stop=self._should_stop)
        finally:
            self._next = self._clock() + self._interval
