"""Judge whether a table holds each record of its topics once; knows offsets, values and positions, nothing of Tidemill.

What a ``read_committed`` reader saw of the topics, what a stranger can read in the table, and where the table says
that it stands are compared as multisets.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import pandas as pd

from tests.faults.judge import Verdict


class Record(NamedTuple):
    """One committed record of a topic; ``time_ms`` is None where it has no timestamp."""

    partition: int
    offset: int
    time_ms: int | None
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Log:
    """One incarnation of a topic: its committed records, and where the log of each partition ends, markers included."""

    cluster_id: str
    topic: str
    topic_id: str
    records: Sequence[Record]
    ends: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Table:
    """Every row that a reader of the table finds, and where the table says it stands by application id."""

    rows: pd.DataFrame
    position_of: Callable[[str], int | None]


class Place(NamedTuple):
    """What is unique about a row."""

    topic_id: str
    partition: int
    offset: int


RowOf: TypeAlias = Callable[[Record], Mapping[str, Any] | None]
"""The published truth of a record: column and value (times in epoch milliseconds), or None for what is no row."""


def judge_table(table: Table, logs: Sequence[Log], row_of: RowOf) -> Verdict:
    """Return every violation found; ``logs`` are all incarnations of all topics that the table is filled from."""
    verdict = Verdict()
    expected = dict(_expected(logs, row_of))
    found = _places(table.rows)
    counts = Counter(found)
    verdict.add("lost", (str(place) for place in expected if place not in counts))
    verdict.add("doubled", (f"{place} stands {n} times" for place, n in counts.items() if n > 1))
    verdict.add("orphan", (str(place) for place in counts if place not in expected))
    verdict.add("wrong value", _wrong_values(table.rows, found, expected))
    verdict.add("position", _wrong_positions(table, logs))
    return verdict


def _expected(logs: Sequence[Log], row_of: RowOf) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    for log in logs:
        for record in log.records:
            row = row_of(record)
            if row is not None:
                yield Place(log.topic_id, record.partition, record.offset), {**_origin(log, record), **row}


def _origin(log: Log, record: Record) -> dict[str, Any]:
    origin = {"record_topic": log.topic, "record_time": record.time_ms, "record_key": record.key}
    if record.time_ms is None:
        return origin
    moment = dt.datetime.fromtimestamp(record.time_ms / 1000, dt.UTC)
    return {**origin, "record_day": moment.date()}


def _places(rows: pd.DataFrame) -> list[Place]:
    columns = (rows[name].tolist() for name in ("record_topic_id", "record_partition", "record_offset"))
    return [Place(*values) for values in zip(*columns, strict=True)]


def _wrong_values(
    rows: pd.DataFrame, places: Sequence[Place], expected: Mapping[Place, Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the cells that are not the published ones; a column that nothing is said of is not looked at."""
    known = [(number, expected[place]) for number, place in enumerate(places) if place in expected]
    for name in sorted({name for _, row in known for name in row}):
        if name not in rows:
            yield f"there is no column {name}"
            continue
        column = rows[name].tolist()
        for number, row in known:
            if name in row and not _is_same(column[number], row[name]):
                yield f"{places[number]}: {name} is {column[number]!r}, published was {row[name]!r}"


def _is_same(found: Any, wanted: Any) -> bool:
    if isinstance(found, list | tuple) or hasattr(found, "tolist"):
        return bool(list(found) == wanted)
    if pd.isna(found) is True:
        return wanted is None
    if isinstance(found, pd.Timestamp):
        return wanted is not None and found.value == wanted * 1_000_000
    return bool(found == wanted)


def _wrong_positions(table: Table, logs: Sequence[Log]) -> Iterator[str]:
    """Yield the partitions whose position is not beyond the last record, or beyond the end of the log."""
    for log in logs:
        first_after = dict.fromkeys(log.ends, 0)
        for record in log.records:
            first_after[record.partition] = max(first_after[record.partition], record.offset + 1)
        for partition, end in log.ends.items():
            stands = table.position_of(f"{log.cluster_id}/{log.topic_id}/{partition}")
            if not first_after[partition] <= (stands or 0) <= end:
                yield (
                    f"{log.topic}[{partition}] stands at {stands}, behind its last record is {first_after[partition]}"
                    f", its end is {end}"
                )
