"""Dropping whole days that are older than ``buffer.retention``."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from deltalake import CommitProperties, DeltaTable

from buffer.care_report import Work
from buffer.layout import DAY
from buffer.live_files import live_days


def first_kept_day(now: datetime, retention: timedelta) -> date:
    """Return the oldest day that is kept: a day goes when its last moment is older than the retention.

    >>> first_kept_day(datetime(2026, 1, 11, 12, tzinfo=UTC), timedelta(days=10))
    datetime.date(2026, 1, 1)
    """
    return (now.astimezone(UTC) - retention).date()


def drop_old_days(table: DeltaTable, before: date) -> Work:
    """Drop the days before one in a single commit that touches no file.

    Raises:
        CommitFailedError: Somebody wrote to one of these days meanwhile; nothing is dropped.
    """
    old = [day for day in live_days(table) if day.day < before]
    if not old:
        return Work()
    table.delete(f"{DAY} < '{before.isoformat()}'", commit_properties=CommitProperties(max_commit_retries=3))
    return Work(
        days=len(old),
        rows=sum(day.rows for day in old),
        files=sum(len(day.sizes) for day in old),
        bytes=sum(day.bytes for day in old),
    )
