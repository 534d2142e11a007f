from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.partitioning import murmur2, partition_for_key


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_gives_the_published_hashes(data: bytes, expected: int) -> None:
    """The hashes are those of Apache Kafka's own test of its Java client."""
    assert murmur2(data) == expected


@given(st.binary(max_size=40), st.integers(1, 200))
def test_partition_for_key_is_a_partition(key: bytes, partitions: int) -> None:
    """Every key has a place in every topic, whatever the sign of its hash."""
    assert 0 <= partition_for_key(key, partitions) < partitions
