from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buffer.delta import DeltaBufferTable
from buffer.errors import Overtaken
from buffer.layout import LABELS_SCHEMA
from buffer.table import BufferTable, Stretch, TableName
from tests.support.buffer_delta import a_prepared_table, append, label_rows, source
from tests.support.buffer_memory import InMemoryBufferTable

TABLES: Mapping[str, Callable[[Path], BufferTable]] = {
    "delta": lambda folder: a_prepared_table(folder / "labels"),
    "memory": lambda _: InMemoryBufferTable(TableName.LABELS, LABELS_SCHEMA),
}


@pytest.fixture(params=sorted(TABLES))
def table(request: pytest.FixtureRequest, tmp_path: Path) -> BufferTable:
    """Return an empty table of each kind."""
    return TABLES[request.param](tmp_path)


def rows_of(table: BufferTable) -> pa.Table:
    """Return all rows in order of partition and offset."""
    assert isinstance(table, DeltaBufferTable | InMemoryBufferTable)
    rows = table.snapshot().dataset().to_table() if isinstance(table, DeltaBufferTable) else table.rows()
    return rows.select(LABELS_SCHEMA.names).sort_by([("record_partition", "ascending"), ("record_offset", "ascending")])


def test_empty_table_stands_nowhere(table: BufferTable) -> None:
    """A source that was never written is absent, not at 0: an offset 0 would skip the reset rule."""
    assert dict(table.positions([source(0), source(1)])) == {}


def test_append_keeps_rows_as_they_are_and_moves_positions(table: BufferTable) -> None:
    """Every column comes back as it was given, and the table stands behind the last row."""
    rows = label_rows(0, range(5, 9))
    table.append(rows, [Stretch(source(0), None, 9)])
    assert rows_of(table).to_pylist() == rows.to_pylist()
    assert dict(table.positions([source(0), source(1)])) == {source(0): 9}


def test_empty_rows_move_positions(table: BufferTable) -> None:
    """Where there are only markers or unreadable events there is nothing to keep, and it is read once all the same."""
    table.append(LABELS_SCHEMA.empty_table(), [Stretch(source(0), None, 3)])
    table.append(LABELS_SCHEMA.empty_table(), [Stretch(source(0), 3, 7)])
    assert (dict(table.positions([source(0)])), rows_of(table).num_rows) == ({source(0): 7}, 0)


def test_position_may_move_back(table: BufferTable) -> None:
    """An operator who seeks back names where the table stands, as every writer does."""
    append(table, 0, None, 9)
    table.append(LABELS_SCHEMA.empty_table(), [Stretch(source(0), 9, 4)])
    assert dict(table.positions([source(0)])) == {source(0): 4}


@pytest.mark.parametrize("expected", [None, 0, 4, 6])
def test_append_from_elsewhere_is_overtaken_and_writes_nothing(table: BufferTable, expected: int | None) -> None:
    """Rows that do not begin where the table stands would be doubled, or leave a gap."""
    append(table, 0, None, 5)
    with pytest.raises(Overtaken) as caught:
        table.append(label_rows(0, range(expected or 0, 9)), [Stretch(source(0), expected, 9)])
    assert caught.value.app_ids == (source(0),)
    assert (dict(table.positions([source(0)])), rows_of(table).num_rows) == ({source(0): 5}, 5)


def test_one_wrong_stretch_drops_the_whole_append(table: BufferTable) -> None:
    """Rows and positions of all sources are one commit: there is no half of it, and only the wrong one is named."""
    append(table, 1, None, 2)
    rows = pa.concat_tables([label_rows(0, range(3)), label_rows(1, range(3))])
    with pytest.raises(Overtaken) as caught:
        table.append(rows, [Stretch(source(0), None, 3), Stretch(source(1), None, 3)])
    assert caught.value.app_ids == (source(1),)
    assert (dict(table.positions([source(0), source(1)])), rows_of(table).num_rows) == ({source(1): 2}, 2)


def test_rows_without_a_column_have_null_there(table: BufferTable) -> None:
    """A newer service may have added a column; the older one goes on."""
    table.append(label_rows(0, range(2)).drop_columns(["refused"]), [Stretch(source(0), None, 2)])
    assert rows_of(table)["refused"].to_pylist() == [None, None]


@given(
    steps=st.lists(st.tuples(st.integers(0, 1), st.sampled_from([None, 0, 1, 2, 3, 4]), st.integers(1, 2)), max_size=12)
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_tables_take_and_refuse_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int | None, int]]
) -> None:
    """The fake that workers are tested with is no kinder than the real one."""
    tables = [make(tmp_path_factory.mktemp("table")) for make in TABLES.values()]
    for partition, expected, count in steps:
        outcomes = set()
        for table in tables:
            try:
                append(table, partition, expected, (expected or 0) + count)
            except Overtaken:
                outcomes.add("overtaken")
            else:
                outcomes.add("taken")
        assert len(outcomes) == 1
    first, second = (rows_of(table).to_pylist() for table in tables)
    assert first == second
