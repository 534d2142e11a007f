from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from buffer.errors import BufferingError
from buffer.examples import ExampleQuery, ExampleStream, open_examples
from buffer.table import Stretch
from service.buffer_export import ExportOrder, export_examples
from service.buffer_query import Wanted
from service.errors import ServiceError, UsageError
from tests.unit.buffer.histories import Event, History, Label, append
from tests.unit.service.made_up_buffer import NOW_MS, filled, settings_in


def exported(folder: Path, order: ExportOrder) -> list[str]:
    """Export and return what was said."""
    said: list[str] = []
    export_examples(settings_in(folder), order, now_ms=NOW_MS, say=said.append)
    return said


def test_a_parquet_export_is_what_the_query_gives(tmp_path: Path) -> None:
    """Same rows, same types, same order."""
    tables = filled(tmp_path)
    file = tmp_path / "out.parquet"
    exported(tmp_path, ExportOrder(file, Wanted()))
    stream = open_examples(tables, ExampleQuery(as_of_ms=NOW_MS))
    expected = [row for batch in stream for row in batch.to_pylist()]
    assert pq.read_table(file).to_pylist() == expected
    assert pq.read_schema(file).equals(stream.schema)


def test_exports_along_a_cursor_have_every_example_once(tmp_path: Path) -> None:
    """The first export of a chain has no cursor yet; the next ones begin where the one before ended."""
    tables = filled(tmp_path, History(events=[Event("pay", 0, n, 5, f"e{n}", time=n) for n in range(3)]))
    cursor = tmp_path / "cursor.json"
    found = []
    for n in (None, 0, 2):
        if n is not None:
            append(tables.labels, [Label("labels", 0, n, 9, f"e{n}", time=9, label="ok")])
        file = tmp_path / f"{n}.parquet"
        exported(tmp_path, ExportOrder(file, Wanted(since=cursor), cursor))
        found.append(pq.read_table(file)["event_id"].to_pylist())
    assert found == [[], ["e0"], ["e2"]]


def test_a_csv_export_is_no_formula_and_keeps_numbers(tmp_path: Path) -> None:
    """A spreadsheet runs what begins like a formula; a negative value of a regression is none."""
    events = [
        Event("pay", 0, n, 0, i, inline=v) for n, (i, v) in enumerate([("=1+1", "-1.5"), ("@x", "-y"), ("a-b", "1")])
    ]
    filled(tmp_path, History(events=events))
    file = tmp_path / "out.csv"
    exported(tmp_path, ExportOrder(file, Wanted()))
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert [(row["event_id"], row["label"]) for row in rows] == [("'=1+1", "-1.5"), ("'@x", "'-y"), ("a-b", "1")]
    assert [row["Last amounts"] for row in rows] == ["[0.0, 0.5]"] * 3


def test_a_csv_export_has_sequences_in_json(tmp_path: Path) -> None:
    """A field may keep NaN, which JSON does not have."""
    tables = filled(tmp_path, History())
    row = Event("pay", 0, 0, 0, "e", inline="ok").columns() | {"Last amounts": [float("nan"), 0.5]}
    tables.features.append(pa.Table.from_pylist([row], schema=tables.features.schema), [Stretch("pay", None, 1)])
    exported(tmp_path, ExportOrder(tmp_path / "out.csv", Wanted()))
    (found,) = csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines())
    assert found["Last amounts"] == "[null, 0.5]"


def test_a_failed_export_leaves_the_old_file_and_no_cursor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a file would be trained on by somebody."""
    filled(tmp_path)
    file, cursor = tmp_path / "out.parquet", tmp_path / "cursor.json"
    file.write_text("the one before")

    def broken(self: ExampleStream) -> Any:
        yield from ()
        raise BufferingError("the storage is away")

    monkeypatch.setattr(ExampleStream, "__iter__", broken)
    with pytest.raises(BufferingError, match="away"):
        exported(tmp_path, ExportOrder(file, Wanted(), cursor))
    assert file.read_text() == "the one before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["buffer", "out.parquet"]


def test_a_sample_is_the_same_for_a_seed(tmp_path: Path) -> None:
    """An experiment can be repeated."""
    filled(tmp_path)
    order = ExportOrder(tmp_path / "a.parquet", Wanted(), sample=5, seed=1)
    exported(tmp_path, order)
    exported(tmp_path, replace(order, file=tmp_path / "b.parquet"))
    first = pq.read_table(tmp_path / "a.parquet")
    assert first.num_rows == 5
    assert first.equals(pq.read_table(tmp_path / "b.parquet"))


def test_what_would_lose_examples_is_refused(tmp_path: Path) -> None:
    """A cursor passes over all there is, so it goes only with a file of all there is."""
    cursor = tmp_path / "cursor.json"
    with pytest.raises(UsageError, match="never be given"):
        ExportOrder(tmp_path / "a.csv", Wanted(), cursor, sample=5)
    with pytest.raises(UsageError, match="never be given"):
        ExportOrder(tmp_path / "a.csv", Wanted(end="2h"), cursor)
    with pytest.raises(UsageError, match="where the examples go"):
        ExportOrder(tmp_path / "a.csv", Wanted(), tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("out.xlsx", UsageError, r"\.parquet or \.csv"),
        ("absent/out.csv", ServiceError, "no such file or directory"),
        ("folder.csv", UsageError, "is a folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, name: str, error: type[Exception], told: str) -> None:
    """What, where, and nothing left behind."""
    filled(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(error, match=told):
        exported(tmp_path, ExportOrder(tmp_path / name, Wanted()))
    assert list(tmp_path.rglob("*.tmp")) == []
