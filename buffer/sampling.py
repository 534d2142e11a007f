"""Which examples are taken when not all are wanted: the same ones for a seed, however the files lie.

Each example draws a number in (0, 1) from the digest of the seed and of its record's coordinates, so a sample
depends on the examples only, not on their order, on threads or on compaction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from buffer.errors import BufferingError

_COORDINATES = "record_topic_id, record_partition, record_offset"


@dataclass(frozen=True, slots=True)
class Reservoir:
    """``n`` examples, each as likely as another; all of them where there are fewer."""

    n: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a negative number."""
        _check_count(self.n)

    def order(self, *, as_of_ms: int) -> str:
        """Return the SQL order whose first ``n`` are the sample."""
        del as_of_ms
        return f"{_digest(self.seed)}, {_COORDINATES}"


@dataclass(frozen=True, slots=True)
class Decay:
    """``n`` examples without replacement, one ``half_life`` older half as likely to be drawn next.

    By the rule of Efraimidis and Spirakis: the largest ``u ** (1 / weight)``, with the age of the event at the
    moment the query is asked for. What has not happened yet weighs as much as what happens now.
    """

    half_life: timedelta
    n: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a negative number and a half-life that is not above zero."""
        _check_count(self.n)
        if self.half_life <= timedelta(0):
            raise BufferingError(f"the half-life of a sample must be above zero, got {self.half_life}")

    def order(self, *, as_of_ms: int) -> str:
        """Return the SQL order whose first ``n`` are the sample."""
        # In logarithms: the weight of an old event may be below every double.
        uniform = f"((({_digest(self.seed)} >> 11)::DOUBLE + 0.5) / {2**53})"
        age_us = f"greatest({as_of_ms * 1000} - epoch_us(event_time), 0)"
        per_us = math.log(2) / (self.half_life / timedelta(microseconds=1))
        return f"ln(-ln({uniform})) + {age_us}::DOUBLE * {per_us!r}::DOUBLE, {_COORDINATES}"


@dataclass(frozen=True, slots=True)
class Latest:
    """The ``n`` examples that came to be known last."""

    n: int

    def __post_init__(self) -> None:
        """Refuse a negative number."""
        _check_count(self.n)

    def order(self, *, as_of_ms: int) -> str:
        """Return the SQL order whose first ``n`` are the sample."""
        del as_of_ms
        return "known_at DESC, record_topic_id DESC, record_partition DESC, record_offset DESC"


Sample: TypeAlias = Reservoir | Decay | Latest


def _digest(seed: int) -> str:
    """Return the SQL of 64 bits that depend on the seed and the example; MD5, for DuckDB's own hash may change."""
    place = "record_topic_id || '/' || record_partition || '/' || record_offset"
    return f"md5_number_lower('{int(seed)}/' || {place})"


def _check_count(n: int) -> None:
    if n < 0:
        raise BufferingError(f"a sample cannot have {n} examples")
