"""From the client's messages to columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from consumer.records import RecordBatch
from producer.records import Headers


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
        """Return its headers, or None; raises when a name is no UTF-8."""
        ...


def columns_of(messages: Sequence[ClientMessage]) -> RecordBatch | None:
    """Return the messages as columns, or None when there are none.

    Headers of which one has a name that is no UTF-8 are passed over, all of that record: anyone can
    write such a name, and it must not stop the stream.
    """
    if not messages:
        return None
    unreadable: set[int] = set()

    def headers(row: int) -> Headers:
        if row in unreadable:
            return ()
        try:
            found: Headers | None = messages[row].headers()
        except (SystemError, UnicodeDecodeError):
            unreadable.add(row)  # never ask again: the client would answer with a list that has a hole
            return ()
        return found or ()

    return RecordBatch(
        topics=[message.topic() or "" for message in messages],
        partitions=np.array([message.partition() for message in messages], dtype=np.int32),
        offsets=np.array([message.offset() for message in messages], dtype=np.int64),
        timestamps_ms=np.array([message.timestamp()[1] for message in messages], dtype=np.int64),
        keys=[message.key() for message in messages],
        values=[message.value() for message in messages],
        headers=headers,
    )
