"""What codecs do before and after decoding: turn away what is no value, and bring the outcomes together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from features.batch import Decoded, FeatureBatch
from features.rejection import Problem, Reason, Rejection

DEFAULT_MAX_VALUE_BYTES = 1 << 20  # Kafka's own default for message.max.bytes


BYTES_AT_ONCE = 1 << 21  # events as Python's own objects can take fifty times the room of their bytes


def slices(values: Sequence[bytes]) -> list[slice]:
    """Return the parts, one at least, in which values are read whose events are held whole meanwhile.

    >>> slices([b"123", b"45"])
    [slice(0, 2, None)]
    """
    if sum(map(len, values)) <= BYTES_AT_ONCE:
        return [slice(0, len(values))]
    ends = [0]
    size = 0
    for end, length in enumerate(map(len, values), start=1):
        size += length
        if size >= BYTES_AT_ONCE or end == len(values):
            ends.append(end)
            size = 0
    return list(map(slice, ends, ends[1:]))


def sized_problem(value: bytes | None, *, max_bytes: int) -> Problem:
    """Return why a value of this size is not even looked into.

    >>> sized_problem(b"", max_bytes=10).reason, sized_problem(b"123", max_bytes=2).reason
    (<Reason.EMPTY: 'empty'>, <Reason.TOO_LARGE: 'too_large'>)
    """
    if not value:
        return Problem(Reason.EMPTY, "the record has no value" if value is None else "the value has no bytes")
    return Problem(Reason.TOO_LARGE, f"the value has {len(value)} bytes; at most {max_bytes} are decoded")


def merged(decoded: Decoded, earlier: Sequence[Rejection]) -> Decoded:
    """Return the outcome with the rejections found before the columns were built, in row order."""
    if not earlier:
        return decoded
    both: Iterable[Rejection] = (*earlier, *decoded.rejections)
    return Decoded(decoded.batch, sorted(both, key=lambda rejection: rejection.row))


def in_row_order(parts: Sequence[Decoded]) -> Decoded:
    """Return at least one outcome of different rows of one batch, for one schema, as one outcome."""
    if len(parts) == 1:
        return parts[0]
    together = FeatureBatch.concatenate([part.batch for part in parts])
    rejections = [rejection for part in parts for rejection in part.rejections]
    return Decoded(together.take(np.argsort(together.rows)), sorted(rejections, key=lambda rejection: rejection.row))
