"""Which partitions should move and do not, judged from what the source says of them.

Two things look alike and need opposite answers. A *stalled* partition has records that this member may
read and does not: the client is stuck and must be replaced. A partition *blocked upstream* has records
that nobody may read yet, because a producer elsewhere has left a transaction open: replacing our client
would change nothing. A topic written in transactions ends in a marker, so the end offset stays ahead of
the last delivered record for ever; neither rule looks at that difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from consumer.source import PartitionStatus
from producer.records import TopicPartition

GAPS_TO_JUDGE = 4  # looks that must agree before a verdict: one late look after a long step proves nothing


class StallReport(NamedTuple):
    """The partitions that do not move; none is in both."""

    stalled: tuple[TopicPartition, ...]
    blocked: tuple[TopicPartition, ...]


@dataclass(slots=True)
class _Watch:
    """What one partition looked like, and for how long nothing of it has changed."""

    reader: tuple[int, int]
    stable_offset: int
    seen_at: float
    reader_still_s: float = 0.0
    stable_still_s: float = 0.0


class StallDetector:
    """Tells stalled and blocked partitions from ones that merely have nothing to do.

    Pure: time comes in with each look. Between two looks at most a quarter of the limit is counted, so
    a member that was busy elsewhere (a slow commit, a paused process) is not taken for a stuck one.
    """

    def __init__(self, *, stall_after_s: float, blocked_after_s: float) -> None:
        """Set how long a partition must stand still before it is named.

        Raises:
            ValueError: A limit is not above zero.
        """
        if min(stall_after_s, blocked_after_s) <= 0:
            raise ValueError("stall_after_s and blocked_after_s must be above zero")
        self._stall_after_s = stall_after_s
        self._blocked_after_s = blocked_after_s
        self._watches: dict[TopicPartition, _Watch] = {}

    def observe(self, statuses: Sequence[PartitionStatus], now: float) -> StallReport:
        """Take a look at the owned partitions and name those that stand still.

        Leave out partitions that were paused on purpose: what is not in ``statuses`` is forgotten and
        starts afresh when it returns. ``now`` is in seconds of any clock that never goes back.
        """
        self._watches = {status.partition: self._look(status, now) for status in statuses}
        return StallReport(
            stalled=tuple(s.partition for s in statuses if self._is_stalled(s)),
            blocked=tuple(s.partition for s in statuses if self._is_blocked(s)),
        )

    def forget(self) -> None:
        """Start afresh with every partition; call it after the client was replaced."""
        self._watches = {}

    def _look(self, status: PartitionStatus, now: float) -> _Watch:
        reader = (status.fetch_offset, status.delivered_offset)
        before = self._watches.get(status.partition)
        if before is None:
            return _Watch(reader, status.stable_offset, now)
        gap = max(0.0, now - before.seen_at)
        watch = _Watch(reader, status.stable_offset, now)
        if reader == before.reader:
            watch.reader_still_s = before.reader_still_s + min(gap, self._stall_after_s / GAPS_TO_JUDGE)
        if status.stable_offset == before.stable_offset:
            watch.stable_still_s = before.stable_still_s + min(gap, self._blocked_after_s / GAPS_TO_JUDGE)
        return watch

    def _is_stalled(self, status: PartitionStatus) -> bool:
        # An unknown stable offset is negative, so it never makes a stall.
        has_readable = status.fetch_offset < status.stable_offset
        return has_readable and self._watches[status.partition].reader_still_s >= self._stall_after_s

    def _is_blocked(self, status: PartitionStatus) -> bool:
        held_back = 0 <= status.stable_offset < status.end_offset
        at_the_edge = status.fetch_offset >= status.stable_offset
        still_s = self._watches[status.partition].stable_still_s
        return held_back and at_the_edge and still_s >= self._blocked_after_s
