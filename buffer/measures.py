"""How large a table is, by day, and how fast it grows: from the log alone, without a look into a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from buffer.live_files import LiveDay
from buffer.table import TableName

GROWTH_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class TableMeasure:
    """The newest version of a table.

    Attributes:
        name: Which table.
        rows: All rows.
        files: Files they are in; old versions have further ones.
        bytes: Of these files.
        first_day: The first day (of records, UTC) that has rows; None of an empty table.
        last_day: The last one.
        rows_a_day: Mean of the last ``GROWTH_DAYS`` whole days; of the last day where there is no whole one.
        bytes_a_day: Likewise.
    """

    name: TableName
    rows: int
    files: int
    bytes: int
    first_day: date | None
    last_day: date | None
    rows_a_day: float
    bytes_a_day: float

    def bytes_at(self, retention: timedelta) -> int:
        """Return how large the table is once it is as old as the retention, if it goes on to grow as now."""
        return round(self.bytes_a_day * (retention / timedelta(days=1)))


def measure(name: TableName, days: Sequence[LiveDay]) -> TableMeasure:
    """Return the measure of a table with these days, as ``live_files.live_days`` gives them: in order."""
    grown = _growth_days(days)
    span = 1 if not grown or grown[-1] is days[-1] else (days[-1].day - _start(days)).days
    return TableMeasure(
        name=name,
        rows=sum(day.rows for day in days),
        files=sum(len(day.sizes) for day in days),
        bytes=sum(day.bytes for day in days),
        first_day=days[0].day if days else None,
        last_day=days[-1].day if days else None,
        rows_a_day=sum(day.rows for day in grown) / span,
        bytes_a_day=sum(day.bytes for day in grown) / span,
    )


def _start(days: Sequence[LiveDay]) -> date:
    return max(days[0].day, days[-1].day - timedelta(days=GROWTH_DAYS))


def _growth_days(days: Sequence[LiveDay]) -> Sequence[LiveDay]:
    """Return the days that growth is taken from: the last one is not over yet."""
    if len(days) < 2:
        return days
    return [day for day in days[:-1] if day.day >= _start(days)]
