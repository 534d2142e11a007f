from __future__ import annotations

from itertools import chain, repeat

import pytest

from consumer.slices import GROWTH, next_slice


def taken(sizes: list[int], *, max_records: int, max_bytes: int) -> int:
    """Return how many records of these sizes, the last one repeated for ever, make a batch."""
    stream = chain(sizes, repeat(sizes[-1]))
    count, size = 1, next(stream)
    while more := next_slice(count, size, max_records=max_records, max_bytes=max_bytes):
        count, size = count + more, size + sum(next(stream) for _ in range(more))
    return count


@pytest.mark.parametrize(("tiny", "most"), [(1, 1 + GROWTH), (10, 10 + GROWTH * 10)])
def test_next_slice_grows_with_what_is_in_hand(tiny: int, most: int) -> None:
    """A tiny record in front of large ones must not make a batch of all that the client holds."""
    assert taken([20] * tiny + [500_000], max_records=10_000, max_bytes=4_000_000) <= most


@pytest.mark.parametrize(("sizes", "count"), [([100], 1_000), ([0], 10_000), ([1_000_000], 1), ([60_000], 2)])
def test_next_slice_keeps_to_both_bounds(sizes: list[int], count: int) -> None:
    """Records of one size fill the bytes to the last one that begins within them, or the records."""
    assert taken(sizes, max_records=10_000, max_bytes=100_000) == count
