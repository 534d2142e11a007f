"""The way of rows into the tables: when a flush is due, what is in hand, when it is tried again. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from buffer.table import TableName
from consumer.buffering_limits import FlushRule
from consumer.buffering_rows import Load, PendingRows
from producer.records import TopicPartition

FIRST_PAUSE_S = 0.2
MAX_PAUSE_S = 30.0


@dataclass(slots=True)
class _Flow:
    """One table: what waits, and the load in hand, which stays the same until its outcome is known."""

    pending: PendingRows
    load: Load | None = None
    failures: int = 0
    retry_at: float = 0.0


@dataclass(slots=True)
class Flows:
    """All tables. Each goes on by itself: one that is unavailable holds up no other."""

    rule: FlushRule
    rng: random.Random
    _is_hurried: bool = False
    _flows: dict[TableName, _Flow] = field(default_factory=lambda: {n: _Flow(PendingRows(n)) for n in TableName})

    def pending(self, table: TableName) -> PendingRows:
        """Return where rows of a table are added."""
        return self._flows[table].pending

    @property
    def rows(self) -> int:
        """Return the number of rows in memory."""
        return sum(flow.pending.count + (flow.load.count if flow.load else 0) for flow in self._flows.values())

    @property
    def nbytes(self) -> int:
        """Return the memory that rows take."""
        return sum(flow.pending.nbytes + (flow.load.nbytes if flow.load else 0) for flow in self._flows.values())

    @property
    def is_full(self) -> bool:
        """Return whether twice of what is enough waits: then nothing more is to be read."""
        return self.rule.is_enough(self.rows // 2, self.nbytes // 2)

    @property
    def is_failing(self) -> bool:
        """Return whether the last append to a table failed."""
        return any(flow.failures for flow in self._flows.values())

    def next_load(self, now: float) -> Load | None:
        """Return what to append now, if anything: first what was in hand already."""
        for flow in self._flows.values():
            if flow.load is not None and now >= flow.retry_at:
                return flow.load
        waiting = [flow.pending for flow in self._flows.values() if flow.load is None]
        interval = 0.0 if self._is_hurried else self.rule.interval
        due = [p for p in waiting if p.since is not None and now - p.since >= interval]
        self._is_hurried = self._is_hurried and bool(due)
        if not due and self.rule.is_enough(sum(p.count for p in waiting), sum(p.nbytes for p in waiting)):
            due = [max(waiting, key=lambda pending: pending.nbytes)]
        return self._in_hand(due[0].table) if due else None

    def last_load(self) -> Load | None:
        """Return what to append before an end, due or not; tables that have just failed are left out."""
        for flow in self._flows.values():
            if not flow.failures and (flow.load is not None or flow.pending.since is not None):
                return flow.load or self._in_hand(flow.pending.table)
        return None

    def hurry(self) -> None:
        """Have what waits now appended without waiting for the interval."""
        self._is_hurried = True

    def try_at_once(self) -> None:
        """Forget failures, so that everything is tried once more."""
        for flow in self._flows.values():
            flow.failures, flow.retry_at = 0, 0.0

    def committed(self, table: TableName) -> None:
        """Let go of the load of a table."""
        flow = self._flows[table]
        flow.load, flow.failures, flow.retry_at = None, 0, 0.0

    def failed(self, table: TableName, now: float) -> float:
        """Keep the load of a table for later; return the seconds until then."""
        flow = self._flows[table]
        if flow.load is None:  # dropped meanwhile
            return 0.0
        pause: float = min(MAX_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(flow.failures, 20)) * self.rng.uniform(0.5, 1.5)
        flow.failures += 1
        flow.retry_at = now + pause
        return pause

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget the rows of these partitions, in hand or not."""
        gone = frozenset(partitions)
        for flow in self._flows.values():
            flow.pending.drop(gone)
            if flow.load is not None:
                kept = flow.load.without(gone)
                flow.load = kept if kept.stretches else None
                if flow.load is None:
                    flow.failures, flow.retry_at = 0, 0.0

    def _in_hand(self, table: TableName) -> Load:
        flow = self._flows[table]
        flow.load = flow.pending.take()
        return flow.load
