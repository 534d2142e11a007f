from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import Scores
from producer.encoding import AvroScoreEncoder, JsonScoreEncoder, ScoreColumns, score_record_schema
from tests.unit.producer.score_rows import MODEL, PASSTHROUGH, SERVICE, as_avro, as_json, score_columns


def columns(**passthrough: list[Any]) -> ScoreColumns:
    """Return two scores of two classes."""
    return ScoreColumns(
        event_ids=["a", "b"],
        event_times=np.array([1_000, 2_000]),
        scores=Scores(np.array([0.25, 1 / 3]), ["no", "yes"], np.array([[0.75, 0.25], [2 / 3, 1 / 3]])),
        classes=["no", "yes"],
        model_version="v7",
        role="champion",
        scored_at=3_000,
        topics=["in", "in"],
        partitions=np.array([0, 2], dtype=np.int32),
        offsets=np.array([5, 9]),
        passthrough=passthrough,
    )


EXPECTED = {
    "event_id": "b",
    "event_time": 2_000,
    "score": 1 / 3,
    "prediction": "yes",
    "probabilities": None,
    "decision": None,
    "service": "fraud",
    "model_name": "cards",
    "model_version": "v7",
    "role": "champion",
    "scored_at": 3_000,
    "source_topic": "in",
    "source_partition": 2,
    "source_offset": 9,
}


def test_json_score_carries_every_documented_field_bit_for_bit() -> None:
    """A score record says what, by which version, of which record; doubles survive as they are."""
    values = JsonScoreEncoder(service="fraud", model_name="cards").encode(columns())
    assert [json.loads(v) for v in values][1] == EXPECTED


def test_json_score_names_each_class_when_probabilities_are_asked_for() -> None:
    """Probabilities are a map by class name, in the model's own order of classes."""
    encoder = JsonScoreEncoder(service="fraud", model_name="cards", with_probabilities=True)
    assert json.loads(encoder.encode(columns())[0])["probabilities"] == {"no": 0.75, "yes": 0.25}


def test_json_regression_score_has_no_prediction() -> None:
    """A value is not a class."""
    said = columns()
    plain = ScoreColumns(
        **{name: getattr(said, name) for name in said.__slots__} | {"scores": Scores(np.array([1.0, 2.0]))}
    )
    assert json.loads(JsonScoreEncoder(service="s", model_name="m").encode(plain)[0])["prediction"] is None


def test_avro_score_reads_back_as_the_json_one_says() -> None:
    """Both formats say the same of the same record."""
    schema = fastavro.parse_schema(score_record_schema(["card"]))
    value = AvroScoreEncoder(service="fraud", model_name="cards", passthrough=["card"]).encode(columns(card=["x", 7]))[
        1
    ]
    read = fastavro.schemaless_reader(io.BytesIO(value), schema, None)
    assert isinstance(read, dict)
    assert {**read, "event_time": 2_000, "scored_at": 3_000} == {**EXPECTED, "card": 7}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (True, True), (2**70, float(2**70)), ({"a": [1]}, '{"a":[1]}'), ("é", "é")],
)
def test_avro_passthrough_takes_any_value(value: Any, expected: Any) -> None:
    """A passthrough value of another shape than Avro's plain types must not stop the batch."""
    schema = fastavro.parse_schema(score_record_schema(["x"]))
    written = AvroScoreEncoder(service="s", model_name="m", passthrough=["x"]).encode(columns(x=[value, None]))[0]
    read = fastavro.schemaless_reader(io.BytesIO(written), schema, None)
    assert isinstance(read, dict)
    assert read["x"] == expected


@given(batch=score_columns(), probabilities=st.booleans())
def test_json_scores_are_what_the_library_writes_record_by_record(*, batch: ScoreColumns, probabilities: bool) -> None:
    """Encoding by columns changes no byte, whatever is in them."""
    encoder = JsonScoreEncoder(service=SERVICE, model_name=MODEL, with_probabilities=probabilities)
    assert as_json(batch, with_probabilities=probabilities) == encoder.encode(batch)


@given(batch=score_columns(), probabilities=st.booleans(), prefix=st.binary(max_size=5))
def test_avro_scores_are_what_the_library_writes_record_by_record(
    *, batch: ScoreColumns, probabilities: bool, prefix: bytes
) -> None:
    """Encoding by columns changes no byte, whatever is in them; the prefix stands before each."""
    encoder = AvroScoreEncoder(
        service=SERVICE,
        model_name=MODEL,
        passthrough=PASSTHROUGH,
        with_probabilities=probabilities,
        prefix=lambda: prefix,
    )
    expected = [prefix + value for value in as_avro(batch, with_probabilities=probabilities)]
    assert expected == encoder.encode(batch)
