from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from buffer.delta import DeltaBufferTable
from buffer.table import Stretch, TableName
from consumer.places import TopicIdentity
from service.buffer_reseek import Move, apply, plan
from service.errors import Refused
from tests.support.buffer_care import add, day_before, noon, offsets_of, three_tables

SAME = TopicIdentity("cluster", "topic-id")
MIRROR = TopicIdentity("mirror", "other-id")


@pytest.fixture
def table(tmp_path: Path) -> DeltaBufferTable:
    """Return a table that stands at 20 on partition 0, its last ten offsets without a row."""
    labels = three_tables(tmp_path).labels
    labels.append(labels.schema.empty_table(), [Stretch(SAME.app_id(0), None, 20)])
    add(labels, day_before(1), range(10))
    return labels


def test_position_after_a_fail_over_is_one_of_the_new_cluster(table: DeltaBufferTable) -> None:
    """The mirrored topic has no position as yet; the newest record by the topic's name says from when to go on."""
    moves = plan(table, "topic", MIRROR, {0: 41})
    apply(table, moves)
    assert moves == [Move(0, MIRROR.app_id(0), None, 41, noon(day_before(1)))]
    assert table.positions([MIRROR.app_id(0), SAME.app_id(0)]) == {MIRROR.app_id(0): 41, SAME.app_id(0): 20}


def test_position_moves_past_records_that_are_gone(table: DeltaBufferTable) -> None:
    """Records deleted unread are given up by name, and no row changes."""
    apply(table, plan(table, "topic", SAME, {0: 500}))
    assert (table.positions([SAME.app_id(0)]), offsets_of(table)) == ({SAME.app_id(0): 500}, list(range(10)))


def test_position_never_goes_back_over_rows(table: DeltaBufferTable) -> None:
    """Reading rows again would put them into the table twice."""
    with pytest.raises(Refused, match="holds 4 rows from offset 6 on, which would be in it twice; give 10 or later"):
        plan(table, "topic", SAME, {0: 6})
    assert plan(table, "topic", SAME, {0: 10})[0].target == 10


def test_position_that_moved_meanwhile_is_not_overwritten(table: DeltaBufferTable) -> None:
    """A worker that still runs is found out by the rule that fences every writer."""
    moves = plan(table, "topic", SAME, {0: 30})
    table.append(table.schema.empty_table(), [Stretch(SAME.app_id(0), 20, 25)])
    with pytest.raises(Refused, match="stop all buffering workers"):
        apply(table, moves)
    assert table.positions([SAME.app_id(0)]) == {SAME.app_id(0): 25}


def test_table_that_is_not_made_yet_has_no_positions(tmp_path: Path) -> None:
    """A fail-over may be to a new folder as well."""
    tables = three_tables(tmp_path)
    absent = DeltaBufferTable(
        TableName.LABELS,
        str(tmp_path / "new"),
        schema=tables.labels.schema,
        options={},
        keep_versions=timedelta(days=1),
    )
    assert plan(absent, "topic", MIRROR, {0: 5}) == [Move(0, MIRROR.app_id(0), None, 5, None)]


def test_move_is_shown_with_what_it_changes() -> None:
    """A person sees both offsets before anything is set."""
    lines = [Move(partition, "id", current, 7, None).line() for partition, current in enumerate((None, 7, 5))]
    assert lines == ["partition 0: nothing -> 7", "partition 1: 7 stays", "partition 2: 5 -> 7"]
