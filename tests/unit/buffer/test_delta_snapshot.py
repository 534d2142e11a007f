from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from buffer.errors import TableRefused, VersionGone
from buffer.layout import LABELS_SCHEMA
from buffer.table import Stretch
from tests.support.buffer_delta import DAY, a_prepared_table, a_table, append, label_rows, source


def test_snapshot_stays_as_it_was(tmp_path: Path) -> None:
    """What training reads does not move under it."""
    table = a_prepared_table(tmp_path)
    append(table, 0, None, 3)
    snapshot = table.snapshot()
    append(table, 0, 3, 9)
    assert (snapshot.version, snapshot.dataset().count_rows(), len(snapshot.files or ())) == (1, 3, 1)
    assert table.snapshot(1).dataset().to_table().equals(snapshot.dataset().to_table())


def test_files_and_dataset_are_the_same_rows_wherever_the_folder_is(tmp_path: Path) -> None:
    """A path with a space, a hash or an umlaut is a path like any other."""
    table = a_prepared_table(tmp_path / "my büffer #1 ?" / "labels")
    days = [DAY + timedelta(days=number) for number in (0, 1, 0)]
    table.append(label_rows(0, range(3), days=days), [Stretch(source(0), None, 3)])
    snapshot = table.snapshot()
    counts = [pq.ParquetFile(path).metadata.num_rows for path in snapshot.files or ()]
    assert (sorted(counts), snapshot.dataset().count_rows()) == ([1, 2], 3)
    assert sorted(snapshot.dataset().to_table()["record_day"].to_pylist()) == sorted(days)


def test_rows_older_than_a_column_have_null_there(tmp_path: Path) -> None:
    """A feature that was added later was not known then."""
    append(a_prepared_table(tmp_path), 0, None, 1)
    a_prepared_table(tmp_path, schema=LABELS_SCHEMA.append(pa.field("channel", pa.string())))
    assert a_table(tmp_path).snapshot().dataset().to_table()["channel"].to_pylist() == [None]


@pytest.mark.parametrize("version", [-1, 7])
def test_version_that_never_was_is_said_to_be_none(tmp_path: Path, version: int) -> None:
    """A cursor of another buffer."""
    with pytest.raises(VersionGone, match=f"no version {version}, the newest is 0"):
        a_prepared_table(tmp_path).snapshot(version)


def test_version_whose_files_were_cleaned_is_gone(tmp_path: Path) -> None:
    """It is found when it is asked for, not in the middle of a training."""
    table = a_prepared_table(tmp_path)
    for number in range(3):
        append(table, 0, number or None, number + 1)
    handle = table.handle()
    handle.optimize.compact()
    handle.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(VersionGone, match=r"version 3 is no longer kept.*buffer\.keep_versions"):
        table.snapshot(3)


def test_version_whose_log_was_cleaned_is_gone(tmp_path: Path) -> None:
    """Likewise when only the checkpoint is left."""
    table = a_prepared_table(tmp_path)
    append(table, 0, None, 1)
    table.handle().create_checkpoint()
    (tmp_path / "_delta_log" / f"{0:020d}.json").unlink()
    with pytest.raises(VersionGone, match="version 0 is no longer kept"):
        table.snapshot(0)
    assert table.snapshot().dataset().count_rows() == 1


@pytest.mark.parametrize("character", ["%", "[", "]", "^", "|", "\\", "\n"])
def test_folder_the_table_library_cannot_use_is_refused(tmp_path: Path, character: str) -> None:
    """It takes the character for an escape and looks for the table elsewhere, or it dies of it."""
    with pytest.raises(TableRefused, match="choose another for buffer") as refusal:
        a_table(tmp_path / f"50{character}off")
    assert "\n" not in str(refusal.value)
