"""Sinks on the in-memory broker: one with transactions, one without."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Literal, TypeAlias

from producer.broker import InMemoryBroker
from producer.broker_faults import Call, Fault
from producer.broker_groups import GroupMetadata
from producer.broker_log import NewRecord
from producer.broker_transactions import ProducerIdentity
from producer.errors import AbortRequired, DeliveryFailed, ProducerFenced, RecordTooLarge, RecreateRequired
from producer.records import Headers, NextOffsets, RecordColumns, TopicPartition
from producer.sink import GroupHandle

_State: TypeAlias = Literal["closed", "ready", "begun", "abort_only", "dead"]


class _Outbox:
    """Records handed over and not yet at the broker, as a client's queue keeps them."""

    def __init__(self, broker: InMemoryBroker) -> None:
        self._broker = broker
        self._records: list[tuple[TopicPartition, NewRecord]] = []

    def put(self, topic: str, record: NewRecord, partition: int | None) -> None:
        self._broker.check_record(topic, record)
        chosen = self._broker.choose_partition(topic, record.key) if partition is None else partition
        self._records.append((TopicPartition(topic, chosen), record))

    def deliver(self, producer: ProducerIdentity | None) -> None:
        records, self._records = self._records, []
        for _, record in records:
            self._broker.check_timestamp(record)
        if records:
            self._broker.append(records, producer=producer)

    def purge(self) -> None:
        self._records = []


