from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from buffer.errors import TableRefused
from buffer.layout import LABELS_SCHEMA
from buffer.table import Stretch
from tests.support.buffer_delta import a_prepared_table, a_table, append, label_rows, source


def columns(folder: Path) -> list[str]:
    """Return the names of the table's columns."""
    return list(a_table(folder).snapshot().dataset().schema.names)


def test_prepare_by_many_at_once_makes_one_table(tmp_path: Path) -> None:
    """Replicas start together."""
    tables = [a_table(tmp_path / "labels") for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda table: table.prepare(), tables))
    append(tables[0], 0, None, 1)
    assert dict(tables[5].positions([source(0)])) == {source(0): 1}


def test_prepare_by_many_at_once_adds_every_column_once(tmp_path: Path) -> None:
    """Two new versions may bring two columns at the same moment."""
    a_prepared_table(tmp_path)
    extra = [pa.field("numbers", pa.list_(pa.float64())), pa.field("channel", pa.string())]
    tables = [a_table(tmp_path, schema=LABELS_SCHEMA.append(extra[n % 2])) for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda table: table.prepare(), tables))
    assert sorted(columns(tmp_path)) == sorted([*LABELS_SCHEMA.names, "channel", "numbers"])


def test_prepare_is_no_commit_where_nothing_is_missing(tmp_path: Path) -> None:
    """A restart must not disturb the writers that are at work, nor an older service take a column away."""
    a_prepared_table(tmp_path, schema=LABELS_SCHEMA.append(pa.field("channel", pa.string())))
    a_prepared_table(tmp_path)
    assert (a_table(tmp_path).snapshot().version, "channel" in columns(tmp_path)) == (0, True)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (pa.field("label", pa.float64()), "column 'label' is string in the table and double in the service file"),
        (pa.field("Label", pa.string()), "differs from it in case only"),
    ],
)
def test_column_that_does_not_fit_is_refused(tmp_path: Path, field: pa.Field, reason: str) -> None:
    """Rows of both kinds cannot stand in one column; it is found at the start, not in a flush."""
    a_prepared_table(tmp_path)
    kept = [column for column in LABELS_SCHEMA if column.name != "label"]
    with pytest.raises(TableRefused, match=reason):
        a_prepared_table(tmp_path, schema=pa.schema([*kept, field]))


def test_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A slip in buffer.uri must not turn somebody's folder into a table."""
    (tmp_path / "thesis.odt").write_text("irreplaceable")
    with pytest.raises(TableRefused, match=r"holds thesis\.odt and no table"):
        a_prepared_table(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.odt"]


def test_foreign_table_is_refused(tmp_path: Path) -> None:
    """A table of another tool is neither changed nor written."""
    a_prepared_table(tmp_path, schema=pa.schema([LABELS_SCHEMA.field("record_day")]))
    with pytest.raises(TableRefused, match=r"lacks record_topic, .* so it is not ours"):
        a_prepared_table(tmp_path)


def test_log_says_nothing_about_people(tmp_path: Path) -> None:
    """Keys and ids stand in the rows, which can be forgotten; the log keeps what is in it."""
    table = a_prepared_table(tmp_path)
    append(table, 0, None, 3)
    table.handle().create_checkpoint()
    log = b"".join(path.read_bytes() for path in (tmp_path / "_delta_log").iterdir())
    added = [json.loads(line) for line in (tmp_path / "_delta_log" / f"{1:020d}.json").read_text().splitlines()]
    statistics = json.loads(next(action["add"]["stats"] for action in added if "add" in action))
    assert sorted(statistics["minValues"]) == ["record_offset", "record_partition", "record_time"]
    assert b"event-0" not in log


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: rows.append_column("odd", [["x"] * 2]), "no column odd"),
        (lambda rows: rows.set_column(7, "event_id", pa.nulls(2, pa.string())), "event_id must not be null"),
        (lambda rows: rows.set_column(4, "record_offset", [["one", "two"]]), "record_offset is int64 in the table"),
    ],
)
def test_rows_that_do_not_fit_are_refused_without_showing_them(tmp_path: Path, change: object, reason: str) -> None:
    """The library's own report shows whole rows, which hold what people should not find in a log."""
    assert callable(change)
    table = a_prepared_table(tmp_path)
    with pytest.raises(TableRefused, match=reason) as caught:
        table.append(change(label_rows(0, range(2))), [Stretch(source(0), None, 2)])
    assert "event-0" not in str(caught.value)
    assert dict(table.positions([source(0)])) == {}


def test_append_without_a_source_or_with_one_twice_is_a_mistake(tmp_path: Path) -> None:
    """Rows of no source could not be fenced."""
    table = a_prepared_table(tmp_path)
    for stretches in ([], [Stretch("s", None, 1), Stretch("s", 1, 2)]):
        with pytest.raises(ValueError, match="one stretch for each source"):
            table.append(label_rows(0, range(2)), stretches)
