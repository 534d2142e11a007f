"""The files of a table's newest version, summed up by day: what maintenance decides by, without reading a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from buffer.layout import DAY


@dataclass(frozen=True, slots=True)
class LiveDay:
    """The files of one day.

    Attributes:
        day: Their ``record_day``.
        sizes: Bytes of each file.
        rows: Rows in all of them, as far as the log knows.
        newest: When the youngest of them was written.
        unweighted: How many rows have no ``sample_weight``; all of them where the log does not say.
    """

    day: date
    sizes: tuple[int, ...]
    rows: int
    newest: datetime
    unweighted: int

    @property
    def bytes(self) -> int:
        """Return the bytes of all files."""
        return sum(self.sizes)


def live_days(table: DeltaTable) -> list[LiveDay]:
    """Return the days that have files, in order; costs one look at the log that is in memory anyway."""
    by_day: dict[date, list[Mapping[str, Any]]] = {}
    for action in pa.table(table.get_add_actions(flatten=True)).to_pylist():
        by_day.setdefault(action[f"partition.{DAY}"], []).append(action)
    return [_summed(day, actions) for day, actions in sorted(by_day.items())]


def _summed(day: date, actions: list[Mapping[str, Any]]) -> LiveDay:
    return LiveDay(
        day=day,
        sizes=tuple(action["size_bytes"] for action in actions),
        rows=sum(action["num_records"] or 0 for action in actions),
        newest=datetime.fromtimestamp(max(action["modification_time"] for action in actions) / 1000, UTC),
        unweighted=sum(_unweighted(action) for action in actions),
    )


def _unweighted(action: Mapping[str, Any]) -> int:
    nulls = action.get("null_count.sample_weight")
    rows: int | None = action["num_records"] if nulls is None else nulls
    return 1 if rows is None else rows  # a file that says nothing of itself may hold such rows
