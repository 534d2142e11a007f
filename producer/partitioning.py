"""Which partition a key belongs to, as the Java client decides it."""

from __future__ import annotations

from functools import lru_cache

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_MASK = 0xFFFFFFFF


@lru_cache(maxsize=65_536)  # pure, and the same keys come again and again: a second look costs no arithmetic
def murmur2(data: bytes) -> int:
    """Return the 32-bit murmur2 hash of ``data`` as Java's signed ``int``.

    >>> murmur2(b"foobar")
    -790332482
    """
    length = len(data)
    hashed = _SEED ^ length
    whole = length & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> 24) * _MULTIPLIER & _MASK
        hashed = hashed * _MULTIPLIER & _MASK ^ word
    if whole < length:
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    hashed = (hashed ^ hashed >> 13) * _MULTIPLIER & _MASK
    hashed ^= hashed >> 15
    return hashed - (1 << 32) if hashed >> 31 else hashed


def partition_for_key(key: bytes, partitions: int) -> int:
    """Return the partition of ``key`` in a topic of ``partitions`` partitions.

    Every client that follows the Java default (librdkafka's ``murmur2_random`` too) gives the same answer,
    so records of one key meet in one partition whoever produced them.

    >>> partition_for_key(b"foobar", 6)
    0
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions
