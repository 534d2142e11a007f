"""Publishing a file in chunks: each acknowledged, or committed with its place in the file, before the next."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from producer.errors import AbortRequired, ProducerError, RecordTooLarge, RecreateRequired
from producer.records import RecordColumns, TopicPartition
from producer.sink import GroupHandle, RecordSink


@dataclass(frozen=True, slots=True)
class Event:
    """One record as it goes to a topic.

    Attributes:
        key: Its key; decides the partition.
        value: Its value.
        line: The line of the file it comes from; 0 where it comes from none.
    """

    key: bytes | None
    value: bytes
    line: int = 0


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where the last line dealt with is kept, as an offset: a place of its own for each file and topic.

    Attributes:
        at: The partition it is kept under.
        group: A group without members, so that nothing but transactions moves its offsets.
    """

    at: TopicPartition
    group: GroupHandle


class EventPublisher:
    """Publishes chunks of records through an open sink, at most ``rate`` records a second.

    A chunk that returned is on the topic. With a bookmark and a sink with transactions the chunk and the place in the
    file are committed together, so whoever goes on behind the bookmark publishes each row once. Without one a file that
    is published twice is there twice.
    """

    def __init__(  # noqa: PLR0913 - clocks are arguments
        self,
        sink: RecordSink,
        topic: str,
        *,
        rate: float | None = None,
        bookmark: Bookmark | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take an open sink; ``rate`` None means as fast as the broker takes them."""
        self._sink = sink
        self._topic = topic
        self._rate = rate
        self._bookmark = bookmark
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._sleep = sleep
        self._began_at = monotonic()
        self.published = 0

    def publish(self, events: Sequence[Event], *, done: int = 0) -> Sequence[Event]:
        """Publish a chunk, then wait as the rate wants it; return those left out, which are too large.

        ``done`` is the last line dealt with after it, events or not, for the bookmark.

        Raises:
            RecreateRequired: Whether it happened is not known; the bookmark knows.
            ProducerError: Nothing of it is visible where there is a bookmark, else perhaps a part.
        """
        self._sink.begin()
        try:
            too_large = self._hand_over(events)
            self._sink.flush()
            if self._bookmark is not None:
                self._sink.send_offsets({self._bookmark.at: done}, self._bookmark.group)
            self._sink.commit()
        except RecreateRequired:
            raise
        except AbortRequired:
            self._sink.abort()  # where somebody took the identity over this call may be the first to say so
            raise
        except BaseException:  # Ctrl-C: an open transaction would hold up readers until it times out
            with contextlib.suppress(ProducerError):
                self._sink.abort()
            raise
        self.published += len(events) - len(too_large)
        self._keep_pace()
        return too_large

    def _hand_over(self, events: Sequence[Event]) -> list[Event]:
        records = RecordColumns(
            keys=[event.key for event in events],
            values=[event.value for event in events],
            timestamps_ms=np.full(len(events), self._now_ms(), dtype=np.int64),
        )
        too_large: list[Event] = []
        begin = 0
        while begin < len(records):
            try:
                self._sink.produce_many(self._topic, records.part(begin, len(records)))
            except RecordTooLarge as error:
                begin += error.index + 1
                too_large.append(events[begin - 1])
            else:
                break
        return too_large

    def _keep_pace(self) -> None:
        if self._rate is not None:
            due_at = self._began_at + self.published / self._rate
            self._sleep(max(0.0, due_at - self._monotonic()))
