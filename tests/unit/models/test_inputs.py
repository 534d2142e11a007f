from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from features.schema import FieldType
from models.errors import ModelMismatch
from models.inputs import InputKind, column_names, count_rows, input_for, to_frame, to_input, to_matrix
from tests.support.models import schema_of

MIXED = schema_of(("a", FieldType.INT), ("history", FieldType.FLOAT, 2), ("country", FieldType.STRING))
NUMERIC = MIXED.subset(["history", "a"])
COLUMNS = {
    "a": np.array([1, 2], dtype=np.int32),
    "history": np.array([[3, 4], [5, 6]], dtype=np.float32),
    "country": np.array(["de", None], dtype=object),
}


def test_matrix_has_the_fields_in_schema_order() -> None:
    """A column in another place would be read as another feature without any error."""
    assert to_matrix(COLUMNS, NUMERIC).tolist() == [[3.0, 4.0, 1.0], [5.0, 6.0, 2.0]]


def test_matrix_is_of_doubles_and_a_copy() -> None:
    """An estimator that works in place must not change the batch that others still read."""
    only = schema_of(("x", FieldType.DOUBLE))
    given = np.array([1.0, 2.0])
    matrix = to_matrix({"x": given}, only)
    matrix[:] = -1.0
    assert (str(matrix.dtype), given.tolist()) == ("float64", [1.0, 2.0])


def test_matrix_refuses_text() -> None:
    """Text in a matrix is a mistake to be named, not to be converted."""
    with pytest.raises(ModelMismatch, match="country is text"):
        to_matrix(COLUMNS, MIXED)


def test_frame_keeps_each_type_and_null_text() -> None:
    """Left to itself pandas makes NaN of null text, another category than in training."""
    frame = to_frame(COLUMNS, MIXED)
    assert list(frame.columns) == ["a", "history_0", "history_1", "country"]
    assert [str(dtype) for dtype in frame.dtypes] == ["int32", "float32", "float32", "object"]
    assert frame["country"].tolist() == ["de", None]


def test_frame_is_a_copy() -> None:
    """A transformer that works in place must not change the batch."""
    frame = to_frame(COLUMNS, MIXED)
    frame.loc[:, "a"] = 9
    frame.loc[:, "history_0"] = 9.0
    assert (COLUMNS["a"].tolist(), COLUMNS["history"][:, 0].tolist()) == ([1, 2], [3.0, 5.0])


def test_input_is_a_frame_for_text_or_named_columns_only() -> None:
    """The matrix is the faster way, taken wherever the estimator allows it."""
    on_matrix = LinearRegression().fit(to_matrix(COLUMNS, NUMERIC), [0, 1])
    on_frame = LinearRegression().fit(to_frame(COLUMNS, NUMERIC), [0, 1])
    kinds = [input_for(NUMERIC), input_for(NUMERIC, on_matrix), input_for(NUMERIC, on_frame), input_for(MIXED)]
    assert kinds == [InputKind.MATRIX, InputKind.MATRIX, InputKind.FRAME, InputKind.FRAME]


def test_two_features_of_one_column_name_are_refused() -> None:
    """A sequence s and a field s_0 would overwrite each other in a frame."""
    with pytest.raises(ModelMismatch, match="'s_0'"):
        column_names(schema_of(("s", FieldType.DOUBLE, 2), ("s_0", FieldType.DOUBLE)))


@pytest.mark.parametrize("kind", list(InputKind))
def test_absent_column_is_named(kind: InputKind) -> None:
    """The line says which field the batch lacks."""
    with pytest.raises(ModelMismatch, match="'history'"):
        to_input({"a": COLUMNS["a"]}, schema=NUMERIC, kind=kind)


@pytest.mark.parametrize("shape", [(2,), (3, 2), (2, 3), (2, 2, 1)])
def test_column_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    """NumPy would stretch a column over the others in silence."""
    with pytest.raises(ModelMismatch, match="expected"):
        count_rows({**COLUMNS, "history": np.zeros(shape, dtype=np.float32)}, MIXED)
