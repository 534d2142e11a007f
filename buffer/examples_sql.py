"""The SQL that makes labelled examples, step by step. Views ``features``, ``scores``, ``labels`` are the tables.

First the narrow columns decide which events are examples; only those then meet their features. Each step
is a temporary table, so that what does not fit the memory goes to disk.
"""

from __future__ import annotations

from collections.abc import Sequence

from buffer.duck import quoted, text
from buffer.examples_layout import LABEL_COLUMNS, LabelSource
from buffer.sampling import Sample

COORDINATES = "record_topic_id, record_partition, record_offset"
ARRIVED = "coalesce(record_time, make_timestamptz(0))"  # a record without a timestamp came before all others
_LAST_FIRST = f"label_time DESC, {ARRIVED} DESC, record_topic_id DESC, record_partition DESC, record_offset DESC"

SEEN = "seen"
"""Positions of a cursor: columns tbl, topic_id, part, next."""


def effective_labels(name: str, *, only_seen: bool) -> str:
    """Return the step that keeps, of each event id, the label row that wins; null in it is a retraction.

    The last by label time; of those with one time the last that arrived. Refused rows are no labels.
    """
    known = _seen("labels", "l") if only_seen else "true"
    return f"""
        CREATE TEMP TABLE {name} AS
        SELECT event_id, label, label_time, {ARRIVED} AS arrived FROM labels l
        WHERE refused IS NULL AND {known}
        QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY {_LAST_FIRST}) = 1
    """  # noqa: S608


def judged_events(*, bounds: Sequence[str], missing: str | None, missing_before_ms: int | None, delay_us: int) -> str:
    """Return the step that gives every event of the window its label, null where it has none.

    A label of the topic wins over the event's own unless it is older than the event. The missing class is
    for an event without any label: one whose label was retracted is known to be unknown.
    """
    label, source, time = "NULL", "NULL", "NULL"
    if missing is not None and missing_before_ms is not None:
        overdue = f"event_time < make_timestamptz({missing_before_ms * 1000})"
        label = f"CASE WHEN {overdue} THEN {text(missing)} END"
        source = f"CASE WHEN {overdue} THEN '{LabelSource.MISSING}' END"
        time = f"CASE WHEN {overdue} THEN make_timestamptz(epoch_us(event_time) + {delay_us}) END"
    topic = "w.event_id IS NOT NULL AND (inline_label IS NULL OR w.label_time >= event_time)"
    inline = "inline_label IS NOT NULL"
    return f"""
        CREATE TEMP VIEW judged AS
        SELECT f.record_topic, {_each("f")}, f.event_id, event_time, inline_label, sample_weight,
            CASE WHEN {topic} THEN w.label WHEN {inline} THEN inline_label ELSE {label} END AS label,
            CASE WHEN {topic} THEN '{LabelSource.TOPIC}' WHEN {inline} THEN '{LabelSource.INLINE}' ELSE {source} END
                AS label_source,
            CASE WHEN {topic} THEN w.label_time WHEN {inline} THEN event_time ELSE {time} END AS label_time,
            greatest({ARRIVED.replace("record_time", "f.record_time")},
                CASE WHEN {topic} THEN w.arrived WHEN {inline} THEN NULL ELSE {time} END) AS known_at
        FROM features f LEFT JOIN winning w ON w.event_id = f.event_id
        WHERE {" AND ".join(bounds) or "true"}
    """  # noqa: S608


def judged_since(*, missing_before_ms: int | None) -> str:
    """Return the step that adds, as ``given``, the label that each event had at the cursor; null where none.

    The missing class of then is told by a text that no label is.
    """
    seen = _seen("features", "j")
    overdue = "false" if missing_before_ms is None else f"event_time < make_timestamptz({missing_before_ms * 1000})"
    return f"""
        CREATE TEMP VIEW compared AS
        SELECT j.*, CASE WHEN NOT {seen} THEN NULL
            WHEN b.event_id IS NOT NULL AND (inline_label IS NULL OR b.label_time >= event_time) THEN b.label
            WHEN inline_label IS NOT NULL THEN inline_label
            WHEN {overdue} THEN {MISSING_THEN} END AS given
        FROM judged j LEFT JOIN winning_before b ON b.event_id = j.event_id
    """  # noqa: S608


MISSING_THEN = "chr(0) || 'missing'"


