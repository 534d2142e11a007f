"""What both codecs do before and after decoding: turn away what is no value, and bring rejections together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from features.batch import Decoded
from features.rejection import Problem, Reason, Rejection

DEFAULT_MAX_VALUE_BYTES = 1 << 20  # Kafka's own default for message.max.bytes


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
