"""The transaction coordinator of the in-memory broker: ids, epochs, fencing, what ends together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from producer.broker_groups import ConsumerGroup, GroupMetadata
from producer.broker_log import NewRecord, PartitionLog, WriterState
from producer.errors import ProducerFenced, RecreateRequired
from producer.records import NextOffsets


class ProducerIdentity(NamedTuple):
    """Who writes: every ``open`` of a transactional id gets a higher epoch and fences the lower ones."""

    transactional_id: str
    epoch: int


@dataclass(slots=True)
class _Transaction:
    writer: WriterState = field(default_factory=WriterState)
    logs: list[PartitionLog] = field(default_factory=list)
    offsets: list[tuple[ConsumerGroup, NextOffsets]] = field(default_factory=list)
    prepared: bool = False

    def end(self, outcome: Literal["committed", "aborted"]) -> None:
        self.writer.outcome = outcome
        for log in self.logs:
            log.mark(self.writer)
        for group, offsets in self.offsets:
            group.release(offsets)
            if outcome == "committed":
                group.committed.update(offsets)


@dataclass(slots=True)
class _Id:
    epoch: int = -1
    transaction: _Transaction | None = None


class TransactionCoordinator:
    """Knows every transactional id. Not thread-safe: the broker holds its lock around every call.

    A transaction begins with its first record or offset. Records and offsets of one transaction become
    visible in one step, or never.
    """

    def __init__(self) -> None:
        self._ids: dict[str, _Id] = {}

    def open(self, transactional_id: str) -> ProducerIdentity:
        """Finish what the predecessor left (a prepared commit is completed, the rest aborted) and fence it."""
        state = self._ids.setdefault(transactional_id, _Id())
        self._finish(state)
        state.epoch += 1
        return ProducerIdentity(transactional_id, state.epoch)

    def append(self, producer: ProducerIdentity, log: PartitionLog, records: Sequence[NewRecord]) -> None:
        """Write records that become visible with the transaction."""
        transaction = self._ongoing(producer)
        if log not in transaction.logs:
            transaction.logs.append(log)
        log.append(records, transaction.writer)

    def add_offsets(
        self, producer: ProducerIdentity, group: ConsumerGroup, offsets: NextOffsets, metadata: GroupMetadata
    ) -> None:
        """Add offsets that are committed with the transaction; the group is asked now, and not again."""
        self._require(producer)
        group.check(metadata)
        taken = dict(offsets)
        self._ongoing(producer).offsets.append((group, taken))
        group.hold(taken)

    def end(self, producer: ProducerIdentity, outcome: Literal["committed", "aborted"]) -> None:
        """Commit or abort; one that wrote nothing leaves no trace."""
        state = self._require(producer)
        transaction, state.transaction = state.transaction, None
        if transaction is not None:
            transaction.end(outcome)

    def prepare(self, producer: ProducerIdentity) -> None:
        """Decide for a commit and leave it to be finished later."""
        self._ongoing(producer).prepared = True

    def finish_prepared(self, transactional_id: str) -> None:
        """Complete a prepared commit, if there is one: the late request has arrived."""
        state = self._ids.get(transactional_id)
        if state is not None and state.transaction is not None and state.transaction.prepared:
            self._finish(state)

    def expire(self, transactional_id: str) -> None:
        """Abort a transaction that was open too long, and fence its producer, as the coordinator's timer does."""
        state = self._ids.get(transactional_id)
        if state is not None and state.transaction is not None and not state.transaction.prepared:
            self._finish(state)
            state.epoch += 1

    def _finish(self, state: _Id) -> None:
        transaction, state.transaction = state.transaction, None
        if transaction is not None:
            transaction.end("committed" if transaction.prepared else "aborted")

    def _ongoing(self, producer: ProducerIdentity) -> _Transaction:
        state = self._require(producer)
        if state.transaction is None:
            state.transaction = _Transaction()
        return state.transaction

    def _require(self, producer: ProducerIdentity) -> _Id:
        state = self._ids.get(producer.transactional_id)
        if state is None or state.epoch != producer.epoch:
            raise ProducerFenced(
                f"transactional id {producer.transactional_id!r}: epoch {producer.epoch} is fenced; another producer "
                "has opened this id, or the transaction was open for too long"
            )
        if state.transaction is not None and state.transaction.prepared:
            raise RecreateRequired(
                f"transactional id {producer.transactional_id!r}: a commit is still being finished; open the id again"
            )
        return state
