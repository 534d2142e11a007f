"""From the client's messages to columns."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Protocol

import numpy as np

from consumer.records import RecordBatch
from producer.records import Headers, TopicPartition


class ClientMessage(Protocol):
    """One record as the Kafka client hands it over."""

    def topic(self) -> str | None:
        """Return its topic."""
        ...

    def partition(self) -> int | None:
        """Return its partition."""
        ...

    def offset(self) -> int | None:
        """Return its offset."""
        ...

    def timestamp(self) -> tuple[int, int]:
        """Return the kind of its timestamp and the timestamp in epoch milliseconds, -1 where it has none."""
        ...

    def key(self) -> Any:
        """Return its key, bytes or None."""
        ...

    def value(self) -> Any:
        """Return its value, bytes or None."""
        ...

    def headers(self) -> Any:
        """Return its headers, or None; raises when a name is no UTF-8.

        Asked again after that, the client gives a list with a hole, and whoever touches it ends the process.
        """
        ...

    def set_headers(self, headers: Any) -> None:
        """Replace its headers."""
        ...


def columns_of(messages: Sequence[ClientMessage], *, topic: str | None = None) -> RecordBatch | None:
    """Return messages of one client as columns, or None when there are none.

    ``topic`` is where all of them are from; without it each is asked. Headers of which one has a name that is
    no UTF-8 are passed over, all of that record: anyone can write such a name, and it must not stop the stream.
    """
    if not messages:
        return None
    count, kind = len(messages), type(messages[0])
    headers = _headers_of(messages)
    # Methods of the type are mapped: that runs the loop in C, and there is one for each column of each record.
    return RecordBatch(
        topics=[name or "" for name in map(kind.topic, messages)] if topic is None else [topic] * count,
        partitions=np.fromiter(map(kind.partition, messages), np.int32, count),
        offsets=np.fromiter(map(kind.offset, messages), np.int64, count),
        timestamps_ms=np.fromiter(map(itemgetter(1), map(kind.timestamp, messages)), np.int64, count),
        keys=list(map(kind.key, messages)),
        values=list(map(kind.value, messages)),
        headers=lambda row: headers[row] or (),
        headed=[row for row, found in enumerate(headers) if found] if headers.count(None) < count else (),
    )


def place_of(message: ClientMessage) -> TopicPartition:
    """Return the partition a message is from."""
    return TopicPartition(message.topic() or "", message.partition() or 0)


def _headers_of(messages: Sequence[ClientMessage]) -> list[Headers | None]:
    """Return the headers of each message, and mend those that must not be asked for again."""
    found: list[Headers | None] = []
    asked = map(type(messages[0]).headers, messages)
    while len(found) < len(messages):
        try:
            found.extend(asked)
        except (SystemError, UnicodeDecodeError):
            messages[len(found)].set_headers([])
            found.append(None)  # those before it are in the list, and the next round goes on behind it
    return found
