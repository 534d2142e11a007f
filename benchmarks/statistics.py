"""A median, and how sure it is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Median:
    """The median of some measurements with its interval; ``low`` and ``high`` are None for too few of them."""

    value: float
    low: float | None
    high: float | None
    count: int

    def __str__(self) -> str:
        """Return it with its interval, or without one and why.

        >>> str(Median(0.7, 0.68, 0.72, 9))
        '0.70 (95 % interval 0.68 to 0.72, 9 pairs)'
        """
        if self.low is None or self.high is None:
            return f"{self.value:.2f} (no interval: {self.count} pairs are too few)"
        return f"{self.value:.2f} (95 % interval {self.low:.2f} to {self.high:.2f}, {self.count} pairs)"


def median_of(values: Sequence[float]) -> Median:
    """Return the median with the exact interval between two order statistics, which assumes no distribution.

    The chance that the true median lies outside is that of a fair coin falling so one-sidedly.

    >>> median_of([9.0, 1.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0, 5.0])
    Median(value=5.0, low=2.0, high=8.0, count=9)
    >>> median_of([1.0, 2.0, 3.0]).low is None
    True
    """
    ordered, n = sorted(values), len(values)
    cut, outside = 0, 0.0
    while True:
        outside += 2 * math.comb(n, cut) / 2**n
        if outside > 1 - CONFIDENCE:
            break
        cut += 1
    low, high = (ordered[cut - 1], ordered[n - cut]) if cut else (None, None)
    return Median(statistics.median(ordered), low, high, n)
