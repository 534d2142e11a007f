"""Many small files to few large ones, day by day: what a commit and a query cost follows the number of files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable, WriterProperties

from buffer.care_report import Work
from buffer.delta_rows import writer_properties
from buffer.layout import DAY
from buffer.live_files import LiveDay, live_days

TARGET_BYTES: Final = 128 * 1024 * 1024
_ROW_GROUP: Final = 64 * 1024  # the library's own million of rows took 0.9 GiB for 29 doubles, this 0.26


def rewriting(schema: pa.Schema) -> WriterProperties:
    """Return how rows are written that are written once more, in bounded memory."""
    properties = writer_properties(schema)
    properties.max_row_group_size = _ROW_GROUP
    return properties


@dataclass(frozen=True, slots=True)
class CompactionRule:
    """When a day has too many files.

    Attributes:
        max_small_files: A day with so many small files is compacted at once.
        target_bytes: About how large a file shall become; one of less than half of it is small.
        quiet: A day that nothing was written to for so long is compacted to as few files as it takes.
    """

    max_small_files: int = 50
    target_bytes: int = TARGET_BYTES
    quiet: timedelta = timedelta(hours=1)

    def is_due(self, day: LiveDay, now: datetime) -> bool:
        """Return whether a day is worth it now; never true again for a day that is done."""
        small = [size for size in day.sizes if size < self.target_bytes // 2]
        fewest = -(-sum(small) // self.target_bytes)
        if len(small) <= max(fewest, 1):
            return False
        return len(small) >= self.max_small_files or now - day.newest >= self.quiet


def days_to_compact(table: DeltaTable, rule: CompactionRule, now: datetime) -> Iterator[LiveDay]:
    """Return the days that are due, oldest first."""
    return (day for day in live_days(table) if rule.is_due(day, now))


def compact_day(table: DeltaTable, day: LiveDay, rule: CompactionRule) -> Work:
    """Merge the small files of a day. Appends, also to this day, go on meanwhile and do not conflict.

    Raises:
        CommitFailedError: The day was rewritten or dropped meanwhile; nothing is changed.
    """
    schema = pa.schema(table.schema().to_arrow())
    metrics = table.optimize.compact(
        partition_filters=[(DAY, "=", day.day.isoformat())],
        target_size=rule.target_bytes,
        max_concurrent_tasks=1,  # memory: each task holds a row group of every column
        writer_properties=rewriting(schema),
    )
    if not metrics["numFilesRemoved"]:
        return Work()
    return Work(
        days=1,
        files=metrics["numFilesRemoved"],
        new_files=metrics["numFilesAdded"],
        bytes=_total(metrics["filesRemoved"]),
        new_bytes=_total(metrics["filesAdded"]),
    )


def _total(sizes: str | dict[str, int]) -> int:
    parsed = json.loads(sizes) if isinstance(sizes, str) else sizes
    return int(parsed["totalSize"])