class InMemorySink:
    """A transactional ``RecordSink`` on the in-memory broker: exactly once.

    Stricter than a Kafka client on purpose: once an outcome is unknown every call but ``reopen`` and
    ``close`` raises ``RecreateRequired``, and once a transaction is doomed only ``abort`` and ``reopen`` work.
    """

    def __init__(self, broker: InMemoryBroker, transactional_id: str) -> None:
        self._broker = broker
        self._id = transactional_id
        self._producer = ProducerIdentity(transactional_id, -1)
        self._outbox = _Outbox(broker)
        self._state: _State = "closed"

    def open(self) -> None:
        """Open the transactional id: the predecessor's transaction is settled, the predecessor fenced."""
        self.reopen()

    def begin(self) -> None:
        """Start a transaction; the broker hears of it with the first record."""
        self._attempt("begin", self._begin, allowed="ready")

    def produce(  # noqa: PLR0913 - a record has this many parts
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        """Queue one record; it reaches the broker with ``flush`` or ``commit``."""
        record = NewRecord(timestamp_ms, key, value, tuple(headers))
        self._attempt("produce", lambda: self._outbox.put(topic, record, partition))

    def produce_many(self, topic: str, records: RecordColumns) -> None:
        """Queue records one by one."""
        _produce_each(self, topic, records)

    def flush(self) -> None:
        """Write the queued records; a ``read_committed`` reader does not see them yet."""
        self._attempt("flush", self._deliver)

    def send_offsets(self, offsets: NextOffsets, group: GroupHandle) -> None:
        """Add the consumed offsets; the broker refuses those of a member the group has moved on from."""
        metadata = _metadata_of(group)
        self._attempt("send_offsets", lambda: self._broker.add_offsets(self._producer, offsets, metadata))

    def commit(self) -> None:
        """Write what is queued and make everything visible in one step."""
        self._attempt("commit", self._commit, late=self._commit_late)

    def abort(self) -> None:
        """Undo the transaction; without one, do nothing."""
        if self._state == "ready":
            return
        if self._state == "abort_only":
            self._state = "begun"
        self._outbox.purge()
        self._attempt("abort", self._abort)

    def reopen(self) -> None:
        """Forget what is queued and open the id anew, which makes the outcome of the last commit definite."""
        self._outbox.purge()
        self._state = "dead"
        fault = self._broker.faults.take("open", self._id)
        if fault is Fault.FENCED:
            raise ProducerFenced(f"transactional id {self._id!r}: fenced while it was opened")
        if fault in {None, Fault.TIMEOUT_APPLIED}:
            self._producer = self._broker.open_producer(self._id)
        if fault is not None:
            raise RecreateRequired(f"transactional id {self._id!r}: opening it timed out; open it again")
        self._state = "ready"

    def partition_count(self, topic: str) -> int:
        """Return the number of partitions of a topic."""
        return self._broker.partition_count(topic)

    def close(self) -> None:
        """Forget what is queued and abort what is open."""
        self._outbox.purge()
        if self._state in {"begun", "abort_only"}:
            with contextlib.suppress(ProducerFenced):  # whoever fenced us has settled it already
                self._broker.end_transaction(self._producer, "aborted")
        self._state = "closed"

    def _begin(self) -> None:
        self._state = "begun"

    def _deliver(self) -> None:
        self._outbox.deliver(self._producer)

    def _commit(self) -> None:
        self._deliver()
        self._broker.end_transaction(self._producer, "committed")
        self._state = "ready"

    def _commit_late(self) -> None:
        self._deliver()
        self._broker.prepare_commit(self._producer)

    def _abort(self) -> None:
        self._broker.end_transaction(self._producer, "aborted")
        self._state = "ready"

    def _attempt(
        self,
        call: Call,
        action: Callable[[], None],
        *,
        allowed: _State = "begun",
        late: Callable[[], None] | None = None,
    ) -> None:
        """Make a call as the fault script wants it, and remember what may still be called after it."""
        self._require(call, allowed)
        fault = self._broker.faults.take(call, self._id)
        if fault is Fault.ABORT and call == "abort":
            fault = Fault.TIMEOUT_LOST  # an abort that is refused leaves as much open as one that got lost
        if fault is Fault.ABORT and call != "flush":
            self._state = "abort_only"
            raise AbortRequired(f"{call} was refused; abort the transaction")
        if fault is Fault.FENCED:
            self._broker.open_producer(self._id)
            self._state = "dead"
            raise ProducerFenced(f"transactional id {self._id!r} was opened by another process")
        try:
            if fault in {None, Fault.TIMEOUT_APPLIED}:
                action()
            elif fault is Fault.TIMEOUT_LATE:
                (late or action)()
        except AbortRequired:
            self._state = "abort_only"
            raise
        except RecreateRequired:
            self._state = "dead"
            raise
        if fault is not None and call == "flush":
            # Unlike other timeouts this one is harmless: the transaction is open, so an abort undoes what arrived.
            self._state = "abort_only"
            raise DeliveryFailed("flush: the records were not acknowledged in time")
        if fault is not None:
            self._state = "dead"
            raise RecreateRequired(f"{call} timed out; whether it happened is not known")

    def _require(self, call: Call, allowed: _State) -> None:
        if self._state == "dead":
            raise RecreateRequired(f"{call}: this producer is dead; open its transactional id again")
        if self._state == "abort_only":
            raise AbortRequired(f"{call}: an earlier call failed; abort the transaction")
        if self._state != allowed:
            raise RuntimeError(f"{call} was called on a sink that is {self._state}; it must be {allowed}")


class InMemoryPlainSink:
    """A ``RecordSink`` without transactions: at least once. Records are visible once flushed.

    ``commit`` delivers what is queued, then commits the remembered offsets to the group.
    """

    def __init__(self, broker: InMemoryBroker, *, client_id: str = "plain") -> None:
        self._broker = broker
        self._id = client_id
        self._outbox = _Outbox(broker)
        self._offsets: tuple[NextOffsets, GroupHandle] | None = None

    def open(self) -> None:
        """Forget what is queued."""
        self._forget()

    def begin(self) -> None:
        """Start a batch."""
        self._fail_on_cue("begin")

    def produce(  # noqa: PLR0913 - a record has this many parts
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        """Queue one record."""
        self._fail_on_cue("produce")
        self._outbox.put(topic, NewRecord(timestamp_ms, key, value, tuple(headers)), partition)

    def produce_many(self, topic: str, records: RecordColumns) -> None:
        """Queue records one by one."""
        _produce_each(self, topic, records)

    def flush(self) -> None:
        """Write the queued records; they are visible when this returns."""
        fault = self._broker.faults.take("flush", self._id)
        if fault in {None, Fault.TIMEOUT_APPLIED, Fault.TIMEOUT_LATE}:
            self._outbox.deliver(None)
        if fault is not None:
            self._outbox.purge()
            raise DeliveryFailed("flush: the records were not acknowledged in time")

    def send_offsets(self, offsets: NextOffsets, group: GroupHandle) -> None:
        """Remember the offsets for ``commit``."""
        self._fail_on_cue("send_offsets")
        self._offsets = (dict(offsets), group)

    def commit(self) -> None:
        """Deliver what is queued, then commit the offsets to the group."""
        self.flush()
        fault = self._broker.faults.take("commit", self._id)
        remembered, self._offsets = self._offsets, None
        if fault is Fault.ABORT:
            raise AbortRequired("commit was refused; read again")
        if remembered is not None and fault in {None, Fault.TIMEOUT_APPLIED, Fault.TIMEOUT_LATE}:
            offsets, group = remembered
            group.commit(offsets)
        if fault is not None:
            raise RecreateRequired("commit timed out; whether it happened is not known")

    def abort(self) -> None:
        """Forget what is queued; what was delivered stays visible."""
        self._forget()

    def reopen(self) -> None:
        """Forget what is queued."""
        self._forget()

    def partition_count(self, topic: str) -> int:
        """Return the number of partitions of a topic."""
        return self._broker.partition_count(topic)

    def close(self) -> None:
        """Forget what is queued."""
        self._forget()

    def _forget(self) -> None:
        self._outbox.purge()
        self._offsets = None

    def _fail_on_cue(self, call: Call) -> None:
        fault = self._broker.faults.take(call, self._id)
        if fault is Fault.ABORT:
            raise AbortRequired(f"{call} was refused; read again")
        if fault is not None:
            raise RecreateRequired(f"{call} timed out")


def _produce_each(sink: InMemorySink | InMemoryPlainSink, topic: str, records: RecordColumns) -> None:
    for index, value in enumerate(records.values):
        try:
            sink.produce(
                topic,
                key=records.keys[index],
                value=value,
                timestamp_ms=int(records.timestamps_ms[index]),
                headers=() if records.headers is None else records.headers[index],
                partition=None if records.partitions is None else records.partitions[index],
            )
        except RecordTooLarge as error:
            raise RecordTooLarge(str(error), index=index) from None


def _metadata_of(group: GroupHandle) -> GroupMetadata:
    metadata = group.metadata
    if not isinstance(metadata, GroupMetadata):
        raise TypeError(f"a group of the in-memory broker is needed, not {type(metadata).__name__}")
    return metadata
