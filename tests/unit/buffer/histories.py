"""Made-up histories of the three tables, and the tables filled with them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from buffer.delta import DeltaBufferTable
from buffer.delta_tables import DeltaTables
from buffer.layout import table_schemas
from buffer.table import Stretch, TableName
from features.schema import FeatureSchema, Field, FieldType

SCHEMA = FeatureSchema(
    (Field("amount", FieldType.DOUBLE, "amount"), Field("Last amounts", FieldType.FLOAT, "last", length=2))
)
START = datetime(2026, 1, 30, 23, 59, 50, tzinfo=UTC)  # the seconds below cross a day and a month
CLASSES = ("ok", "fraud", "it's")


def at(seconds: int) -> datetime:
    """Return a moment by seconds after the start."""
    return START + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Row:
    """What all rows have; ``written`` None: a record without a timestamp."""

    topic: str
    partition: int
    offset: int
    written: int | None
    event_id: str

    @property
    def topic_id(self) -> str:
        """Return an id of the topic's own."""
        return f"id-of-{self.topic}"

    @property
    def place(self) -> tuple[str, int, int]:
        """Return what no other row of the table has."""
        return (self.topic_id, self.partition, self.offset)

    def columns(self) -> dict[str, object]:
        """Return the row by column; what is absent is null."""
        written = None if self.written is None else at(self.written)
        return {
            "record_day": date(1970, 1, 1) if written is None else written.date(),
            "record_topic": self.topic,
            "record_topic_id": self.topic_id,
            "record_partition": self.partition,
            "record_offset": self.offset,
            "record_time": written,
            "event_id": self.event_id,
        }


@dataclass(frozen=True)
class Event(Row):
    """A row of the features table."""

    time: int = 0
    inline: str | None = None
    weight: float | None = None

    def columns(self) -> dict[str, object]:
        """Return the row by column; what is absent is null."""
        own = {"event_time": at(self.time), "inline_label": self.inline, "sample_weight": self.weight}
        fields = {"amount": float(self.offset), "Last amounts": [float(self.partition), 0.5]}
        return {**Row.columns(self), **own, **fields}


@dataclass(frozen=True)
class Label(Row):
    """A row of the labels table."""

    time: int = 0
    label: str | None = None
    refused: str | None = None

    def columns(self) -> dict[str, object]:
        """Return the row by column; what is absent is null."""
        return {**Row.columns(self), "label_time": at(self.time), "label": self.label, "refused": self.refused}


@dataclass(frozen=True)
class Score(Row):
    """A row of the scores table."""

    source: tuple[str, int, int] = ("", 0, 0)
    score: float = 0.5
    version: str = "v1"
    role: str = "champion"

    def columns(self) -> dict[str, object]:
        """Return the row by column; what is absent is null."""
        topic, partition, offset = self.source
        return {
            **Row.columns(self),
            "event_time": START,
            "score": self.score,
            "prediction": "ok" if self.score < 0.5 else "fraud",
            "model_name": "m",
            "model_version": self.version,
            "role": self.role,
            "scored_at": START,
            "source_topic": topic,
            "source_partition": partition,
            "source_offset": offset,
        }


@dataclass
class History:
    """Rows of all tables, each topic and partition with offsets that grow."""

    events: list[Event] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)

    def rows(self, name: TableName) -> list[Any]:
        """Return the rows of one table."""
        rows: dict[TableName, list[Any]] = {
            TableName.FEATURES: self.events,
            TableName.SCORES: self.scores,
            TableName.LABELS: self.labels,
        }
        return rows[name]


def random_history(rng: random.Random, *, size: int = 60, retractions: bool = True) -> History:
    """Return a history with few ids, few moments and few classes, so that everything meets everything."""
    ids = [f"e{number}" for number in range(size // 2)]
    offsets: dict[tuple[str, int], int] = {}

    def row(topics: Sequence[str]) -> Row:
        topic, partition = rng.choice(topics), rng.randrange(2)
        offsets[topic, partition] = offsets.get((topic, partition), rng.randrange(5)) + rng.choice((1, 1, 1, 4))
        written = None if rng.random() < 0.05 else rng.randrange(40)
        return Row(topic, partition, offsets[topic, partition], written, rng.choice(ids))

    history = History()
    for _ in range(size):
        base = vars(row(("pay", "refunds")))
        inline = rng.choice(CLASSES) if rng.random() < 0.2 else None
        weight = rng.choice((None, 1.0, 10.0))
        history.events.append(Event(**base, time=rng.randrange(20), inline=inline, weight=weight))
    for _ in range(size):
        base = vars(row(("labels", "more-labels")))
        label = None if retractions and rng.random() < 0.15 else rng.choice(CLASSES)
        refused = "unknown_class" if rng.random() < 0.1 else None
        history.labels.append(Label(**base, time=rng.randrange(30), label=None if refused else label, refused=refused))
    for event in rng.choices(history.events, k=size):
        base = vars(replace(row(("scores",)), event_id=event.event_id))
        source = (event.topic, event.partition, event.offset)
        role = rng.choice(("champion", "champion", "challenger"))
        history.scores.append(Score(**base, source=source, score=rng.random(), version=rng.choice("vw"), role=role))
    return history


def tables_in(folder: Path, schema: FeatureSchema = SCHEMA) -> DeltaTables:
    """Return empty tables."""
    opened = {
        name: DeltaBufferTable(name, str(folder / name), schema=columns, options={}, keep_versions=timedelta(days=7))
        for name, columns in table_schemas(schema).items()
    }
    tables = DeltaTables(*(opened[name] for name in (TableName.FEATURES, TableName.SCORES, TableName.LABELS)))
    tables.prepare()
    return tables


def append(table: DeltaBufferTable, rows: Sequence[Row]) -> None:
    """Append rows, which follow those that are there, in one commit."""
    app_ids = sorted({f"{row.topic_id}/{row.partition}" for row in rows})
    standing = table.positions(app_ids)
    stretches = [
        Stretch(
            app_id, standing.get(app_id), 1 + max(r.offset for r in rows if f"{r.topic_id}/{r.partition}" == app_id)
        )
        for app_id in app_ids
    ]
    if stretches:
        table.append(pa.Table.from_pylist([row.columns() for row in rows], schema=table.schema), stretches)


def fill(tables: DeltaTables, history: History, *, commits: int = 1) -> None:
    """Append a history in so many commits a table."""
    for table in tables:
        rows = history.rows(table.name)
        size = -(-len(rows) // commits) or 1
        for first in range(0, len(rows), size):
            append(table, rows[first : first + size])
