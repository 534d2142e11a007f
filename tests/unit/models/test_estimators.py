from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.estimators import needed_columns

TABLE = pd.DataFrame(np.random.default_rng(2).normal(size=(20, 5)), columns=list("abcde"))


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ("b", ["b"]),
        (["d", "b"], ["b", "d"]),
        (slice("b", "d"), ["b", "c", "d"]),
        (slice(1, 3), ["b", "c"]),
        ([0, -1], ["a", "e"]),
        (2, ["c"]),
        ([True, False, False, False, True], ["a", "e"]),
        (make_column_selector(pattern="[ab]"), ["a", "b"]),
    ],
)
def test_columns_are_needed_however_they_were_picked(columns: Any, names: list[str]) -> None:
    """A wide table with ids and the label in it does not make them features."""
    is_one = isinstance(columns, str | int)
    step = (lambda: "passthrough") if is_one else StandardScaler
    transformer = ColumnTransformer([("picked", step(), [columns] if is_one else columns), ("gone", "drop", ["e"])])
    estimator = make_pipeline(make_pipeline(transformer), LinearRegression()).fit(TABLE, TABLE["a"])
    assert needed_columns(estimator) == names
    estimator.predict(TABLE[names])


def test_remainder_that_is_used_is_needed() -> None:
    """The rest of the table is a feature where it is passed on."""
    transformer = ColumnTransformer([("scaled", StandardScaler(), ["b"])], remainder="passthrough")
    assert needed_columns(make_pipeline(transformer, LinearRegression()).fit(TABLE, TABLE["a"])) == list("abcde")


def test_estimator_needs_all_it_was_fitted_on() -> None:
    """Without a step that picks columns every one is needed, in order; without names none can be told."""
    assert needed_columns(LinearRegression().fit(TABLE, TABLE["a"])) == list("abcde")
    assert needed_columns(LinearRegression().fit(TABLE.to_numpy(), TABLE["a"])) is None
