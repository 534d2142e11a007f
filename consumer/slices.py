"""How many records to ask the client for next, so that a batch keeps to its bytes. Pure."""

from __future__ import annotations

GROWTH = 8  # a few tiny records in front of large ones say nothing about them


def next_slice(count: int, size: int, *, max_records: int, max_bytes: int) -> int:
    """Return how many more records to take when ``count`` of them, at least one, have ``size`` bytes; 0 for enough.

    The next ones are taken to be as large as those in hand are on average, and are at most ``GROWTH`` times as many.

    >>> next_slice(1, 10, max_records=1000, max_bytes=1_000_000)
    8
    >>> next_slice(80, 8_000, max_records=1000, max_bytes=10_000)
    20
    """
    if count >= max_records or size >= max_bytes:
        return 0
    fitting = -((size - max_bytes) * count // max(size, 1))  # rounded up
    return min(max_records - count, fitting, GROWTH * count)
