"""The trial batch of an artifact: a few rows with their scores, scored again before the model is used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.batch import Column
from features.schema import FeatureSchema, Field, FieldType
from models.base import Model, Scores
from models.errors import ArtifactRefused
from models.inputs import count_rows

MAX_ROWS = 32
MAX_VALUES = 200_000  # rows times columns; long sequences get fewer rows
TOLERANCE = 1e-9  # far above rounding between machines (3e-16 seen), far below a wrong model
_INFINITIES = {"inf": math.inf, "-inf": -math.inf}


@dataclass(frozen=True, slots=True)
class Trial:
    """A batch to try a model on.

    Attributes:
        columns: At least the model's fields.
        scores: What the model said when it was stored; None where nothing was stored.
    """

    columns: Mapping[str, Column]
    scores: npt.NDArray[np.float64] | None = None

    def run(self, model: Model) -> Scores:
        """Return the model's scores of the batch.

        Raises:
            ArtifactRefused: ``trial``: the model answers otherwise than when it was stored.
            Exception: Whatever the model raises.
        """
        given = model.score_many(self.columns)
        if self.scores is None:
            return given
        if not are_close(given.score, self.scores, tolerance=TOLERANCE):
            raise ArtifactRefused("trial", "the model scores its trial batch otherwise than when it was stored")
        return given


def are_close(given: npt.NDArray[np.float64], expected: npt.NDArray[np.float64], *, tolerance: float) -> bool:
    """Return whether two arrays agree in shape and, relative to the larger of 1 and the value, in every item."""
    if given.shape != expected.shape:
        return False
    return bool((np.abs(given - expected) <= tolerance * np.maximum(1.0, np.abs(expected))).all())


def pick_rows(columns: Mapping[str, Column], schema: FeatureSchema, *, max_rows: int = MAX_ROWS) -> dict[str, Column]:
    """Return at most ``max_rows`` rows of the model's fields, spread evenly over what is given."""
    rows = count_rows(columns, schema)
    width = sum(field.length or 1 for field in schema.fields)
    wanted = min(rows, max_rows, max(1, MAX_VALUES // width))
    positions = np.linspace(0, rows - 1, num=wanted).round().astype(np.int64) if wanted else np.empty(0, np.int64)
    return {field.name: columns[field.name][positions] for field in schema.fields}


def synthetic_trial(schema: FeatureSchema) -> Trial:
    """Return made-up rows that the fields let in: lowest, default and highest, as far as they are known."""
    return Trial({field.name: _made_up(field) for field in schema.fields})


def encode_trial(columns: Mapping[str, Column], *, scores: npt.NDArray[np.float64], schema: FeatureSchema) -> bytes:
    """Return the batch and its scores as JSON; nulls, NaN and text survive, numbers are exact."""
    content = {
        "columns": {field.name: [_plain(value) for value in columns[field.name].tolist()] for field in schema.fields},
        "scores": scores.tolist(),
    }
    return json.dumps(content, allow_nan=False).encode()


def decode_trial(data: bytes, schema: FeatureSchema) -> Trial:
    """Return the trial batch in these bytes.

    Raises:
        ArtifactRefused: ``format``.
    """
    try:
        content = json.loads(data)
        columns = {field.name: _column(content["columns"][field.name], field) for field in schema.fields}
        scores = np.array(content["scores"], dtype=np.float64)
        rows = count_rows(columns, schema)
    except Exception as error:  # every way in which a forged file can be wrong
        raise ArtifactRefused("format", f"the trial batch cannot be read: {type(error).__name__}: {error}") from error
    if scores.shape != (rows,):
        raise ArtifactRefused("format", f"the trial batch has {rows} rows with {scores.size} scores")
    return Trial(columns, scores)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def _column(values: list[Any], field: Field) -> Column:
    if field.type is FieldType.STRING:
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    numbers = np.array(_restored(values), dtype=field.type.dtype)
    return numbers if field.length is None else numbers.reshape(-1, field.length)


def _restored(values: list[Any]) -> list[Any]:
    return [_restored(value) if isinstance(value, list) else _number(value) for value in values]


def _number(value: Any) -> Any:
    if value is None:
        return math.nan
    return _INFINITIES[value] if isinstance(value, str) else value


def _made_up(field: Field) -> Column:
    usual = field.default if field.default is not None else ("" if field.type is FieldType.STRING else 0)
    if field.type in (FieldType.STRING, FieldType.BOOLEAN):
        values: list[Any] = [usual, usual, usual]
    else:
        low = field.minimum if field.minimum is not None else min(0.0, field.maximum or 0.0)
        high = field.maximum if field.maximum is not None else max(1.0, low)
        values = [low, min(max(float(usual), low), high), high]
    column = np.array(values, dtype=field.type.dtype)
    return column if field.length is None else np.repeat(column[:, np.newaxis], field.length, axis=1)
