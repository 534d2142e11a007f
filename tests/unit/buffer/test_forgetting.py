"""Forgetting a person: nothing of them is left in any file, and nothing of anybody else is gone."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from buffer.delta_tables import DeltaTables
from buffer.forgetting import Person, find_rows, forget
from buffer.maintenance import maintain
from buffer.table import TableName
from tests.support.buffer_care import LATER, a_policy, add, day_before, offsets_of, source_of, three_tables

KEY = b"card-\x00'4711"
EVENTS = ("event-of-4711-a", "event-of-4711-b")


def _filled(folder: Path) -> DeltaTables:
    """Return tables with rows of the person among those of others, of two days, compacted and with a checkpoint."""
    tables = three_tables(folder)
    for day, event, first in ((0, EVENTS[0], 0), (60, EVENTS[1], 20)):
        add(tables.features, day_before(day), range(first, first + 9))
        add(tables.features, day_before(day), [first + 9], record_key=KEY, event_id=event)
        add(tables.scores, day_before(day), range(first, first + 9))
        add(tables.scores, day_before(day), [first + 9], record_key=None, event_id=event)
        add(tables.labels, day_before(day), range(first, first + 9))
        add(tables.labels, day_before(day), [first + 9], record_key=None, event_id=event)
    maintain(tables, a_policy(), LATER)
    return tables


def _mentions(folder: Path, *needles: bytes) -> list[str]:
    """Return the files that hold one of these, compressed or not."""
    found = []
    for file in (path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes()
        if file.suffix == ".parquet":
            table = pq.ParquetFile(file).read()
            values = [value for column in table.columns for value in column.to_pylist()]
            content += b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)
        found += [file.name for needle in needles if needle in content]
    return found


def _others() -> list[int]:
    return [number for first in (0, 20) for number in range(first, first + 9)]


def test_forgotten_key_is_in_no_file(tmp_path: Path) -> None:
    """Rows, scores without a key and labels by event id go, from every version on the disk and from the log."""
    tables = _filled(tmp_path)
    needles = (KEY, *(event.encode() for event in EVENTS))
    assert _mentions(tmp_path, *needles)
    forgotten = forget(tables, Person(key=KEY))
    assert (forgotten, _mentions(tmp_path, *needles)) == (dict.fromkeys(TableName, 2), [])
    assert [offsets_of(table) for table in tables] == [_others()] * 3


def test_forgetting_twice_is_forgetting_once(tmp_path: Path) -> None:
    """The second run finds nothing and changes nothing; positions are as before the first."""
    tables = _filled(tmp_path)
    forget(tables, Person(key=KEY))
    assert forget(tables, Person(key=KEY)) == dict.fromkeys(TableName, 0)
    assert tables.features.positions([source_of(TableName.FEATURES)]) == {source_of(TableName.FEATURES): 30}


def test_one_event_is_forgotten_by_its_id(tmp_path: Path) -> None:
    """The person's other events stay."""
    tables = _filled(tmp_path)
    forget(tables, Person(event_id=EVENTS[0]))
    assert _mentions(tmp_path, EVENTS[0].encode()) == []
    assert {name: len(rows) for name, rows in find_rows(tables, Person(key=KEY)).items()} == dict.fromkeys(TableName, 1)


def test_killed_run_is_finished_by_the_next(tmp_path: Path) -> None:
    """Labels are found through the features, which go last: a run that ended in between leaves nothing behind."""
    tables = _filled(tmp_path)

    class Killed(Exception):
        pass

    class DyingTable:
        name = TableName.SCORES
        looks = 0

        def handle(self) -> object:
            self.looks += 1
            if self.looks > 1:
                raise Killed
            return tables.scores.handle()

    with pytest.raises(Killed):
        forget([tables.features, DyingTable(), tables.labels], Person(key=KEY))  # type: ignore[list-item]
    forget(tables, Person(key=KEY))
    assert _mentions(tmp_path, KEY, *(event.encode() for event in EVENTS)) == []


def test_more_rows_than_one_commit_names_are_all_forgotten(tmp_path: Path) -> None:
    """A person of many events needs several commits, and loses them all."""
    tables = three_tables(tmp_path)
    add(tables.features, day_before(0), range(1200), record_key=KEY)
    add(tables.features, day_before(0), range(1200, 1210))
    forget(tables, Person(key=KEY))
    assert offsets_of(tables.features) == list(range(1200, 1210))
