"""From the columns of a batch to what an estimator takes: the one place where feature order is fixed.

A ``matrix`` is float64 of shape (n, k) in schema order; a sequence field of length L is L columns. A
``frame`` is a pandas DataFrame with the fields as columns, each of its own type; strings are of dtype
object (null is None), and a sequence ``s`` becomes the columns ``s_0`` … ``s_{L-1}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from features.batch import Column
from features.schema import FeatureSchema, Field, FieldType
from models.errors import ModelMismatch


class InputKind(StrEnum):
    """The two shapes of input an estimator can have been fitted on."""

    MATRIX = "matrix"
    FRAME = "frame"


def input_for(schema: FeatureSchema, estimator: Any = None) -> InputKind:
    """Return how these fields go into this estimator (without one: how to fit a new one).

    A frame where a field is a string, or where the estimator was fitted on named columns; else a matrix.
    """
    named = hasattr(estimator, "feature_names_in_")
    return InputKind.FRAME if named or not all(f.type.is_numeric for f in schema.fields) else InputKind.MATRIX


def column_names(schema: FeatureSchema) -> tuple[str, ...]:
    """Return the column names of the input in order, sequences spelled out.

    Raises:
        ModelMismatch: Two columns would have one name (a field ``s_0`` beside a sequence ``s``).
    """
    names = [name for field in schema.fields for name in names_of(field)]
    doubled = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if doubled:
        raise ModelMismatch(f"two features would share the column name {doubled[0]!r}: rename one")
    return tuple(names)


def count_rows(columns: Mapping[str, Column], schema: FeatureSchema) -> int:
    """Return the number of records; raises ``ModelMismatch`` when a column is absent or of another shape."""
    rows = -1
    for field in schema.fields:
        column = columns.get(field.name)
        if column is None:
            raise ModelMismatch(f"the batch has no column {field.name!r}, which the model needs")
        rows = len(column) if rows < 0 else rows
        shape = (rows,) if field.length is None else (rows, field.length)
        if column.shape != shape:
            raise ModelMismatch(f"column {field.name!r} has the shape {column.shape}, expected {shape}")
    return rows


def to_input(columns: Mapping[str, Column], *, schema: FeatureSchema, kind: InputKind) -> Any:
    """Return the matrix or the frame; always a copy, so that no estimator can change the batch."""
    return to_frame(columns, schema) if kind is InputKind.FRAME else to_matrix(columns, schema)


def to_matrix(columns: Mapping[str, Column], schema: FeatureSchema) -> npt.NDArray[np.float64]:
    """Return the numeric fields as one float64 matrix in schema order.

    Raises:
        ModelMismatch: A field is a string, absent, or of another shape.

    Example:
        >>> amount = Field("amount", FieldType.DOUBLE, source="amount")
        >>> to_matrix({"amount": np.array([1.0, 2.5])}, FeatureSchema((amount,)))
        array([[1. ],
               [2.5]])
    """
    strings = [f.name for f in schema.fields if not f.type.is_numeric]
    if strings:
        raise ModelMismatch(f"a matrix holds only numbers, {', '.join(strings)} is text: use input 'frame'")
    rows = count_rows(columns, schema)
    matrix = np.empty((rows, sum(f.length or 1 for f in schema.fields)), dtype=np.float64)
    at = 0
    for field in schema.fields:
        width = field.length or 1
        matrix[:, at : at + width] = columns[field.name].reshape(rows, width)
        at += width
    return matrix


def to_frame(columns: Mapping[str, Column], schema: FeatureSchema) -> Any:
    """Return the fields as a pandas DataFrame, each column of its field's own type.

    Raises:
        ModelMismatch: A field is absent or of another shape.
    """
    import pandas as pd  # only models with named columns pay for it

    rows = count_rows(columns, schema)
    series: dict[str, Any] = {}
    for field in schema.fields:
        values = columns[field.name].reshape(rows, field.length or 1)
        for position, name in enumerate(names_of(field)):
            # The dtype is said aloud: pandas would turn an array of strings into its own string type,
            # and a null into NaN, which is another category than the one seen in training.
            series[name] = pd.Series(values[:, position], dtype=_frame_dtype(field), copy=True)
    return pd.DataFrame(series, columns=list(column_names(schema)), copy=False)


def names_of(field: Field) -> tuple[str, ...]:
    """Return the column names of one field."""
    if field.length is None:
        return (field.name,)
    return tuple(f"{field.name}_{position}" for position in range(field.length))


def _frame_dtype(field: Field) -> Any:
    return object if field.type is FieldType.STRING else np.dtype(field.type.dtype)
