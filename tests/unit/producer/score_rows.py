"""Score records the slow and obvious way: one mapping per record, by the libraries; the encoders' judge."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import msgspec
import numpy as np
from hypothesis import strategies as st

from models.base import Scores
from producer.encoding import RESERVED_FIELDS, ScoreColumns, score_record_schema

SERVICE, MODEL = "fraud", "cärds\n"
PASSTHROUGH = ("card", "amount")

TEXTS = st.text(max_size=80)
LONGS = st.integers(-(2**63), 2**63 - 1)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | DOUBLES | TEXTS | st.lists(st.integers(), max_size=2)


@st.composite
def score_columns(draw: st.DrawFn) -> ScoreColumns:
    """Draw a batch: of any size, a classification or a regression, with numbers of every width."""
    count = draw(st.integers(0, 12))
    classes = draw(st.lists(TEXTS, min_size=1, max_size=3, unique=True))

    def many(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=count, max_size=count))

    prediction = draw(st.none() | st.just(0)) is not None
    return ScoreColumns(
        event_ids=many(TEXTS),
        event_times=np.array(many(LONGS), dtype=np.int64),
        scores=Scores(
            np.array(many(DOUBLES), dtype=np.float64),
            many(st.sampled_from(classes)) if prediction else None,
            np.array(many(st.tuples(*[DOUBLES] * len(classes))), dtype=np.float64).reshape(count, len(classes))
            if prediction
            else None,
        ),
        classes=classes,
        model_version=draw(TEXTS),
        role="champion",
        scored_at=draw(st.integers(0, 2**45)),
        topics=many(st.sampled_from(["in", "längere.topic"])),
        partitions=np.array(many(st.integers(0, 2**31 - 1)), dtype=np.int32),
        offsets=np.array(many(st.integers(0, 2**63 - 1)), dtype=np.int64),
        passthrough={name: many(PLAIN) for name in PASSTHROUGH},
    )


def rows_of(columns: ScoreColumns, *, with_probabilities: bool) -> list[dict[str, Any]]:
    """Return the records of a batch as plain mappings, in the order of ``RESERVED_FIELDS``."""
    said, rows = columns.scores, []
    for at, event_id in enumerate(columns.event_ids):
        by_class = None
        if with_probabilities and said.probabilities is not None:
            by_class = dict(zip(columns.classes, said.probabilities[at].tolist(), strict=True))
        said_of_it = (
            event_id,
            int(columns.event_times[at]),
            float(said.score[at]),
            None if said.prediction is None else said.prediction[at],
            by_class,
            None,
            SERVICE,
            MODEL,
            columns.model_version,
            columns.role,
            columns.scored_at,
            columns.topics[at],
            int(columns.partitions[at]),
            int(columns.offsets[at]),
        )
        row = dict(zip(RESERVED_FIELDS, said_of_it, strict=True))
        rows.append(row | {name: values[at] for name, values in columns.passthrough.items()})
    return rows


def as_json(columns: ScoreColumns, *, with_probabilities: bool) -> list[bytes]:
    """Return what msgspec writes for each record."""
    return [msgspec.json.encode(row) for row in rows_of(columns, with_probabilities=with_probabilities)]


def as_avro(columns: ScoreColumns, *, with_probabilities: bool) -> list[bytes]:
    """Return what fastavro writes for each record."""
    schema, values = fastavro.parse_schema(score_record_schema(PASSTHROUGH)), []
    for row in rows_of(columns, with_probabilities=with_probabilities):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, row | {name: _plain(row[name]) for name in PASSTHROUGH})
        values.append(out.getvalue())
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return msgspec.json.encode(value).decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    return value
