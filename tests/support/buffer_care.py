"""The three tables on a folder with rows of chosen days, and what maintenance is asked to keep of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from buffer.compaction import CompactionRule
from buffer.delta import DeltaBufferTable
from buffer.delta_tables import DeltaTables
from buffer.layout import features_schema, table_schemas
from buffer.maintenance import CarePolicy
from buffer.table import Stretch, TableName
from buffer.thinning import ThinningRule
from features.schema import FeatureSchema, Field, FieldType

SCHEMA = FeatureSchema((Field("amount", FieldType.DOUBLE, "amount"),))
LATER = datetime.now(UTC) + timedelta(days=2)
"""The time given to maintenance: every file was written long enough ago for its day to be thought complete."""


def three_tables(folder: Path) -> DeltaTables:
    """Return the tables, prepared."""
    tables = DeltaTables(
        **{
            name.value: DeltaBufferTable(
                name,
                str(folder / name),
                schema=schema,
                options={},
                keep_versions=timedelta(hours=1),
                sleep=lambda _: None,
            )
            for name, schema in table_schemas(SCHEMA).items()
        }
    )
    tables.prepare()
    return tables


def day_before(days: int) -> date:
    """Return the day so many days before ``LATER``."""
    return (LATER - timedelta(days=days)).date()


def noon(day: date) -> datetime:
    """Return the middle of a day."""
    return datetime.combine(day, time(12), UTC)


def a_policy(*, share: float = 1.0, keep_versions: timedelta = timedelta(hours=1)) -> CarePolicy:
    """Return a policy that keeps 180 days, waits 30 for a label, and merges five small files of a day."""
    return CarePolicy(
        retention=timedelta(days=180),
        keep_versions=keep_versions,
        thinning=ThinningRule(share, timedelta(days=30)),
        compaction=CompactionRule(max_small_files=5),
    )


def add(table: DeltaBufferTable, day: date, offsets: Iterable[int], **columns: Any) -> None:
    """Append a row for each offset, whose event id tells the offset; ``columns`` is one value for all rows.

    The position afterwards is one past the last offset.
    """
    numbers = list(offsets)
    table.append(rows_of(table.name, day, numbers, **columns), [_stretch(table, numbers)])


def rows_of(name: TableName, day: date, numbers: list[int], **columns: Any) -> pa.Table:
    """Return a row for each offset."""
    schema = features_schema(SCHEMA) if name is TableName.FEATURES else table_schemas(SCHEMA)[name]
    values = {
        **_RECORD,
        **_OWN[name],
        "record_day": day,
        "record_time": noon(day),
        "event_time": noon(day),
        "label_time": noon(day),
        "scored_at": noon(day),
        **columns,
    }
    by_row: dict[str, list[Any]] = {field.name: [values.get(field.name)] * len(numbers) for field in schema}
    by_row["record_offset"] = numbers
    if "source_offset" in schema.names:
        by_row["source_offset"] = numbers
    if "event_id" not in columns:
        by_row["event_id"] = [f"event-{number}" for number in numbers]
    if "record_key" not in columns:
        by_row["record_key"] = [f"key-{number}".encode() for number in numbers]
    return pa.table({field.name: pa.array(by_row[field.name], field.type) for field in schema}, schema)


def source_of(name: TableName) -> str:
    """Return the app id that rows of a table come from."""
    return f"cluster/{name}/0"


def read(table: DeltaBufferTable, *columns: str) -> list[tuple[Any, ...]]:
    """Return these columns of all rows, sorted."""
    rows = table.snapshot().dataset().to_table(columns=list(columns))
    return sorted(zip(*(rows[name].to_pylist() for name in columns), strict=True), key=repr)


def offsets_of(table: DeltaBufferTable) -> list[int]:
    """Return all offsets in order, doubles and all."""
    return sorted(table.snapshot().dataset().to_table(columns=["record_offset"])["record_offset"].to_pylist())


_RECORD = {"record_topic": "topic", "record_topic_id": "topic-id", "record_partition": 0}
_OWN: dict[TableName, dict[str, Any]] = {
    TableName.FEATURES: {"amount": 1.5},
    TableName.SCORES: {
        "score": 0.5,
        "model_name": "model",
        "model_version": "v1",
        "role": "champion",
        "source_topic": "topic",
        "source_partition": 0,
    },
    TableName.LABELS: {"label": "fraud"},
}


def _stretch(table: DeltaBufferTable, numbers: list[int]) -> Stretch:
    source = source_of(table.name)
    return Stretch(source, table.positions([source]).get(source), max(numbers, default=0) + 1)
