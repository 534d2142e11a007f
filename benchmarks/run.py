"""What the two contenders of the comparison are told, and what they tell."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field

import msgspec


@dataclass(frozen=True, slots=True)
class Order:
    """One run: score (or pass) so many events with the settings of this service file.

    Attributes:
        config: The service file; both contenders make their clients from it.
        group: Consumer group and transactional id, new for every run.
        target: Topic of the records that come out.
        events: How many records are on the input topic.
        keyed: Whether the limit's records carry a key and a timestamp, as scores do.
    """

    config: str
    group: str
    target: str
    events: int
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took, from the first record polled to the last transaction committed.

    Attributes:
        events: Records dealt with.
        seconds: Of the wall clock.
        cpu_seconds: Of the client's process, all of its threads.
        python_seconds: Of the one thread that runs Python, a part of ``cpu_seconds``.
        peak_rss_mib: Memory at most.
        stages: Wall-clock seconds by stage of the worker; empty for the limit.
    """

    events: int
    seconds: float
    cpu_seconds: float
    python_seconds: float
    peak_rss_mib: float
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Return events a second."""
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """Return microseconds of CPU an event."""
        return 1e6 * self.cpu_seconds / self.events

    @property
    def cores(self) -> float:
        """Return how many cores were busy."""
        return self.cpu_seconds / self.seconds


@dataclass(slots=True)
class Clock:
    """Runs from the first record on, which is when there is something to do."""

    began: float = 0.0
    _cpu: float = 0.0
    _python: float = 0.0

    def start(self) -> None:
        """Start, unless it runs already."""
        if not self.began:
            self.began, self._cpu, self._python = time.perf_counter(), time.process_time(), time.thread_time()

    def stop(self, events: int, *, stages: dict[str, float] | None = None) -> Run:
        """Return what it took since ``start``."""
        return Run(
            events=events,
            seconds=time.perf_counter() - self.began,
            cpu_seconds=time.process_time() - self._cpu,
            python_seconds=time.thread_time() - self._python,
            peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            stages=stages or {},
        )


def order_from(text: str) -> Order:
    """Read an order from the command line."""
    return msgspec.json.decode(text, type=Order)
