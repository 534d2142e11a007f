from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from buffer.live_files import LiveDay
from buffer.measures import measure
from buffer.table import TableName

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def days(*rows: tuple[int, int]) -> list[LiveDay]:
    """Return days of January by number, with so many rows of ten bytes in two files."""
    return [
        LiveDay(date(2026, 1, day), (count * 4, count * 6), count, newest=NOW, unweighted=count) for day, count in rows
    ]


def test_a_measure_adds_up_the_days() -> None:
    """Rows, files and bytes of the newest version, and from when to when."""
    found = measure(TableName.LABELS, days((3, 5), (9, 7)))
    assert (found.rows, found.files, found.bytes) == (12, 4, 120)
    assert (found.first_day, found.last_day) == (date(2026, 1, 3), date(2026, 1, 9))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((), 0.0),
        (((31, 8),), 8.0),  # nothing but today
        (((30, 70), (31, 1)), 70.0),  # today is not over
        (((25, 70), (31, 1)), 70 / 6),  # days without rows count
        (((1, 9000), (24, 70), (31, 1)), 10.0),  # what came weeks ago does not
    ],
)
def test_growth_is_that_of_the_last_whole_days(rows: tuple[tuple[int, int], ...], expected: float) -> None:
    """The projection is of how the table grows now."""
    found = measure(TableName.FEATURES, days(*rows))
    assert found.rows_a_day == pytest.approx(expected)
    assert found.bytes_at(timedelta(days=180)) == round(expected * 10 * 180)
