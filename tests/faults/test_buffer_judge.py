from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pytest

from tests.faults.buffer_judge import Log, Record, Table, judge_table

NOON = 1_700_000_000_000
POSITIONS = {"cluster/first/0": 6, "cluster/first/1": 3, "cluster/second/0": 2}


def log(topic_id: str, partitions: Mapping[int, int]) -> Log:
    """Return a log of so many records in each partition, an undecodable one first, and a marker at the end."""
    records = [
        Record(p, o, NOON + o, b"k", b"?" if o == 0 else json.dumps({"id": f"{p}-{o}", "x": o / 2}).encode())
        for p, count in partitions.items()
        for o in range(count)
    ]
    return Log("cluster", "in", topic_id, records, {p: count + 1 for p, count in partitions.items()})


LOGS = [log("first", {0: 5, 1: 3}), log("second", {0: 2})]


def row_of(record: Record) -> Mapping[str, Any] | None:
    """Return what a record says."""
    if record.value == b"?":
        return None
    event = json.loads(record.value or b"")
    return {"event_id": event["id"], "x": event["x"], "note": None, "event_time": record.time_ms, "list": [1.0, 2.0]}


def moment(time_ms: int | None) -> pd.Timestamp:
    """Return a time as a table has it."""
    return pd.Timestamp(NOON if time_ms is None else time_ms, unit="ms", tz="UTC")


def clean() -> Table:
    """Return the table that two incarnations of a topic make."""
    rows = [
        {
            "record_topic": "in",
            "record_topic_id": found.topic_id,
            "record_partition": record.partition,
            "record_offset": record.offset,
            "record_time": moment(record.time_ms),
            "record_day": dt.date(2023, 11, 14),
            "record_key": record.key,
            **row,
            "event_time": moment(record.time_ms),
        }
        for found in LOGS
        for record in found.records
        if (row := row_of(record)) is not None
    ]
    return Table(pd.DataFrame(rows), POSITIONS.get)


def with_cell(table: Table, column: str, value: Any) -> pd.DataFrame:
    """Return the rows with one cell changed."""
    rows = table.rows.astype({column: object})
    rows.at[1, column] = value  # noqa: PD008 - a list is one value here
    return rows


def orphaned(table: Table) -> pd.DataFrame:
    """Return the rows and one of a record that nobody committed."""
    return pd.concat([table.rows, table.rows[:1].assign(record_offset=5)])


def test_judge_finds_nothing_in_a_clean_table() -> None:
    """A table that holds every record once, of both incarnations of a topic, is not accused."""
    assert judge_table(clean(), LOGS, row_of).violations == {}


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ("lost", lambda t: t.rows[1:]),
        ("lost", lambda t: t.rows[t.rows["record_topic_id"] != "second"]),
        ("doubled", lambda t: pd.concat([t.rows, t.rows[:1]])),
        ("orphan", orphaned),
        ("orphan", lambda t: t.rows.assign(record_partition=9)),
        ("wrong value", lambda t: with_cell(t, "x", 0.25)),
        ("wrong value", lambda t: with_cell(t, "x", None)),
        ("wrong value", lambda t: with_cell(t, "note", "something")),
        ("wrong value", lambda t: with_cell(t, "list", [1.0])),
        ("wrong value", lambda t: with_cell(t, "record_key", b"other")),
        ("wrong value", lambda t: with_cell(t, "record_day", dt.date(2023, 11, 15))),
        ("wrong value", lambda t: with_cell(t, "event_time", moment(NOON))),
        ("wrong value", lambda t: t.rows.drop(columns=["event_id"])),
    ],
)
def test_judge_finds_the_planted_row(rule: str, rows: Callable[[Table], pd.DataFrame]) -> None:
    """Each rule about rows accuses exactly what was planted."""
    table = clean()
    planted = dataclasses.replace(table, rows=rows(table))
    assert rule in judge_table(planted, LOGS, row_of).violations


@pytest.mark.parametrize("stands", [None, 0, 4, 7])
def test_judge_finds_a_position_before_the_last_record_or_beyond_the_end(stands: int | None) -> None:
    """A position inside the rows reads them again, one beyond the end skips what comes."""
    planted = dataclasses.replace(clean(), position_of={**POSITIONS, "cluster/first/0": stands}.get)
    assert judge_table(planted, LOGS, row_of).violations.keys() == {"position"}


@pytest.mark.parametrize("stands", [5, 6])
def test_judge_takes_a_position_before_or_behind_the_marker(stands: int) -> None:
    """A transaction marker at the end of a log is neither a loss nor a place to be."""
    settled = dataclasses.replace(clean(), position_of={**POSITIONS, "cluster/first/0": stands}.get)
    assert judge_table(settled, LOGS, row_of).violations == {}
