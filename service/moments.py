"""A moment as a person gives it: a date and time, or how long ago. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from service.errors import UsageError
from service.units import milliseconds, parse_duration


def parse_moment(text: str, *, option: str, now_ms: int) -> int:
    """Return the epoch milliseconds of an ISO 8601 date or time (UTC where it names no zone), or of a duration ago.

    Raises:
        UsageError: It is neither.

    >>> parse_moment("2h", option="--since", now_ms=10_000_000)
    2800000
    >>> parse_moment("1970-01-01T00:00:01", option="--since", now_ms=0)
    1000
    """
    try:
        return now_ms - milliseconds(parse_duration(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{option}: {text!r} is neither a time nor a duration; give '2026-01-31', '2026-01-31T13:00Z' or '2h' (ago)"
        ) from None
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round(zoned.timestamp() * 1000)
