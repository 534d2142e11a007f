"""Sinks on Apache Kafka: one transactional, one that acknowledges before it commits offsets.

The transactional algorithm follows the client's own documentation (librdkafka, ``rdkafka.h``, section
"Transactional producer API") with one addition: after any call whose outcome is not known the producer
is thrown away and opened again with the same id. librdkafka speaks the first transaction protocol, in
which a delayed request can otherwise land in a later transaction of the same epoch.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from operator import length_hint
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from producer.errors import (
    AbortRequired,
    BrokerUnreachable,
    DeliveryFailed,
    ProducerError,
    ProducerFenced,
    RecordTooLarge,
    RecreateRequired,
    SinkRefused,
)
from producer.records import Headers, NextOffsets, RecordColumns
from producer.sink import GroupHandle

REQUEST_TIMEOUT_S = 10.0  # one attempt of a call that may be repeated; short, so that the caller stays responsive
CLOSE_TIMEOUT_S = 5.0

_FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
_DEAD = frozenset(
    {
        KafkaError._FATAL,  # reported with fatal() false by produce() after a fatal error
        KafkaError._STATE,
        KafkaError.INVALID_TXN_STATE,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
    }
)
_REFUSED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.INVALID_TRANSACTION_TIMEOUT,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
_NOT_LET_IN = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})
_AWAY = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TRANSPORT,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
    }
)
_TOO_LARGE = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.RECORD_LIST_TOO_LARGE,  # for one segment of the log
    }
)
_RECORD_AT_FAULT = _TOO_LARGE | {KafkaError.INVALID_MSG, KafkaError.INVALID_TIMESTAMP, KafkaError.INVALID_RECORD}


def policy_of(error: KafkaError, step: str) -> ProducerError:
    """Return the error whose class says what to do about a client error at a step."""
    line = f"{step}: {error.str()} ({error.name()})"
    code = error.code()
    if code in _REFUSED:
        return SinkRefused(line)
    if code in _FENCED:
        return ProducerFenced(line)
    if error.fatal() or code in _DEAD:
        return RecreateRequired(line)
    if error.txn_requires_abort():
        return AbortRequired(line)
    if code in _AWAY:
        return BrokerUnreachable(line)
    # What is not understood: the outcome is unknown, so the producer must go.
    return RecreateRequired(line)


def error_in(exception: KafkaException) -> KafkaError:
    """Return the client's error object inside its exception."""
    error = exception.args[0]
    return error if isinstance(error, KafkaError) else KafkaError(KafkaError._FAIL, str(exception))


def served(call: Callable[[], int], step: str) -> int:
    """Make a call that serves the client's queue.

    A fatal error (the producer was fenced) that waits in the queue is raised by whichever call serves it; when a
    delivery report follows it in the queue, Python wraps it in a ``SystemError``.
    """
    try:
        return call()
    except (KafkaException, SystemError) as exception:
        cause = exception if isinstance(exception, KafkaException) else exception.__cause__
        if isinstance(cause, KafkaException):
            raise policy_of(error_in(cause), step) from exception
        raise RecreateRequired(f"{step}: {exception}") from exception


def _arguments(records: RecordColumns) -> tuple[Iterable[Any], ...]:
    """Return the arguments of ``Producer.produce`` after the topic, in order: naming them costs a third of a call."""
    partitions, headers = records.partitions, records.headers
    return (
        records.values,
        records.keys,
        repeat(-1) if partitions is None else [-1 if partition is None else partition for partition in partitions],
        repeat(None),  # two names for a callback: ours is in the configuration
        repeat(None),
        np.maximum(records.timestamps_ms, 0).tolist(),
        repeat(None) if headers is None else [list(found) if found else None for found in headers],
    )


