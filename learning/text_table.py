"""Rows of text as aligned lines; imports nothing, so that a list of models answers at once."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[tuple[str, ...]], *, right_from: int | None = None) -> list[str]:
    """Return one line a row; columns from ``right_from`` on stand to the right, as numbers do.

    >>> aligned([("name", "rows"), ("a", "12")], right_from=1)
    ['name  rows', 'a       12']
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if right_from is not None and i >= right_from else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
