"""How much the buffering worker takes at once, and how long things may take."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FlushRule:
    """When rows are given to the tables.

    Attributes:
        interval: Seconds that a row waits at most.
        max_records: Rows of all tables that are enough before that.
        max_bytes: Bytes of all tables' rows that are enough before that.
    """

    interval: float = 60.0
    max_records: int = 100_000
    max_bytes: int = 64 * 1024 * 1024

    def is_enough(self, rows: int, nbytes: int) -> bool:
        """Return whether so much is not to wait any longer."""
        return rows >= self.max_records or nbytes >= self.max_bytes


@dataclass(frozen=True, slots=True)
class BufferingLimits:
    """How much at once, and how long at most.

    Attributes:
        flush: When rows are given to the tables.
        max_records: Records of one poll.
        max_bytes: Bytes of one poll, give or take the last slice.
        linger: Seconds to collect after the first record; nobody waits for rows, so larger polls are better.
        stall_after: Seconds a partition with readable records may stand still before the client is replaced.
        step_timeout: Seconds a step of the client may take before the process is ended.
        decode_timeout: Seconds decoding one poll may take.
        stop_timeout: Seconds for the last flush.
    """

    flush: FlushRule = field(default_factory=FlushRule)
    max_records: int = 10_000
    max_bytes: int = 16 * 1024 * 1024
    linger: float = 0.2
    stall_after: float = 60.0
    step_timeout: float = 60.0
    decode_timeout: float = 120.0
    stop_timeout: float = 15.0
