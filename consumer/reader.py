"""Looking at topics from outside any group: for ``tail`` and the live views, never for work."""

from __future__ import annotations

from typing import Protocol

from consumer.records import RecordBatch


class TopicReader(Protocol):
    """Reads all partitions of some topics, committed records only; commits nothing."""

    def read(self, *, max_records: int, timeout: float) -> RecordBatch | None:
        """Return the next records, or None after ``timeout`` seconds without any.

        Raises:
            SourceRefused: The topic does not exist or may not be read.
        """
        ...

    def close(self) -> None:
        """Release the client; never raises."""
        ...
