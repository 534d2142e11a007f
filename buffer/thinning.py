"""Keeping a share of the unlabelled events once no label can be expected any more."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from buffer.care_report import Work
from buffer.compaction import TARGET_BYTES, rewriting
from buffer.duck import DuckSession, QueryLimits, quoted
from buffer.examples_sql import ARRIVED, COORDINATES
from buffer.layout import DAY
from buffer.live_files import LiveDay, live_days
from buffer.live_rows import LiveRows
from buffer.table import TableName

_HEX_DIGITS: Final = 16  # of the digest: 64 bits
_RETRIES: Final = 3  # of a commit that another one was faster than, without a conflict


@dataclass(frozen=True, slots=True)
class ThinningRule:
    """What is thinned, and to how much.

    Attributes:
        share: Part of the unlabelled events that is kept; 1.0: all, nothing is thinned.
        max_delay: How long a label may take; a younger event is not touched.
        settled: A day is left alone until nothing was written to it for so long: history may be loaded
            before its labels are. And an event for so long after ``max_delay``: a label that came in time
            may still be on its way from its topic to the table.
        limits: What the query of a day may use.
    """

    share: float
    max_delay: timedelta
    settled: timedelta = timedelta(days=1)
    limits: QueryLimits = field(default_factory=lambda: QueryLimits(threads=1))

    def is_due(self, day: LiveDay, now: datetime) -> bool:
        """Return whether the log leaves it open that the day holds rows to thin."""
        return (
            self.share < 1
            and day.day < self.cutoff(now).date()  # so every record of it is older
            and day.unweighted > 0
            and now - day.newest >= self.settled
        )

    def cutoff(self, now: datetime) -> datetime:
        """Return the time that an event must not be younger than."""
        return now.astimezone(UTC) - self.max_delay - self.settled


def is_sampled(event_id: str, share: float) -> bool:
    """Return whether an unlabelled event is kept: the same on every machine and in every version.

    The first 64 bits of the MD5 digest of the id in UTF-8, as a number, are below ``share * 2**64``.

    >>> is_sampled("event-0", 0.5), is_sampled("event-1", 0.5)
    (True, False)
    """
    digest = hashlib.md5(event_id.encode(), usedforsecurity=False).hexdigest()
    return int(digest[:_HEX_DIGITS], 16) < _bound(share)


def days_to_thin(features: DeltaTable, rule: ThinningRule, now: datetime) -> Iterator[LiveDay]:
    """Return the days that may hold rows to thin, oldest first; costs no look into a file."""
    return (day for day in live_days(features) if rule.is_due(day, now))


def thin_day(table: DeltaTable, day: LiveDay, *, labels: LiveRows, rule: ThinningRule, now: datetime) -> Work:
    """Replace the rows of one day: labelled ones with weight 1, a share of the others with its inverse.

    A row that has a weight keeps it, whatever label came since. A row whose event is too young stays as it is.
    An append to the same day meanwhile makes the commit fail, and nothing is changed.

    Raises:
        CommitFailedError: The day was written to meanwhile.
        BufferingError: The rows cannot be read now, or not with this memory.
    """
    features = LiveRows(TableName.FEATURES, table, day.day)
    ripe = f"sample_weight IS NULL AND event_time <= {_instant(rule.cutoff(now))}"
    with DuckSession(rule.limits) as session:
        session.run("SET disabled_optimizers = 'join_order,build_side_probe_side'")  # the day streams, ids are held
        session.attach(features)
        if not session.rows(f"SELECT 1 FROM features WHERE {ripe} LIMIT 1"):  # noqa: S608
            return Work()
        session.attach(labels)
        session.run(f"CREATE TEMP TABLE candidates AS SELECT DISTINCT event_id FROM features WHERE {ripe}")  # noqa: S608
        session.run(_LABELLED)
        query = _thinned(features.schema, ripe, rule.share)
        replace_day(table, day.day, session.batches(query, features.schema))
    after = next((other for other in live_days(table) if other.day == day.day), None)
    return _difference(day, after)


def replace_day(table: DeltaTable, day: date, rows: Iterator[pa.RecordBatch]) -> None:
    """Put these rows in the place of all rows of a day.

    Raises:
        CommitFailedError: The day was written to since the table object was opened; nothing is changed.
    """
    schema = pa.schema(table.schema().to_arrow())
    write_deltalake(
        table,
        pa.RecordBatchReader.from_batches(schema, rows),
        mode="overwrite",
        predicate=f"{DAY} = '{day.isoformat()}'",
        target_file_size=TARGET_BYTES,
        writer_properties=rewriting(schema),
        commit_properties=CommitProperties(max_commit_retries=_RETRIES),
    )


_LABELLED: Final = f"""
    CREATE TEMP TABLE labelled AS
    SELECT event_id FROM labels
    WHERE refused IS NULL AND event_id IN (SELECT event_id FROM candidates)
    GROUP BY event_id
    HAVING arg_max(label IS NOT NULL, (label_time, {ARRIVED}, {COORDINATES}))
"""  # noqa: S608
"""The last label by its time counts, of two of one time the later arrived one; a retraction means no label."""


def _thinned(schema: pa.Schema, ripe: str, share: float) -> str:
    has_label = "(inline_label IS NOT NULL OR labelled.event_id IS NOT NULL)"
    weight = f"CASE WHEN NOT ({ripe}) THEN sample_weight WHEN {has_label} THEN 1.0 ELSE {1 / share!r} END"
    columns = ", ".join(weight if name == "sample_weight" else f"features.{quoted(name)}" for name in schema.names)
    number = f"('0x' || left(md5(features.event_id), {_HEX_DIGITS}))::UBIGINT"
    return (
        f"SELECT {columns} FROM features LEFT JOIN labelled ON features.event_id = labelled.event_id"  # noqa: S608
        f" WHERE NOT ({ripe}) OR {has_label} OR {number} < {_bound(share)}::UBIGINT"
    )


def _bound(share: float) -> int:
    return int(share * 2.0**64)


def _instant(moment: datetime) -> str:
    return f"TIMESTAMPTZ '{moment.isoformat(sep=' ')}'"


def _difference(before: LiveDay, after: LiveDay | None) -> Work:
    return Work(
        days=1,
        rows=before.rows - (after.rows if after else 0),
        files=len(before.sizes),
        new_files=len(after.sizes) if after else 0,
        bytes=before.bytes,
        new_bytes=after.bytes if after else 0,
    )
