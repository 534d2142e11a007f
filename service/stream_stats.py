"""What a person watching the stream wants to know, collected in memory."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from consumer.source import PartitionStatus
from consumer.telemetry import TransactionOutcome
from features.rejection import Reason
from models.champion import LiveModel
from producer.records import TopicPartition
from service.lag import LagTracker

HISTORY_S = 60  # seconds of throughput kept
RATE_S = 3  # the rate shown is the mean of so many whole seconds
KEPT_SAMPLES = 4000  # of delays and of scores: the last few dozen batches
BINS = 10


@dataclass(frozen=True, slots=True)
class Swap:
    """The first scores of another version, ``second`` whole seconds after the start."""

    second: int
    version: str


@dataclass(frozen=True, slots=True)
class StreamSnapshot:
    """The state at one moment.

    Attributes:
        elapsed_s: Seconds since the start.
        per_second: Records committed in each of the last whole seconds, oldest first, at most ``HISTORY_S``;
            the last one is second number ``int(elapsed_s) - 1``.
        rate: Records a second now.
        scored: Scores committed since the start.
        dead_letters: Dead letters since the start, by reason, most frequent first.
        p50_s: Median delay from record timestamp to commit, of recent records; None before the first.
        p99_s: The 99th percentile of the same.
        bins: Edges and counts of the distribution of recent scores; empty before the first.
        version: The version that scores, or empty.
        swaps: Changes from one version to the next, oldest first.
        lag_records: Records behind, over all partitions; None while unknown.
        lag_s: Upper bound of the wait of the oldest unread record; None while unknown.
        standing: Partitions that are stalled or blocked upstream.
        not_committed: Transactions that did not commit.
        waiting_for: Why nothing is consumed, or empty.
        failure: The last version that was not taken live, with the reason; or empty.
    """

    elapsed_s: float
    per_second: tuple[int, ...]
    rate: float
    scored: int
    dead_letters: Mapping[str, int]
    p50_s: float | None
    p99_s: float | None
    bins: tuple[tuple[float, int], ...]
    version: str
    swaps: tuple[Swap, ...]
    lag_records: int | None
    lag_s: float | None
    standing: tuple[TopicPartition, ...]
    not_committed: int
    waiting_for: str
    failure: str

    @property
    def dead(self) -> int:
        """Return the number of dead letters."""
        return sum(self.dead_letters.values())


class StreamStats:
    """Implements ``Telemetry`` and ``ChampionListener`` and gives snapshots; thread-safe, of bounded size."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        """Start counting now."""
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._began_at = clock()
        self._per_second: Counter[int] = Counter()
        self._scored = 0
        self._dead_letters: Counter[str] = Counter()
        self._delays: deque[float] = deque(maxlen=KEPT_SAMPLES)
        self._scores: deque[float] = deque(maxlen=KEPT_SAMPLES)
        self._version = ""
        self._swaps: deque[Swap] = deque(maxlen=HISTORY_S)
        self._lag = LagTracker()
        self._lags: tuple[int | None, float | None] = (None, None)
        self._standing: tuple[TopicPartition, ...] = ()
        self._not_committed = 0
        self._waiting_for = ""
        self._failure = ""

    def snapshot(self) -> StreamSnapshot:
        """Return the state now."""
        with self._lock:
            elapsed = self._clock() - self._began_at
            now = int(elapsed)
            per_second = tuple(self._per_second[second] for second in range(max(0, now - HISTORY_S), now))
            recent = per_second[-RATE_S:]
            p50, p99 = np.percentile(self._delays, [50, 99]).tolist() if self._delays else (None, None)
            return StreamSnapshot(
                elapsed_s=elapsed,
                per_second=per_second,
                rate=sum(recent) / len(recent) if recent else 0.0,
                scored=self._scored,
                dead_letters=dict(self._dead_letters.most_common()),
                p50_s=p50,
                p99_s=p99,
                bins=_bins(self._scores),
                version=self._version,
                swaps=tuple(self._swaps),
                lag_records=self._lags[0],
                lag_s=self._lags[1],
                standing=self._standing,
                not_committed=self._not_committed,
                waiting_for=self._waiting_for,
                failure=self._failure,
            )

    def records_consumed(self, topic: str, count: int) -> None:
        """Ignore: what is read and not committed may be read again."""

    def records_scored(self, count: int, *, version: str, role: str, sample: Sequence[float] = ()) -> None:
        """Count the champion's scores and remember some of their values."""
        if role != "champion" or not count:
            return
        with self._lock:
            self._scored += count
            self._scores.extend(sample)
            if self._version and version != self._version:
                self._swaps.append(Swap(int(self._clock() - self._began_at), version))
            self._version = version

    def dead_lettered(self, reason: Reason, count: int) -> None:
        """Count dead letters."""
        with self._lock:
            self._dead_letters[reason.value] += count

    def batch_done(self, records: int, *, stages: Mapping[str, float], end_to_end: Sequence[float]) -> None:  # noqa: ARG002 - stages are for metrics
        """Add to the throughput of this second; remember the delays."""
        with self._lock:
            self._delays.extend(end_to_end)
            second = int(self._clock() - self._began_at)
            self._per_second[second] += records
            for old in [key for key in self._per_second if key < second - HISTORY_S]:
                del self._per_second[old]

    def transaction(self, outcome: TransactionOutcome, cause: str = "") -> None:  # noqa: ARG002 - the cause is logged elsewhere
        """Count what did not commit."""
        if outcome == "committed":
            return
        with self._lock:
            self._lag.forget_looks()
            self._not_committed += 1

    def rebalanced(self, change: Literal["assigned", "revoked", "lost"], partitions: Sequence[TopicPartition]) -> None:
        """Ignore: the next look at the partitions shows it."""

    def partitions(
        self,
        statuses: Sequence[PartitionStatus],
        *,
        stalled: Sequence[TopicPartition],
        blocked: Sequence[TopicPartition],
    ) -> None:
        """Remember how far behind the stream is and what stands still."""
        with self._lock:
            lags = self._lag.observe(statuses, self._wall_clock()).values()
            seconds = [lag.seconds for lag in lags if lag.seconds is not None]
            self._lags = (sum(lag.records for lag in lags) if lags else None, max(seconds, default=None))
            self._standing = (*stalled, *blocked)

    def model_unusable(self, version: str, detail: str) -> None:
        """Remember the failure."""
        self.model_load_failed(version, "unusable", detail)

    def waiting(self, cause: str, detail: str = "") -> None:  # noqa: ARG002 - the port gives both
        """Remember why nothing is consumed."""
        with self._lock:
            if cause:
                self._lag.forget_looks()
            self._waiting_for = cause

    def model_swapped(self, previous: LiveModel | None, live: LiveModel) -> None:  # noqa: ARG002 - the port gives both
        """Forget an earlier failure; the swap is marked when the first scores of the new version are committed."""
        with self._lock:
            self._version = self._version or live.version
            self._failure = ""

    def model_load_failed(self, version: str, reason: str, detail: str) -> None:  # noqa: ARG002 - the detail is logged elsewhere
        """Remember the failure; a store that cannot be read (no version) is not remembered, as its end is not told."""
        if not version:
            return
        with self._lock:
            self._failure = f"{version} not taken live: {reason}"


def _bins(scores: Sequence[float]) -> tuple[tuple[float, int], ...]:
    """Return lower edge and count of each bin: from 0 to 1 when all scores lie there, else over their range."""
    if not scores:
        return ()
    values = np.fromiter(scores, np.float64, len(scores))
    low, high = min(0.0, float(values.min())), max(1.0, float(values.max()))
    if (low, high) != (0.0, 1.0):
        low, high = float(values.min()), float(values.max())
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    return tuple(zip(edges[:-1].tolist(), counts.tolist(), strict=True))
