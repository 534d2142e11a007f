"""Removing one person's rows from the tables, their files and their log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable

from buffer.cleaning import vacuum_now
from buffer.compaction import rewriting
from buffer.delta_errors import CommitConflict
from buffer.duck import DuckSession, QueryLimits, text
from buffer.errors import TableUnavailable
from buffer.layout import DAY
from buffer.live_rows import LiveRows
from buffer.maintenance import CaredTable, changing
from buffer.table import TableName

_ORDER: Final = (TableName.LABELS, TableName.SCORES, TableName.FEATURES)
"""Features last: they say which labels and scores are the person's, also to the run after one that was killed."""
_ROUNDS: Final = 3  # rows may come in meanwhile
_ATTEMPTS: Final = 10  # of a commit, against other writers
_ROWS_AT_ONCE: Final = 500  # that one commit names

Coordinates: TypeAlias = tuple[date, str, int, int]
"""Day, topic id, partition and offset of a row."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whose rows; exactly one of the two is given.

    Attributes:
        key: The record key of the person's records.
        event_id: The id of the one event to forget.
    """

    key: bytes | None = None
    event_id: str | None = None

    def __post_init__(self) -> None:
        """Refuse nothing and both."""
        if (self.key is None) == (self.event_id is None):
            raise ValueError("give a key or an event id")


def find_rows(
    tables: Iterable[CaredTable], person: Person, *, limits: QueryLimits | None = None
) -> Mapping[TableName, list[Coordinates]]:
    """Return where the person's rows are.

    Of a key: features and scores with it, scores of those features, labels with it or of an event id of those. Of an
    event id: all that has it.

    Raises:
        BufferingError: The tables cannot be read now.
    """
    with DuckSession(limits) as session:
        for table in tables:
            session.attach(LiveRows(table.name, table.handle()))
        if person.key is None:
            mine = scores = labels = f"event_id = {text(person.event_id or '')}"
        else:
            mine = f"record_key = unhex('{person.key.hex()}')"
            session.run(f"CREATE TEMP TABLE own AS {_EVENTS} WHERE {mine}")
            scored = f"SELECT event_id FROM scores WHERE {mine}"  # noqa: S608
            session.run(f"CREATE TEMP TABLE ids AS SELECT event_id FROM own UNION {scored}")  # noqa: S608
            scores = f"{mine} OR (source_topic, source_partition, source_offset, event_id) IN (SELECT * FROM own)"  # noqa: S608
            labels = f"{mine} OR event_id IN (SELECT event_id FROM ids)"  # noqa: S608
        conditions = {TableName.FEATURES: mine, TableName.SCORES: scores, TableName.LABELS: labels}
        return {name: _coordinates(session, name, conditions[name]) for name in _ORDER}


_EVENTS: Final = "SELECT record_topic, record_partition, record_offset, event_id FROM features"


def forget(
    tables: Iterable[CaredTable], person: Person, *, limits: QueryLimits | None = None
) -> Mapping[TableName, int]:
    """Remove the person's rows and, at once, the files that held them; running it again does no harm.

    Returns how many, by table. Neither a file nor the log names the key or the event afterwards, but for files that a
    writer killed within the last hour left behind; the next run takes those. Versions of the tables from before
    cannot be read any more.

    Raises:
        TableUnavailable: Not now, or other writers were always faster; run it again.
        BufferingError: It cannot be done.
    """
    by_name = {table.name: table for table in tables}
    removed = dict.fromkeys(_ORDER, 0)
    for _ in range(_ROUNDS):
        found = find_rows(by_name.values(), person, limits=limits)
        if not any(found.values()):
            break
        for name in _ORDER:
            removed[name] += sum(_delete(by_name[name], rows) for rows in _portions(found[name]))
    for name in _ORDER:
        with changing(by_name[name].handle()) as table:
            vacuum_now(table)
    return removed


def _coordinates(session: DuckSession, name: TableName, condition: str) -> list[Coordinates]:
    columns = f"{DAY}, record_topic_id, record_partition, record_offset"
    return list(map(tuple, session.rows(f"SELECT {columns} FROM {name} WHERE {condition} ORDER BY ALL")))  # noqa: S608


def _portions(rows: list[Coordinates]) -> Iterator[list[Coordinates]]:
    """Yield the rows of one day and source after another, a bounded number at a time; they are in order."""
    portion: list[Coordinates] = []
    for row in rows:
        if portion and (row[:3] != portion[0][:3] or len(portion) == _ROWS_AT_ONCE):
            yield portion
            portion = []
        portion.append(row)
    if portion:
        yield portion


def _delete(table: CaredTable, rows: list[Coordinates]) -> int:
    """Delete rows by where they came from: the log keeps the condition, so it must not name the person."""
    day, topic_id, partition, _ = rows[0]
    offsets = ", ".join(str(row[3]) for row in rows)
    condition = (
        f"{DAY} = '{day.isoformat()}' AND record_topic_id = {text(topic_id)} AND record_partition = {partition}"
        f" AND record_offset IN ({offsets})"
    )
    for _ in range(_ATTEMPTS):
        try:
            with changing(table.handle()) as handle:
                return _deleted(handle, condition)
        except CommitConflict:
            continue
    raise TableUnavailable(f"{table.name}: other writers were first {_ATTEMPTS} times; run it again, it goes on")


def _deleted(table: DeltaTable, condition: str) -> int:
    metrics = table.delete(
        condition,
        writer_properties=rewriting(pa.schema(table.schema().to_arrow())),
        commit_properties=CommitProperties(max_commit_retries=3),
    )
    return int(metrics["num_deleted_rows"])
