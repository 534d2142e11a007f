"""Ends the process when one of its steps hangs: some calls of the Kafka client ignore their own timeout.

Correctness never needs a clean exit, so a process that cannot go on is better dead: its successor
settles the open transaction and reads on. Dying is also the only cure that works here, since a thread
stuck in foreign code cannot be interrupted from Python.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

EXIT_STUCK = 1  # "any other failure" of the command line
DEFAULT_INTERVAL_S = 0.5
LAST_WORDS_S = 5.0  # for the stacks and the log line; then the process ends without them

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Step:
    """One guarded step; steps of one thread nest."""

    name: str
    limit_s: float
    started_at: float
    overslept_before: float
    outer: _Step | None


def end_process(step: str, limit_s: float) -> None:
    """Write every thread's stack to stderr, log one line that names the step, and exit at once.

    Exits even when the stuck thread holds the lock of stderr or of the log: a timer outside the
    interpreter does it after ``LAST_WORDS_S``.
    """
    faulthandler.dump_traceback_later(LAST_WORDS_S, exit=True)
    faulthandler.dump_traceback(all_threads=True)
    logger.critical("Step %s did not end within %g s; ending the process so that a successor can go on", step, limit_s)
    sys.stderr.flush()
    os._exit(EXIT_STUCK)


class Watchdog:
    """Watches the steps of one thread from a second one, and remembers the last sign of life.

    A step costs a few microseconds. One thread calls ``beat`` and ``step``; any
    thread may read ``last_beat``. Time during which the whole process was suspended does not count
    against a step. A foreign call that keeps the interpreter lock for ever cannot be seen from here;
    the liveness probe, which is then not answered, is the guard against that.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_timeout: Callable[[str, float], None] = end_process,
        interval_s: float = DEFAULT_INTERVAL_S,
    ) -> None:
        """Take the clock, and what to do with the name and limit of a step that hangs (once per step)."""
        self._clock = clock
        self._on_timeout = on_timeout
        self._interval_s = interval_s
        self._current: _Step | None = None
        self._reported: _Step | None = None
        self._overslept_s = 0.0
        self._last_beat = self._last_check = clock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def last_beat(self) -> float:
        """Return when the watched thread last gave a sign of life, by this watchdog's clock."""
        return self._last_beat

    def beat(self) -> None:
        """Give a sign of life: one round of the loop is done."""
        self._last_beat = self._clock()

    @contextmanager
    def step(self, name: str, limit_s: float) -> Iterator[None]:
        """Guard a step that must end within ``limit_s`` seconds; its end is a sign of life."""
        step = _Step(name, limit_s, self._clock(), self._overslept_s, self._current)
        self._current = step  # one assignment: the other thread sees a whole step or none
        try:
            yield
        finally:
            self._current = step.outer
            self.beat()

    def start(self) -> None:
        """Start watching in a daemon thread; a second call does nothing."""
        if self._thread is None:
            self._stopping.clear()
            self._last_check = self._clock()
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop watching and wait for the thread to end; a second call does nothing."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping.set()
            thread.join()

    def check(self) -> None:
        """Look once; the thread does this every ``interval_s``."""
        now = self._clock()
        # This thread only sleeps: when it comes late, the whole process was suspended for the rest of the time.
        self._overslept_s += max(0.0, now - self._last_check - 2 * self._interval_s)
        self._last_check = now
        step = self._current
        while step is not None:
            elapsed = now - step.started_at - (self._overslept_s - step.overslept_before)
            if elapsed > step.limit_s and step is not self._reported:
                self._reported = step
                self._on_timeout(step.name, step.limit_s)
                return
            step = step.outer

    def _watch(self) -> None:
        while not self._stopping.wait(self._interval_s):
            self.check()
