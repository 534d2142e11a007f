"""What is remembered about failures, so that trying again ends: smaller batches, pauses, a verdict. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from producer.records import NextOffsets, TopicPartition

SHRINK_AFTER_FAILURES = 5  # of the same batch: then the batch itself is suspected
FIRST_PAUSE_S = 0.05
MAX_PAUSE_S = 5.0
FENCING_WINDOW_S = 60.0


class Refusal(NamedTuple):
    """How often the broker has refused a record that stood alone, and what it said to its last form."""

    times: int
    said: str
    too_large: bool


@dataclass(slots=True)
class Brake:
    """Makes batches smaller while the same one keeps failing, and larger again after each success.

    A batch is named by the first offsets of its partitions. ``guilty`` holds the records that the
    broker has refused when they were alone.
    """

    max_records: int
    limit: int = field(init=False)
    failures: int = field(default=0, init=False)
    guilty: dict[tuple[TopicPartition, int], Refusal] = field(default_factory=dict, init=False)
    _failing: frozenset[tuple[TopicPartition, int]] = field(default=frozenset(), init=False)

    def __post_init__(self) -> None:
        """Start with the whole limit."""
        self.limit = self.max_records

    def succeeded(self, committed: NextOffsets) -> None:
        """Forget the failures of what is committed now; the next batch may be twice as large."""
        self.failures = 0
        self._failing = frozenset()
        self.limit = min(self.max_records, self.limit * 2)
        self.guilty = {
            (at, offset): found for (at, offset), found in self.guilty.items() if offset >= committed.get(at, 0)
        }

    def failed(self, first_offsets: frozenset[tuple[TopicPartition, int]]) -> float:
        """Note a failure of a batch; return the seconds to pause before it is tried again."""
        # A retry can be cut differently, but it begins with a record the failed one began with.
        self.failures = self.failures + 1 if self._failing & first_offsets else 1
        self._failing = first_offsets
        if self.failures % SHRINK_AFTER_FAILURES == 0:
            self.shrink()
        return float(min(MAX_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self.failures - 1, 10)))

    def shrink(self) -> None:
        """Halve the batches, down to single records."""
        self.limit = max(1, self.limit // 2)

    def refusal(self, partition: TopicPartition, offset: int) -> Refusal | None:
        """Return how the broker has refused this record alone, None when it did not."""
        return self.guilty.get((partition, offset))

    def blame(self, partition: TopicPartition, offset: int, *, said: str, too_large: bool) -> int:
        """Note that the broker refused this record alone; return how often by now."""
        before = self.refusal(partition, offset)
        times = 1 if before is None else before.times + 1
        self.guilty[partition, offset] = Refusal(times, said, too_large)
        return times


@dataclass(slots=True)
class FencingRecord:
    """Tells one fencing (a slow transaction, a failed-over coordinator) from a second live owner of the id."""

    _at: list[float] = field(default_factory=list)

    def fenced(self, now: float) -> int:
        """Note a fencing; return how many there were within the window, this one included."""
        self._at = [at for at in self._at if now - at < FENCING_WINDOW_S] + [now]
        return len(self._at)
