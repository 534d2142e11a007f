"""How far behind a member is, in records and in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumer.source import PartitionStatus
from producer.records import TopicPartition


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind one partition is; ``seconds`` is None while nothing can be said about time."""

    records: int
    seconds: float | None


class LagTracker:
    """Judges lag from one look to the next.

    Pure: time comes in with each look. Between the last delivered record and the stable offset there
    may be records that wait in the client, or only the marker that ends a transaction. Two looks tell
    them apart: when everything is fetched and the worker, which asked in between, got nothing more,
    only markers are left.
    """

    def __init__(self) -> None:
        """Begin knowing nothing."""
        self._delivered: dict[TopicPartition, int] = {}
        self._caught_up_at: dict[TopicPartition, float] = {}

    def observe(self, statuses: Sequence[PartitionStatus], now: float) -> Mapping[TopicPartition, Lag]:
        """Return the lag of each partition whose stable offset is known; ``now`` in epoch seconds.

        What is not in ``statuses`` is forgotten.
        """
        lags: dict[TopicPartition, Lag] = {}
        caught_up_at: dict[TopicPartition, float] = {}
        for status in statuses:
            if status.stable_offset < 0:
                continue
            partition = status.partition
            records = self._records(status)
            if records == 0:
                caught_up_at[partition] = now
            elif partition in self._caught_up_at:
                caught_up_at[partition] = self._caught_up_at[partition]
            lags[partition] = Lag(records, _seconds(status, records, caught_up_at.get(partition), now))
        self._caught_up_at = caught_up_at
        self._delivered = {status.partition: status.delivered_offset for status in statuses}
        return lags

    def forget_looks(self) -> None:
        """Let the next look prove nothing together with the last: the worker read nothing, or read again."""
        self._delivered = {}

    def _records(self, status: PartitionStatus) -> int:
        all_fetched = status.fetch_offset >= status.stable_offset
        if all_fetched and self._delivered.get(status.partition) == status.delivered_offset:
            return 0
        known = [o for o in (status.delivered_offset, status.committed_offset, status.fetch_offset, 0) if o >= 0]
        return max(0, status.stable_offset - known[0])


def _seconds(status: PartitionStatus, records: int, caught_up_at: float | None, now: float) -> float | None:
    if records == 0:
        return 0.0
    # Both bound the wait of the oldest unread record from above: it was written after the last one
    # delivered, and after the moment when there was none unread.
    since = [status.delivered_ms / 1000] if status.delivered_ms >= 0 else []
    since += [caught_up_at] if caught_up_at is not None else []
    return max(0.0, now - max(since)) if since else None
