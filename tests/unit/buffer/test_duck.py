from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from buffer.duck import DuckSession, QueryLimits
from buffer.errors import BufferingError, TableUnavailable, VersionGone
from buffer.snapshot import Snapshot
from tests.unit.buffer.histories import Event, History, fill, random_history, tables_in


class Elsewhere:
    """A snapshot that says that its files are where only Arrow can read them."""

    def __init__(self, snapshot: Snapshot, files: Sequence[str] | None = None) -> None:
        self.name, self.version = snapshot.name, snapshot.version
        self.files = None if files is None else tuple(files)
        self.dataset = snapshot.dataset


def all_rows(snapshot: Snapshot) -> list[tuple[object, ...]]:
    """Return the rows of a table in order."""
    with DuckSession() as session:
        session.attach(snapshot)
        return session.rows(f"SELECT record_day, record_offset, event_id FROM {snapshot.name} ORDER BY ALL")  # noqa: S608


def test_remote_files_read_as_local_ones_do(tmp_path: Path) -> None:
    """An object store is read through Arrow; a folder whose name is a pattern must not be taken for one."""
    tables = tables_in(tmp_path / "it's odd")
    fill(tables, random_history(random.Random(2)), commits=2)
    for table in tables:
        expected = sorted(
            tuple(row.values())
            for row in table.snapshot().dataset().to_table(["record_day", "record_offset", "event_id"]).to_pylist()
        )
        assert len(expected) == 60
        assert all_rows(table.snapshot()) == expected
        assert all_rows(Elsewhere(table.snapshot(), ["/a/*?/record_day=2026-01-30/b.parquet"])) == expected
        assert all_rows(Elsewhere(table.snapshot())) == expected


@pytest.mark.parametrize("folder", ["Last amounts=7", "amount=7", "record_day=1999-01-01", "a*b"])
def test_a_folder_is_never_taken_for_a_column(tmp_path: Path, folder: str) -> None:
    """A part of the path such as ``amount=7`` must not replace the amounts of all events."""
    tables = tables_in(tmp_path / folder)
    fill(tables, History(events=[Event("pay", 0, 3, 5, "e")]))
    with DuckSession() as session:
        session.attach(tables.features.snapshot())
        found = session.rows('SELECT record_day, amount, "Last amounts" FROM features')
    assert found == [(date(2026, 1, 30), 3.0, [0.0, 0.5])]


def test_remote_files_are_found_by_text_and_bytes_after_a_delete(tmp_path: Path) -> None:
    """A delete writes files in which Arrow itself cannot compare texts."""
    tables = tables_in(tmp_path)
    fill(tables, History(events=[Event("pay", 0, offset, 5, f"e{offset}") for offset in range(3)]))
    tables.features.handle().delete("record_offset = 1")
    with DuckSession() as session:
        session.attach(Elsewhere(tables.features.snapshot()))
        assert session.rows("SELECT record_offset FROM features WHERE event_id = 'e2'") == [(2,)]
        assert session.rows("SELECT record_offset FROM features WHERE record_key = unhex('00')") == []


def test_a_column_younger_than_every_file_is_null(tmp_path: Path) -> None:
    """A field that was added just now is in the table and in no file yet."""

    class Wider(Elsewhere):
        def __init__(self, snapshot: Snapshot) -> None:
            super().__init__(snapshot, snapshot.files)
            younger = snapshot.dataset().schema.append(pa.field("colour", pa.list_(pa.float32())))
            self.dataset = lambda: ds.dataset(younger.empty_table())

    tables = tables_in(tmp_path)
    fill(tables, History(events=[Event("pay", 0, 0, 5, "e")]))
    with DuckSession() as session:
        assert "colour" in session.attach(Wider(tables.features.snapshot()))
        assert session.rows("SELECT event_id, colour, amount FROM features") == [("e", None, 0.0)]


def test_a_file_that_was_cleaned_away_is_named_as_an_old_version(tmp_path: Path) -> None:
    """Cleaning may overtake a query of an old version; the line says which setting keeps them longer."""
    tables = tables_in(tmp_path)
    fill(tables, History(events=[Event("pay", 0, 0, 5, "e")]))
    snapshot = tables.features.snapshot()
    with DuckSession() as session:
        session.attach(snapshot)
        for path in tmp_path.rglob("*.parquet"):
            path.unlink()
        with pytest.raises(VersionGone, match=r"features 1.*buffer.keep_versions"):
            session.rows("SELECT * FROM features")


def test_what_does_not_fit_the_memory_goes_to_files_that_are_removed(tmp_path: Path) -> None:
    """Sorting more than the limit works, and leaves nothing behind."""
    with DuckSession(QueryLimits(memory=64 * 1024 * 1024, folder=tmp_path)) as session:
        session.run(
            "CREATE TEMP TABLE t AS SELECT md5(range::VARCHAR) a, md5((range + 1)::VARCHAR) b FROM range(1600000)"
        )
        schema = pa.schema([("a", pa.string()), ("b", pa.string())])
        rows = sum(batch.num_rows for batch in session.batches("SELECT * FROM t ORDER BY a", schema))
        assert rows == 1_600_000
        assert [path for path in tmp_path.rglob("*") if path.is_file()] != []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_for_temporary_files_that_is_not_there_is_told(tmp_path: Path) -> None:
    """TMPDIR may name what nobody made."""
    with pytest.raises(TableUnavailable, match="temporary files"):
        DuckSession(QueryLimits(folder=tmp_path / "absent"))


def test_no_extension_is_fetched_and_no_variable_is_a_table() -> None:
    """An extension is code from the network; a name in SQL must not find a Python variable."""
    bystander = pa.table({"a": [1]})
    with DuckSession() as session:
        with pytest.raises(BufferingError, match="bystander"):
            session.rows("SELECT * FROM bystander")
        with pytest.raises(BufferingError, match="httpfs"):
            session.rows("SELECT * FROM read_parquet('https://tables.invalid/a.parquet')")
    assert bystander.num_rows == 1
