"""The columns of the three tables. Public: notebooks, Spark and other tools read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from buffer.errors import TableRefused
from buffer.table import TableName
from features.schema import FeatureSchema, Field, FieldType

TIME = pa.timestamp("us", tz="UTC")

RECORD_COLUMNS: tuple[pa.Field, ...] = (
    pa.field("record_day", pa.date32(), nullable=False),  # partitioned by it: the day of the record's timestamp
    pa.field("record_topic", pa.string(), nullable=False),  # or the name of the file the row was loaded from
    pa.field("record_topic_id", pa.string(), nullable=False),  # or "sha256:<digest>" of that file
    pa.field("record_partition", pa.int32(), nullable=False),
    pa.field("record_offset", pa.int64(), nullable=False),  # or the row number in the file, from 0
    pa.field("record_time", TIME),  # when the record was written, by its own timestamp; null where it has none
    pa.field("record_key", pa.binary()),
    pa.field("event_id", pa.string(), nullable=False),
)
"""Where a row comes from, in all three tables. (record_topic_id, record_partition, record_offset) is unique."""

DAY = "record_day"

_EVENT_COLUMNS = (
    pa.field("event_time", TIME, nullable=False),
    pa.field("inline_label", pa.string()),  # as ``label`` of the labels table; null: the event carries none
    pa.field("sample_weight", pa.float64()),  # 1/p for a row kept from thinning; null: this row never met thinning
)
_SCORE_COLUMNS = (
    pa.field("event_time", TIME, nullable=False),
    pa.field("score", pa.float64(), nullable=False),
    pa.field("prediction", pa.string()),
    pa.field("decision", pa.string()),
    pa.field("model_name", pa.string(), nullable=False),
    pa.field("model_version", pa.string(), nullable=False),
    pa.field("role", pa.string(), nullable=False),  # champion, challenger, rescore
    pa.field("scored_at", TIME, nullable=False),
    pa.field("source_topic", pa.string(), nullable=False),  # the scored event's record
    pa.field("source_partition", pa.int32(), nullable=False),
    pa.field("source_offset", pa.int64(), nullable=False),
)
_LABEL_COLUMNS = (
    pa.field("label", pa.string()),  # the class name, or the number written out; null: a retraction, or refused
    pa.field("label_time", TIME, nullable=False),  # the last label by this time wins
    pa.field("refused", pa.string()),  # why this row is no label; such a row counts nowhere else
    pa.field("refused_value", pa.binary()),  # the record's value then, at most 64 KiB of it
)
RESERVED = frozenset(
    {column.name for column in (*RECORD_COLUMNS, *_EVENT_COLUMNS)}
    | {"label", "label_time", "label_source", "live_score", "live_prediction", "live_version"}
)
"""Names that an example has beside its features, so no field may be called like them."""

SCORES_SCHEMA = pa.schema([*RECORD_COLUMNS, *_SCORE_COLUMNS])
LABELS_SCHEMA = pa.schema([*RECORD_COLUMNS, *_LABEL_COLUMNS])

_ARROW: Mapping[FieldType, pa.DataType] = {
    FieldType.DOUBLE: pa.float64(),
    FieldType.FLOAT: pa.float32(),
    FieldType.INT: pa.int32(),
    FieldType.LONG: pa.int64(),
    FieldType.BOOLEAN: pa.bool_(),
    FieldType.STRING: pa.string(),
}


def arrow_type(field: Field) -> pa.DataType:
    """Return the type of a feature's column; a sequence is a list, its length is checked on the way in."""
    item = _ARROW[field.type]
    return item if field.length is None else pa.list_(item)


def features_schema(schema: FeatureSchema) -> pa.Schema:
    """Return the columns of the features table: ours, then one for each field, all of which may be null.

    A row written before a field existed has null there.

    Raises:
        TableRefused: A field is called like one of our own columns, or like another field but for upper and lower
            case, which the tables do not tell apart.
    """
    taken = sorted(name for name in schema.names if name.lower() in RESERVED)
    if taken:
        raise TableRefused(
            f"features.fields: {', '.join(taken)} would be a column of the buffer's own; give the field another 'name'"
            " and keep its path in 'from'"
        )
    counts = Counter(name.lower() for name in schema.names)
    doubled = [name for name in schema.names if counts[name.lower()] > 1]
    if doubled:
        raise TableRefused(
            f"features.fields: {', '.join(doubled)} differ in upper and lower case only, which the buffer's tables do"
            " not tell apart; give them other names and keep their paths in 'from'"
        )
    fields = [pa.field(field.name, arrow_type(field)) for field in schema.fields]
    return pa.schema([*RECORD_COLUMNS, *_EVENT_COLUMNS, *fields])


def table_schemas(schema: FeatureSchema) -> Mapping[TableName, pa.Schema]:
    """Return the columns of all three tables."""
    return {
        TableName.FEATURES: features_schema(schema),
        TableName.SCORES: SCORES_SCHEMA,
        TableName.LABELS: LABELS_SCHEMA,
    }
