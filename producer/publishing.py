"""Publishing events: in chunks, each acknowledged before the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from producer.errors import ProducerError, RecordTooLarge
from producer.sink import RecordSink


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it goes to a topic."""

    key: bytes | None
    value: bytes


class EventPublisher:
    """Publishes chunks of events through a sink without transactions, at most ``rate`` events a second.

    A chunk that returned is on the topic. Running a whole file twice publishes it twice: each record is
    an event of its own.
    """

    def __init__(  # noqa: PLR0913 - clocks are arguments
        self,
        sink: RecordSink,
        topic: str,
        *,
        rate: float | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take an open sink; ``rate`` None means as fast as the broker takes them."""
        self._sink = sink
        self._topic = topic
        self._rate = rate
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._sleep = sleep
        self._began_at = monotonic()
        self.published = 0

    def publish(self, events: Iterable[Event]) -> int:
        """Publish a chunk; return the number of events acknowledged.

        Raises:
            ProducerError: An event was refused or not acknowledged; the message says which one.
        """
        count = 0
        self._sink.begin()
        for event in events:
            try:
                self._sink.produce(self._topic, key=event.key, value=event.value, timestamp_ms=self._now_ms())
            except RecordTooLarge as error:
                raise ProducerError(f"event {self.published + count + 1} ({len(event.value)} bytes): {error}") from None
            count += 1
        self._sink.flush()
        self.published += count
        self._keep_pace()
        return count

    def _keep_pace(self) -> None:
        if self._rate is not None:
            due_at = self._began_at + self.published / self._rate
            self._sleep(max(0.0, due_at - self._monotonic()))
