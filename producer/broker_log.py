"""One partition of the in-memory broker: records, transaction markers, the last stable offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from producer.records import Headers

Isolation: TypeAlias = Literal["read_committed", "read_uncommitted"]


class NewRecord(NamedTuple):
    """A record before it has an offset."""

    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def size(self) -> int:
        """Return the bytes of key, value and headers together."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


class LogRecord(NamedTuple):
    """A record where it lies."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Slice(NamedTuple):
    """What a read gave.

    Attributes:
        began: Where it began: above the offset asked for when older records are gone.
        records: The visible ones.
        next_offset: Where to go on: past markers and aborted records.
    """

    began: int
    records: list[LogRecord]
    next_offset: int


class WriterState:
    """Whether what a transaction wrote may be seen; shared by all its records, so ending it is one assignment."""

    __slots__ = ("outcome",)

    def __init__(self) -> None:
        self.outcome: Literal["open", "committed", "aborted"] = "open"


class PartitionLog:
    """An append-only log. Not thread-safe: the broker holds its lock around every call.

    Args:
        retention_records: How many of the newest entries to keep; up to a quarter more stay until a
            trim is worth it. None keeps all. Nothing above the last stable offset is dropped.
    """

    def __init__(self, *, retention_records: int | None = None) -> None:
        self._entries: list[tuple[LogRecord | None, WriterState | None]] = []
        self._start = 0
        self._open: dict[WriterState, int] = {}
        self._retention = retention_records

    @property
    def start_offset(self) -> int:
        """Return the offset of the oldest entry kept."""
        return self._start

    @property
    def end_offset(self) -> int:
        """Return the offset the next entry will get."""
        return self._start + len(self._entries)

    @property
    def stable_offset(self) -> int:
        """Return the last stable offset: the first record of the oldest open transaction, else the end."""
        return min(self._open.values(), default=self.end_offset)

    def append(self, records: Sequence[NewRecord], writer: WriterState | None) -> None:
        """Add records, of a transaction or (``writer`` None) visible at once."""
        offset = self.end_offset
        if writer is not None:
            self._open.setdefault(writer, offset)
        self._entries.extend((LogRecord(offset + place, *record), writer) for place, record in enumerate(records))
        self._trim()

    def mark(self, writer: WriterState) -> None:
        """Write the end marker of a transaction; like Kafka's it takes an offset that no reader ever gets."""
        if self._open.pop(writer, None) is not None:
            self._entries.append((None, writer))
            self._trim()

    def read(self, offset: int, *, max_records: int, max_bytes: int | None, isolation: Isolation) -> Slice:
        """Return visible records from ``offset`` on (or from the oldest kept), at least one if there is one."""
        end = self.stable_offset if isolation == "read_committed" else self.end_offset
        position = began = max(offset, self._start)
        records: list[LogRecord] = []
        room = max_bytes
        while position < end and len(records) < max_records:
            record, writer = self._entries[position - self._start]
            hidden = isolation == "read_committed" and writer is not None and writer.outcome == "aborted"
            if record is not None and not hidden:
                if room is not None:
                    room -= len(record.key or b"") + len(record.value or b"")
                    if room < 0 and records:
                        break
                records.append(record)
            position += 1
        return Slice(began, records, position)

    def _trim(self) -> None:
        if self._retention is None or len(self._entries) <= self._retention + self._retention // 4:
            return
        excess = min(len(self._entries) - self._retention, self.stable_offset - self._start)
        del self._entries[:excess]
        self._start += excess
