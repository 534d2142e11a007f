"""Small tables of labels on a folder, and rows for them that can be told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from buffer.delta import DeltaBufferTable
from buffer.layout import LABELS_SCHEMA
from buffer.table import BufferTable, Stretch, TableName

DAY = date(2026, 1, 1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def source(partition: int) -> str:
    """Return the app id of a partition of the topic the rows are of."""
    return f"cluster/topic/{partition}"


def a_table(folder: Path, *, schema: pa.Schema = LABELS_SCHEMA, **knobs: Any) -> DeltaBufferTable:
    """Return the table of labels of a folder, not yet prepared; it never really pauses."""
    usual: dict[str, Any] = {"options": {}, "keep_versions": timedelta(days=7), "sleep": lambda _: None}
    return DeltaBufferTable(TableName.LABELS, str(folder), schema=schema, **(usual | knobs))


def a_prepared_table(folder: Path, **knobs: Any) -> DeltaBufferTable:
    """Return a table that is there."""
    table = a_table(folder, **knobs)
    table.prepare()
    return table


def label_rows(partition: int, offsets: Iterable[int], *, days: Iterable[date] | None = None) -> pa.Table:
    """Return one label for each offset."""
    numbers = list(offsets)
    constant = {"record_topic": "labels", "record_topic_id": "topic", "record_partition": partition}
    values = {
        **{name: [value] * len(numbers) for name, value in constant.items()},
        "record_day": [DAY] * len(numbers) if days is None else list(days),
        "record_offset": numbers,
        "record_time": [NOON] * len(numbers),
        "record_key": [b"key"] * len(numbers),
        "event_id": [f"event-{partition}-{number}" for number in numbers],
        "label": ["fraud"] * len(numbers),
        "label_time": [NOON] * len(numbers),
        "refused": [None] * len(numbers),
        "refused_value": [None] * len(numbers),
    }
    return pa.table({field.name: pa.array(values[field.name], field.type) for field in LABELS_SCHEMA}, LABELS_SCHEMA)


def append(table: BufferTable, partition: int, expected: int | None, following: int) -> None:
    """Append the rows of a partition from where it is expected to stand up to ``following``."""
    rows = label_rows(partition, range(expected or 0, following))
    table.append(rows, [Stretch(source(partition), expected, following)])


def advance(table: BufferTable, partition: int, *, by: int, upto: int) -> bool:
    """Append the next rows of a partition by what the table says; return whether there is more to come."""
    stands = table.positions([source(partition)]).get(source(partition))
    following = min((stands or 0) + by, upto)
    if stands != upto:
        append(table, partition, stands, following)
    return following < upto


def offsets_in(table: DeltaBufferTable) -> dict[int, list[int]]:
    """Return every offset that is in the table, by partition, in order, doubles and all."""
    rows = table.snapshot().dataset().to_table(columns=["record_partition", "record_offset"]).to_pylist()
    found: dict[int, list[int]] = {}
    for row in sorted(rows, key=lambda row: (row["record_partition"], row["record_offset"])):
        found.setdefault(row["record_partition"], []).append(row["record_offset"])
    return found


def once(at: str, act: Callable[[], object]) -> Callable[[str], None]:
    """Return a hook that acts the first time a step is reached."""
    waiting = [act]

    def reached(step: str) -> None:
        if step == at and waiting:
            waiting.pop()()

    return reached
