"""Which files the vacuum takes, and which it must not."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

from buffer.cleaning import checkpoint, vacuum
from buffer.delta import DeltaBufferTable
from buffer.maintenance import maintain
from tests.support.buffer_care import LATER, a_policy, add, offsets_of, three_tables

HOUR = timedelta(hours=1)


def _files(folder: Path) -> set[Path]:
    return set(folder.glob("record_day=*/*.parquet"))


def _make_old(*files: Path) -> None:
    long_ago = time.time() - 90 * 86_400
    for file in files:
        os.utime(file, (long_ago, long_ago))


def _merged(folder: Path) -> tuple[DeltaBufferTable, set[Path]]:
    """Return a table whose files were just merged, and the files it had before, which look old."""
    tables = three_tables(folder)
    for number in range(6):
        add(tables.labels, LATER.date(), [number])
    before = _files(folder / "labels")
    _make_old(*before)
    maintain(tables, a_policy(), LATER)
    return tables.labels, before


def test_vacuum_leaves_what_an_older_version_reads(tmp_path: Path) -> None:
    """A file counts from when it left the newest version, not from when it was written, also after a checkpoint."""
    table, merged = _merged(tmp_path)
    checkpoint(table.handle())
    assert not vacuum(table.handle(), HOUR)
    assert {file for file in merged if file.exists()} == merged


def test_vacuum_takes_what_a_killed_writer_left(tmp_path: Path) -> None:
    """A file that no version names goes once it is old; one of a writer that is at it now stays."""
    table, merged = _merged(tmp_path)
    orphan, fresh = (next(iter(merged)).with_name(f"part-{name}.parquet") for name in ("orphan", "fresh"))
    for file in (orphan, fresh):
        file.write_bytes(b"rows")
    _make_old(orphan)
    removed = vacuum(table.handle(), HOUR).files
    assert (removed, orphan.exists(), fresh.exists(), offsets_of(table)) == (1, False, True, list(range(6)))


def test_vacuum_of_a_clean_folder_writes_no_version(tmp_path: Path) -> None:
    """Looking costs no commit."""
    table, _ = _merged(tmp_path)
    before = table.handle().version()
    vacuum(table.handle(), HOUR)
    assert table.handle().version() == before