class KafkaPlainSink:
    """At least once: offsets are committed after every record of the batch is acknowledged."""

    def __init__(self, conf: Mapping[str, Any], *, flush_timeout: float) -> None:
        self._conf = {
            **conf,
            "delivery.report.only.error": True,
            "on_delivery": self._on_delivery,
            "error_cb": self._on_error,
        }
        self._flush_timeout = flush_timeout
        self._client: Producer | None = None
        self._undelivered: KafkaError | None = None
        self._refusal: KafkaError | None = None
        self._offsets: tuple[NextOffsets, GroupHandle] | None = None

    def open(self) -> None:
        """Create the client; it connects by itself. ``SinkRefused`` when the client takes no such settings."""
        self._refusal = None
        try:
            self._client = Producer(self._conf)
        except KafkaException as exception:
            raise SinkRefused(f"the Kafka producer cannot be made: {error_in(exception).str()}") from exception

    def begin(self) -> None:
        """Start a batch."""
        self._undelivered = None
        self._refusal = None
        self._offsets = None

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
        """Queue one record; a full queue is waited for, at most ``flush_timeout`` seconds."""
        self.produce_many(
            topic, RecordColumns([key], [value], np.array([timestamp_ms], dtype=np.int64), [headers], [partition])
        )

    def produce_many(self, topic: str, records: RecordColumns) -> None:
        """Queue records; a full queue is waited for, at most ``flush_timeout`` seconds for each."""
        topics = iter([topic] * len(records))
        calls = map(self._producer.produce, topics, *_arguments(records))  # a loop in C, as it runs for every record
        while length_hint(topics):
            try:
                deque(calls, maxlen=0)
            except BufferError:
                self._produce_when_there_is_room(topic, records, len(records) - length_hint(topics) - 1)
            except KafkaException as exception:
                error = error_in(exception)
                if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    line = f"record for {topic} is larger than message.max.bytes"
                    raise RecordTooLarge(line, index=len(records) - length_hint(topics) - 1) from None
                raise policy_of(error, f"produce to {topic}") from exception

    def flush(self) -> None:
        """Wait until all is acknowledged, at most ``flush_timeout`` seconds."""
        left = served(lambda: self._producer.flush(self._flush_timeout), "flush")
        if self._undelivered is not None:
            error = self._undelivered
            raise DeliveryFailed(
                f"delivery: {error.str()} ({error.name()})",
                record_at_fault=error.code() in _RECORD_AT_FAULT,
                too_large=error.code() in _TOO_LARGE,
            )
        if left:
            self._check_let_in("flush")
            raise DeliveryFailed(f"delivery: {left} records not acknowledged within {self._flush_timeout:g} s")

    def send_offsets(self, offsets: NextOffsets, group: GroupHandle) -> None:
        """Remember the offsets for ``commit``."""
        self._offsets = (offsets, group)

    def commit(self) -> None:
        """Commit the offsets to the group, now that the records are safe."""
        if self._offsets is None:
            return
        offsets, group = self._offsets
        try:
            group.commit(offsets)
        except Exception as exception:
            raise AbortRequired(f"commit offsets: {exception}") from exception

    def abort(self) -> None:
        """Forget what is queued; what is already delivered will be delivered again."""
        self._producer.purge()
        served(lambda: self._producer.flush(CLOSE_TIMEOUT_S), "flush before abort")

    def reopen(self) -> None:
        """Throw the client away and open a new one."""
        self._discard()
        self.open()

    def partition_count(self, topic: str) -> int:
        """Return the number of partitions, asking the broker."""
        try:
            found = self._producer.list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics[topic]
        except KafkaException as exception:
            served(lambda: self._producer.poll(0), f"look up topic {topic}")
            self._check_let_in(f"look up topic {topic}")
            policy = policy_of(error_in(exception), f"look up topic {topic}")
            if isinstance(policy, BrokerUnreachable):
                policy = BrokerUnreachable(f"topic {topic}: no Kafka broker answers; run 'tidemill doctor'")
            raise policy from exception
        if found.error is not None:
            raise SinkRefused(
                f"topic {topic}: {found.error.str()}; create it with 'tidemill topics create', "
                "or check the name and this client's rights"
            )
        return len(found.partitions)

    def close(self) -> None:
        """Release the client without waiting for anything that is not acknowledged."""
        self._discard()

    def _produce_when_there_is_room(self, topic: str, records: RecordColumns, index: int) -> None:
        """Queue one record that found the queue full; its size was in order, as that is looked at first."""
        step, deadline = f"produce to {topic}", time.monotonic() + self._flush_timeout
        [record] = zip(*_arguments(records.part(index, index + 1)), strict=False)
        while True:
            served(lambda: self._producer.poll(0.1), step)
            try:
                self._producer.produce(topic, *record)
            except BufferError:
                if time.monotonic() > deadline:
                    raise AbortRequired(f"{step}: the client's queue stays full") from None
            except KafkaException as exception:
                raise policy_of(error_in(exception), step) from exception
            else:
                return

    @property
    def _producer(self) -> Producer:
        if self._client is None:
            raise RecreateRequired("the producer is not open")
        return self._client

    def _discard(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            # A fatal error that nobody has fetched yet is raised here, and is of no interest any more.
            with contextlib.suppress(KafkaException, SystemError):
                client.purge(in_queue=True, in_flight=True, blocking=False)
                client.poll(0)

    def _check_let_in(self, step: str) -> None:
        """Tell a broker that does not answer from one that does not let us in: the client says 'timed out' to both."""
        if self._refusal is not None:
            raise SinkRefused(f"{step}: {self._refusal.str()} ({self._refusal.name()})")

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in _NOT_LET_IN:
            self._refusal = error

    def _on_delivery(self, error: KafkaError | None, _message: object) -> None:
        if error is not None and (self._undelivered is None or error.code() in _RECORD_AT_FAULT):
            self._undelivered = error


class KafkaSink(KafkaPlainSink):
    """Exactly once: records and consumed offsets in one Kafka transaction."""

    def __init__(self, conf: Mapping[str, Any], *, transactional_id: str, transaction_timeout: float) -> None:
        """Keep the identity; ``transaction_timeout`` in seconds bounds a whole transaction."""
        super().__init__(
            {
                **conf,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": int(transaction_timeout * 1000),
            },
            flush_timeout=transaction_timeout,
        )
        self._timeout = transaction_timeout

    def open(self) -> None:
        """Register the id; the coordinator first finishes or aborts what a predecessor left open."""
        super().open()
        self._attempt("init_transactions", self._producer.init_transactions)

    def begin(self) -> None:
        """Start the transaction; local to the client."""
        super().begin()
        self._attempt("begin_transaction", lambda _timeout: self._producer.begin_transaction())

    def send_offsets(self, offsets: NextOffsets, group: GroupHandle) -> None:
        """Add the offsets; the coordinator checks member and generation."""
        positions = [TopicPartition(at.topic, at.partition, offset) for at, offset in offsets.items()]
        metadata = group.metadata  # taken once: a retry must send the identical request
        self._attempt(
            "send_offsets_to_transaction",
            lambda timeout: self._producer.send_offsets_to_transaction(positions, metadata, timeout),
        )

    def commit(self) -> None:
        """Commit; a retriable error means 'call again', which resumes the same commit."""
        self._attempt("commit_transaction", self._producer.commit_transaction)

    def abort(self) -> None:
        """Abort, after letting produce requests in flight land: aborting under them can be fatal."""
        served(lambda: self._producer.flush(CLOSE_TIMEOUT_S), "flush before abort")
        self._attempt("abort_transaction", self._producer.abort_transaction)

    def _attempt(self, step: str, call: Callable[[float], None]) -> None:
        """Call until it succeeds, fails definitely, or the transaction's time is over."""
        self._refusal = None
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                call(min(REQUEST_TIMEOUT_S, self._timeout))
            except KafkaException as exception:
                error = error_in(exception)
                policy = policy_of(error, step)
                if not error.retriable() or error.fatal():
                    raise policy from exception
                served(lambda: self._producer.poll(0.05), step)
                self._check_let_in(step)
                if time.monotonic() > deadline:
                    raise policy from exception
            else:
                return
