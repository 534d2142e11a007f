from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.batch import Column
from features.schema import FeatureSchema, Field, FieldType, NullPolicy
from models.errors import ArtifactRefused
from models.inputs import count_rows
from models.trial import MAX_ROWS, MAX_VALUES, Trial, decode_trial, encode_trial, pick_rows, synthetic_trial
from tests.support.models import a_model, number_columns, number_schema, schema_of

EVERY_TYPE = schema_of(
    ("double", FieldType.DOUBLE),
    ("float", FieldType.FLOAT),
    ("int", FieldType.INT),
    ("long", FieldType.LONG),
    ("boolean", FieldType.BOOLEAN),
    ("string", FieldType.STRING),
    ("floats", FieldType.FLOAT, 2),
    ("booleans", FieldType.BOOLEAN, 2),
)
ROW = st.tuples(
    st.floats(),
    st.floats(width=32),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.none() | st.text(),
    st.tuples(st.floats(width=32), st.floats(width=32)),
    st.tuples(st.booleans(), st.booleans()),
)


def columns_of(rows: list[tuple[Any, ...]]) -> dict[str, Column]:
    """Return the rows as columns of ``EVERY_TYPE``."""
    columns: dict[str, Column] = {}
    for at, field in enumerate(EVERY_TYPE.fields):
        column = np.empty((len(rows), *(() if field.length is None else (field.length,))), dtype=field.type.dtype)
        for number, row in enumerate(rows):
            column[number] = row[at]
        columns[field.name] = column
    return columns


@settings(deadline=None)
@given(st.lists(ROW, max_size=4))
def test_trial_batch_survives_json(rows: list[tuple[Any, ...]]) -> None:
    """Nulls, NaN, infinities, any text and the last bit of a number: or the trial would fail a sound model."""
    columns, scores = columns_of(rows), np.linspace(0.1, 1.0, len(rows))
    read = decode_trial(encode_trial(columns, scores=scores, schema=EVERY_TYPE), EVERY_TYPE)
    for name, column in columns.items():
        np.testing.assert_array_equal(read.columns[name], column, strict=True)
    np.testing.assert_array_equal(read.scores, scores)


def test_few_rows_are_kept_from_all_over() -> None:
    """A file sorted by time or label is not tried on its beginning alone."""
    kept = pick_rows({"x": np.arange(1000.0)}, schema_of(("x", FieldType.DOUBLE)))["x"]
    assert (len(kept), kept[0], kept[-1]) == (MAX_ROWS, 0.0, 999.0)


def test_long_sequences_are_kept_in_fewer_rows() -> None:
    """The trial batch stays small whatever the width of an event."""
    schema = schema_of(("x", FieldType.DOUBLE, MAX_VALUES // 4))
    assert len(pick_rows({"x": np.zeros((9, MAX_VALUES // 4))}, schema)["x"]) == 4


@pytest.mark.parametrize(("off", "is_taken"), [(0.0, True), (1e-12, True), (1e-6, False), (np.nan, False)])
def test_scores_must_be_those_of_the_store(off: float, *, is_taken: bool) -> None:
    """Rounding between machines passes, another model does not."""
    model, columns = a_model(), number_columns(5)
    trial = Trial(columns, model.score_many(columns).score + off)
    if is_taken:
        assert len(trial.run(model).score) == 5
    else:
        with pytest.raises(ArtifactRefused, match="otherwise") as caught:
            trial.run(model)
        assert caught.value.reason == "trial"


@pytest.mark.parametrize(
    "change",
    [
        {"scores": [0.5]},
        {"scores": None},
        {"columns": {}},
        {"columns": {"amount": [1], "hour": [1, 2], "age": [1, 2]}},
        {"columns": {"amount": ["x", "y"], "hour": [1, 2], "age": [1, 2]}},
    ],
)
def test_batch_that_is_not_as_it_must_be_is_refused(change: dict[str, Any]) -> None:
    """A forged batch is a refusal like any other, not a crash of the thread that loads."""
    sound = {"columns": {"amount": [1, 2], "hour": [1, 2], "age": [1, 2]}, "scores": [0.5, 0.5]}
    with pytest.raises(ArtifactRefused) as caught:
        decode_trial(json.dumps({**sound, **change}).encode(), number_schema())
    assert caught.value.reason == "format"


def test_made_up_rows_are_let_in_by_the_fields() -> None:
    """Without rows of its own a model is tried on values that could come: the ends of each range, the default."""
    schema = FeatureSchema(
        (
            Field("hour", FieldType.INT, "h", null=NullPolicy.DEFAULT, default=7, minimum=5, maximum=23),
            Field("low", FieldType.DOUBLE, "l", maximum=-2.5),
            Field("country", FieldType.STRING, "c", null=NullPolicy.DEFAULT, default="de"),
            Field("last", FieldType.FLOAT, "s", length=2, minimum=1),
        )
    )
    columns = synthetic_trial(schema).columns
    assert count_rows(columns, schema) == 3
    assert columns["hour"].tolist() == [5, 7, 23]
    assert columns["low"].max() == -2.5
    assert columns["country"].tolist() == ["de"] * 3
    assert columns["last"].min() == 1.0
