"""From decoded records to the rows of a table. A bad clock costs nobody: what it says is kept within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from buffer.arrays import days, doubled, field_array, instants, texts
from buffer.layout import LABELS_SCHEMA, SCORES_SCHEMA, features_schema
from features.batch import FeatureBatch
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles

DAY_MS: Final = 86_400_000
OLDEST_DAYS: Final = 3_653  # ten years: older records share one partition instead of making thousands
MAX_REFUSED_BYTES: Final = 64 * 1024

SCORE_RECORD: Final = FeatureSchema(
    (
        Field("score", FieldType.DOUBLE, "score"),
        *(Field(name, FieldType.STRING, name, null=NullPolicy.KEEP) for name in ("prediction", "decision")),
        *(Field(name, FieldType.STRING, name) for name in ("service", "model_name", "model_version", "role")),
        Field("scored_at", FieldType.LONG, "scored_at"),
        Field("source_topic", FieldType.STRING, "source_topic"),
        Field("source_partition", FieldType.INT, "source_partition"),
        Field("source_offset", FieldType.LONG, "source_offset"),
    ),
    Roles(id="event_id", time="event_time"),
)
"""What the buffer reads of a score record, by the codecs that read events."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where some rows of one topic (or one file) come from; all columns have one length, in order.

    Attributes:
        topic: The topic, or the file's name.
        topic_id: The topic's id, or ``sha256:<digest>``.
        partitions: int32.
        offsets: int64; the row number in a file.
        times_ms: Record timestamps in epoch milliseconds, int64; below 0 where there is none.
        keys: Record keys.
    """

    topic: str
    topic_id: str
    partitions: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    times_ms: npt.NDArray[np.int64]
    keys: Sequence[bytes | None]

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.offsets)

    def take(self, rows: npt.NDArray[np.int64]) -> Origin:
        """Return where these of the records come from."""
        if len(rows) == len(self):
            return self
        return Origin(
            topic=self.topic,
            topic_id=self.topic_id,
            partitions=self.partitions[rows],
            offsets=self.offsets[rows],
            times_ms=self.times_ms[rows],
            keys=[self.keys[row] for row in rows.tolist()],
        )

    def times_or(self, now_ms: int) -> npt.NDArray[np.int64]:
        """Return the record timestamps, with this moment where there is none."""
        return np.where(self.times_ms < 0, now_ms, self.times_ms)

    def ids(self) -> list[str]:
        """Return the ids of events that carry none: ``topic/partition/offset``, as their scores have them."""
        prefix = f"{self.topic}/"
        located = zip(self.partitions.tolist(), self.offsets.tolist(), strict=True)
        return [f"{prefix}{partition}/{offset}" for partition, offset in located]


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """What some records of labels say, in columns of one length.

    Attributes:
        event_ids: The events they are about; empty text where a refused one does not say.
        labels: As ``features.labels`` spells them; None: a retraction, or refused.
        times_ms: When each was true, epoch milliseconds; None: the record's own time.
        refused: Why a record is no label, None where it is one; None: all are labels.
        values: The records' values; only those of refused ones are looked at.
    """

    event_ids: Sequence[str]
    labels: Sequence[str | None]
    times_ms: npt.NDArray[np.int64] | None = None
    refused: Sequence[str | None] | None = None
    values: Sequence[bytes | None] | None = None


def feature_rows(
    batch: FeatureBatch, origin: Origin, *, now_ms: int, labels: Sequence[str | None] | None = None
) -> pa.Table:
    """Return rows of the features table of ``batch.schema``, one for each event of the batch.

    Args:
        batch: The events; their raw labels are not looked at. An event without an id has
            ``topic/partition/offset``, one without a time the time of its record.
        origin: Where each event of the batch comes from, one to one (``Origin.take`` of ``batch.rows``).
        now_ms: The wall clock: what counts as today, and the time of a record without one.
        labels: The inline label of each, as ``features.labels`` spells it; None: they carry none.
    """
    times = origin.times_or(now_ms) if batch.times is None else batch.times
    count = len(batch)
    arrays = [
        *_record_arrays(origin, origin.ids() if batch.ids is None else batch.ids, now_ms=now_ms),
        instants(times),
        pa.nulls(count, pa.string()) if labels is None else texts(labels),
        pa.nulls(count, pa.float64()),
        *(field_array(field, batch.columns[field.name]) for field in batch.schema.fields),
    ]
    return pa.Table.from_arrays(arrays, schema=features_schema(batch.schema))


def score_rows(batch: FeatureBatch, origin: Origin, *, now_ms: int) -> pa.Table:
    """Return rows of the scores table, one for each record of a batch of ``SCORE_RECORD``."""
    columns = {field.name: field_array(field, batch.columns[field.name]) for field in SCORE_RECORD.fields}
    columns["event_time"] = instants(origin.times_or(now_ms) if batch.times is None else batch.times)
    columns["scored_at"] = instants(batch.columns["scored_at"])
    record = _record_arrays(origin, batch.ids or [], now_ms=now_ms)
    said = [columns[name] for name in SCORES_SCHEMA.names[len(record) :]]
    return pa.Table.from_arrays([*record, *said], schema=SCORES_SCHEMA)


def label_rows(columns: LabelColumns, origin: Origin, *, now_ms: int) -> pa.Table:
    """Return rows of the labels table, one for each record."""
    refused = columns.refused or [None] * len(origin)
    values = columns.values or [None] * len(origin)
    kept = [
        None if why is None or value is None else value[:MAX_REFUSED_BYTES]
        for why, value in zip(refused, values, strict=True)
    ]
    arrays = [
        *_record_arrays(origin, columns.event_ids, now_ms=now_ms),
        texts(columns.labels),
        instants(origin.times_or(now_ms) if columns.times_ms is None else columns.times_ms),
        texts(refused),
        pa.array(kept, pa.binary()),
    ]
    return pa.Table.from_arrays(arrays, schema=LABELS_SCHEMA)


def record_days(times_ms: npt.NDArray[np.int64], *, now_ms: int) -> npt.NDArray[np.int64]:
    """Return the UTC day of each timestamp, in days since 1970, for the column ``record_day``.

    A timestamp below 0 is none: today. Days before ten years ago and after tomorrow count as these, so that a
    broken clock makes neither thousands of partitions nor rows that retention never reaches.
    """
    today = now_ms // DAY_MS
    found = np.where(times_ms < 0, today, times_ms // DAY_MS)
    return np.clip(found, today - OLDEST_DAYS, today + 1)


def _record_arrays(origin: Origin, event_ids: Sequence[str], *, now_ms: int) -> list[pa.Array]:
    """Return the columns that all tables begin with."""
    count, times = len(origin), origin.times_ms
    absent = times < 0
    return [
        days(record_days(times, now_ms=now_ms)),
        doubled(origin.topic, count),
        doubled(origin.topic_id, count),
        pa.array(origin.partitions),
        pa.array(origin.offsets),
        instants(times, absent=absent if absent.any() else None),
        pa.array(origin.keys, pa.binary()),
        texts(event_ids),
    ]
