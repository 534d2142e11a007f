"""When a day has too many files."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from buffer.compaction import CompactionRule
from buffer.live_files import LiveDay

NOW = datetime(2026, 1, 2, tzinfo=UTC)
RULE = CompactionRule(max_small_files=50, target_bytes=100, quiet=timedelta(hours=1))


@pytest.mark.parametrize(
    ("sizes", "quiet_for", "expected"),
    [
        ((1,) * 49, timedelta(minutes=1), False),
        ((1,) * 50, timedelta(minutes=1), True),
        ((1,) * 2, timedelta(hours=1), True),
        ((1,), timedelta(hours=1), False),
        ((100, 90, 1), timedelta(hours=1), False),
        ((40,) * 3, timedelta(hours=1), True),
    ],
    ids=["few", "many", "quiet", "one", "one beside large ones", "too small ones"],
)
def test_day_is_due_when_it_has_many_small_files_or_rests(
    *, sizes: tuple[int, ...], quiet_for: timedelta, expected: bool
) -> None:
    """Fifty small files are merged at once, fewer when nothing comes any more, and a day that is done never again."""
    day = LiveDay(date(2026, 1, 1), sizes, 1, NOW - quiet_for, 0)
    assert RULE.is_due(day, NOW) is expected
