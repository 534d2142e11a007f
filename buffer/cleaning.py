"""The log and the folder of a table: its properties, its checkpoints, and files that no version needs any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable

from buffer.care_report import Work
from buffer.delta_schema import table_properties

_HOUR: Final = timedelta(hours=1)


def align_properties(table: DeltaTable, keep_versions: timedelta) -> Work:
    """Give the table the properties that these settings mean; concurrent appends look again and go on.

    Tombstones are kept as long as the files: else a checkpoint would forget files that an older version reads.

    Raises:
        CommitFailedError: Somebody changed the table meanwhile.
    """
    wanted = table_properties(pa.schema(table.schema().to_arrow()), keep_versions=keep_versions)
    present = table.metadata().configuration
    differing = {key: value for key, value in wanted.items() if present.get(key) != value}
    if not differing:
        return Work()
    table.alter.set_table_properties(differing)
    return Work(versions=1)


def vacuum(table: DeltaTable, keep_versions: timedelta) -> Work:
    """Remove files that have been out of the newest version for so long, and what killed writers left behind.

    A writer that is at it now is safe: nothing younger than an hour is removed.
    """
    hours = -(-max(keep_versions, _HOUR) // _HOUR)
    stale = table.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True)
    if not stale:
        return Work()
    before = table.version()
    removed = table.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)
    return Work(files=len(removed), versions=table.version() - before)


def vacuum_now(table: DeltaTable) -> None:
    """Remove at once the files of rows that were deleted, and what killed writers left behind an hour ago.

    A query that reads an older version fails from now on.
    """
    table.vacuum(0, dry_run=False, enforce_retention_duration=False, full=False)
    table.vacuum(1, dry_run=False, enforce_retention_duration=False, full=True)


def checkpoint(table: DeltaTable) -> Work:
    """Write the state of the table, offsets included, in one file, and drop the log that is older than it must be."""
    table.create_checkpoint()
    table.cleanup_metadata()
    return Work(versions=1)
