"""The columns of a labelled example. Public: exports have them, and training reads them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import pyarrow as pa

from buffer.layout import RECORD_COLUMNS, RESERVED, TIME


class LabelSource(StrEnum):
    """Where the label of an example comes from."""

    INLINE = "inline"
    TOPIC = "topic"
    MISSING = "missing"


LABEL_COLUMNS: tuple[pa.Field, ...] = (
    pa.field("event_id", pa.string(), nullable=False),
    pa.field("event_time", TIME, nullable=False),
    pa.field("label", pa.string(), nullable=False),  # the class name, or the number written out
    pa.field("label_time", TIME, nullable=False),
    pa.field("label_source", pa.string(), nullable=False),  # inline, topic, missing
    pa.field("sample_weight", pa.float64(), nullable=False),  # 1/p for a row kept from thinning, else 1
    pa.field("live_score", pa.float64()),  # what the champion said of this very record; null: no score is here
    pa.field("live_prediction", pa.string()),
    pa.field("live_version", pa.string()),
    pa.field("record_topic_id", pa.string(), nullable=False),  # with the next two the example's identity
    pa.field("record_partition", pa.int32(), nullable=False),
    pa.field("record_offset", pa.int64(), nullable=False),
)
"""What an example has beside its features."""

_OWN = RESERVED.union(column.name for column in RECORD_COLUMNS)


def feature_names(features: pa.Schema) -> tuple[str, ...]:
    """Return the fields that a features table has, in its order."""
    return tuple(name for name in features.names if name not in _OWN)


def examples_schema(features: pa.Schema, names: Sequence[str]) -> pa.Schema:
    """Return the columns of examples with these fields of a features table, the fields first."""
    return pa.schema([*(features.field(name).with_nullable(True) for name in names), *LABEL_COLUMNS])