def changed_since() -> str:
    """Return the query for how many given labels are others now, and how many are gone."""
    other = f"given <> CASE WHEN label_source = '{LabelSource.MISSING}' THEN {MISSING_THEN} ELSE label END"
    return f"""
        SELECT count(*) FILTER (WHERE label IS NOT NULL AND {other}), count(*) FILTER (WHERE label IS NULL)
        FROM compared WHERE given IS NOT NULL
    """  # noqa: S608


def chosen_examples(*, is_increment: bool, sample: Sample | None, as_of_ms: int) -> str:
    """Return the step that keeps the events that are examples, or a sample of them."""
    judged = "compared WHERE given IS NULL AND" if is_increment else "judged WHERE"
    order = "" if sample is None else f"ORDER BY {sample.order(as_of_ms=as_of_ms)} LIMIT {sample.n}"
    return f"""
        CREATE TEMP TABLE chosen AS
        SELECT record_topic, {COORDINATES}, event_id, event_time, label, label_source, label_time, known_at
        FROM {judged} label IS NOT NULL {order}
    """  # noqa: S608


COUNTED = "SELECT label_source, count(*) FROM chosen GROUP BY label_source"

LIVE = f"""
    CREATE TEMP TABLE live AS
    SELECT {", ".join(f"c.{name.strip()}" for name in COORDINATES.split(","))},
        s.score AS live_score, s.prediction AS live_prediction, s.model_version AS live_version
    FROM scores s JOIN chosen c ON s.source_topic = c.record_topic AND s.source_partition = c.record_partition
        AND s.source_offset = c.record_offset AND s.event_id = c.event_id
    WHERE s.role = 'champion'
    QUALIFY row_number() OVER (PARTITION BY c.record_topic_id, c.record_partition, c.record_offset
        ORDER BY s.event_time <> c.event_time, {ARRIVED.replace("record_time", "s.record_time")},
            s.record_topic_id, s.record_partition, s.record_offset) = 1
"""  # noqa: S608
"""The step that finds the champion's score of each example's very record; of several the first.

Where a topic was made again two records have one place, and where events carry no id one id: of the scores there
one with the event's own time comes first.
"""


KNOWN = (
    """
    CREATE TEMP TABLE sources AS
    SELECT record_topic_id, record_partition,
        (row_number() OVER (ORDER BY record_topic_id, record_partition))::INTEGER AS source
    FROM (SELECT DISTINCT record_topic_id, record_partition FROM chosen)
    """,
    f"""
    CREATE TEMP TABLE known AS
    SELECT source, record_offset, label, label_time, label_source, known_at, live_score, live_prediction, live_version
    FROM chosen JOIN sources USING (record_topic_id, record_partition) LEFT JOIN live USING ({COORDINATES})
    """,  # noqa: S608
    "DROP TABLE chosen",
    "DROP TABLE live",
)
"""The steps that put all but the features side by side under a key of two numbers.

The wide rows are joined with a table that fits the memory then: five million examples took a tenth of the time.
"""


def examples(names: Sequence[str]) -> str:
    """Return the query of the examples with these fields, in the order in which they came to be known."""
    of_event = ("event_id", "event_time", *(name.strip() for name in COORDINATES.split(",")))
    own = {name: f"f.{name}" for name in of_event} | {"sample_weight": "coalesce(f.sample_weight, 1.0)"}
    columns = [f"f.{quoted(name)}" for name in names]
    columns += [f"{own.get(column.name, f'k.{column.name}')} AS {column.name}" for column in LABEL_COLUMNS]
    return f"""
        SELECT {", ".join(columns)}
        FROM features f
            JOIN sources s ON s.record_topic_id = f.record_topic_id AND s.record_partition = f.record_partition
            JOIN known k ON k.source = s.source AND k.record_offset = f.record_offset
        ORDER BY k.known_at, k.source, f.record_offset
    """  # noqa: S608


def positions(table: str) -> str:
    """Return the query of the next offset by topic id and partition."""
    return f"SELECT record_topic_id, record_partition, max(record_offset) + 1 FROM {table} GROUP BY ALL"  # noqa: S608


def _each(alias: str) -> str:
    return ", ".join(f"{alias}.{name.strip()}" for name in COORDINATES.split(","))


def _seen(table: str, alias: str) -> str:
    """Return the condition that a row lay before the position of its source."""
    return (
        f"EXISTS (SELECT 1 FROM {SEEN} WHERE tbl = '{table}' AND topic_id = {alias}.record_topic_id"  # noqa: S608
        f" AND part = {alias}.record_partition AND {alias}.record_offset < next)"
    )
