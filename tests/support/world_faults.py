"""Thin covers over a real source and a real sink, whose calls suffer what a script says."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaException

from consumer.errors import PollFailed
from consumer.kafka import KafkaSource
from producer.broker_faults import Call, Fault
from producer.errors import AbortRequired, DeliveryFailed, RecreateRequired
from producer.kafka import KafkaSink
from tests.support.world import Interrupts

LATE_COMMIT_S = 5.0
_SINK_CALLS: dict[str, Call] = {
    "open": "open",
    "reopen": "open",
    "begin": "begin",
    "produce": "produce",
    "produce_many": "produce",
    "flush": "flush",
    "send_offsets": "send_offsets",
    "commit": "commit",
    "abort": "abort",
}


class FaultySink:
    """A ``RecordSink`` that does what ``KafkaSink`` does, or fails like it.

    A call that is refused or lost is not made; one that is applied is made before it fails. A late commit is sent from
    a thread while the worker already goes on, so that it races with whatever settles it, as a delayed request does.
    """

    def __init__(self, sink: KafkaSink, script: Interrupts, client: str, *, fence: Callable[[], None]) -> None:
        """Cover a sink; ``fence`` opens its transactional id in another producer."""
        self._sink = sink
        self._script = script
        self._client = client
        self._fence = fence
        self.late: list[threading.Thread] = []

    def __getattr__(self, name: str) -> Any:
        """Return a method of the sink; those that talk to the broker can fail."""
        method = getattr(self._sink, name)
        call = _SINK_CALLS.get(name)
        return method if call is None else partial(self._suffer, call, method)

    def _suffer(self, call: Call, method: Callable[..., object], *args: object, **kwargs: object) -> object:
        fault = self._script.take(call, self._client)
        if fault is Fault.FENCED:
            self._fence()  # the broker does the rest
            fault = None
        if fault is None:
            return method(*args, **kwargs)
        if fault is Fault.TIMEOUT_LATE and call == "commit":
            self._commit_late()
        elif fault in {Fault.TIMEOUT_APPLIED, Fault.TIMEOUT_LATE} or (fault is Fault.ABORT and call == "begin"):
            method(*args, **kwargs)
        if call == "flush":
            raise DeliveryFailed("flush: the records were not acknowledged in time")
        if fault is Fault.ABORT and call not in {"abort", "open"}:
            raise AbortRequired(f"{call} was refused; abort the transaction")
        raise RecreateRequired(f"{call} timed out; whether it happened is not known")

    def _commit_late(self) -> None:
        client = self._sink._producer

        def commit() -> None:
            with contextlib.suppress(KafkaException):  # it came too late: the id was opened again
                client.commit_transaction(LATE_COMMIT_S)

        self.late.append(threading.Thread(target=commit, name="late commit", daemon=True))
        self.late[-1].start()


class FaultySource:
    """A ``RecordSource`` that does what ``KafkaSource`` does, or fails like it.

    A poll that fails after it was applied has taken records from the client, and they are lost on the way.
    """

    def __init__(self, source: KafkaSource, script: Interrupts, client: str, *, expel: Callable[[], None]) -> None:
        """Cover a source; ``expel`` makes the group give up on it."""
        self._source = source
        self._script = script
        self._client = client
        self._expel = expel
        self.deliveries = 0  # polls that gave records, or failed

    def __getattr__(self, name: str) -> Any:
        """Return what the source has."""
        return getattr(self._source, name)

    def poll(self, **limits: Any) -> object:
        """Poll, or fail."""
        fault = self._script.take("poll", self._client)
        if fault is Fault.FENCED:
            self._expel()
        elif fault is not None:
            self.deliveries += 1
            if fault is Fault.TIMEOUT_APPLIED:
                self._source.poll(**limits)
            raise PollFailed("poll failed; records may have been dropped")
        batch = self._source.poll(**limits)
        self.deliveries += batch is not None
        return batch

    def rewind(self) -> None:
        """Go back, or fail."""
        if self._script.take("rewind", self._client) is not None:
            raise PollFailed("the committed offsets are not to be had; try again")
        self._source.rewind()
