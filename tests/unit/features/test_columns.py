from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.columns import build_batch, check_column
from features.paths import Gathered
from features.rejection import Problem, Reason
from features.schema import FeatureSchema, Field, FieldType, NullPolicy
from features.values import settle
from tests.unit.features.strategies import json_values

_EDGES = st.sampled_from([None, float("nan"), float("inf"), 2**53, 2**53 + 1, 2**31, 2**63, 1e39, 0, 1, 1.5, True, "a"])


def checked(field: Field, values: list[Any]) -> tuple[list[Any], dict[int, Problem]]:
    """Return the column as a list, and its problems."""
    problems: dict[int, Problem] = {}
    return check_column(field, values, problems=problems).tolist(), problems


@given(st.sampled_from(FieldType), st.lists(json_values() | _EDGES, max_size=8))
def test_a_column_is_judged_as_its_values_one_by_one(kind: FieldType, values: list[Any]) -> None:
    """The whole-column shortcuts never let in, turn away or change what the single-value rules would not."""
    column, problems = checked(Field("x", kind, "x"), values)
    for position, value in enumerate(values):
        settled = settle(kind, value, where="field 'x'")
        if settled is None:
            assert problems[position].reason is Reason.MISSING
        elif isinstance(settled, Problem):
            assert problems[position] == settled
        else:
            assert position not in problems
            assert column[position] == (np.float32(settled) if kind is FieldType.FLOAT else settled)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (Field("x", FieldType.DOUBLE, "x", null=NullPolicy.KEEP), [1.0, np.nan, np.nan]),
        (Field("x", FieldType.DOUBLE, "x", null=NullPolicy.DEFAULT, default=9), [1.0, 9.0, 9.0]),
        (Field("x", FieldType.LONG, "x", null=NullPolicy.DEFAULT, default=9), [1, 9, 9]),
    ],
)
def test_a_null_follows_the_policy_and_nan_is_a_null(field: Field, expected: list[float]) -> None:
    """What a model sees for a null is what the schema says, for None and NaN alike."""
    column, problems = checked(field, [1, None, float("nan")])
    np.testing.assert_array_equal(column, expected)
    assert problems == {}


def test_a_kept_null_string_is_none() -> None:
    """A model of strings sees None where the event had none."""
    assert checked(Field("x", FieldType.STRING, "x", null=NullPolicy.KEEP), ["a", None]) == (["a", None], {})


@pytest.mark.parametrize("kind", [FieldType.DOUBLE, FieldType.FLOAT, FieldType.INT, FieldType.LONG])
def test_a_range_lets_its_bounds_in(kind: FieldType) -> None:
    """Minimum and maximum are inclusive, in every numeric type."""
    _, problems = checked(Field("x", kind, "x", minimum=0, maximum=10), [-1, 0, 10, 11])
    assert {position: problem.reason for position, problem in problems.items()} == {
        0: Reason.OUT_OF_RANGE,
        3: Reason.OUT_OF_RANGE,
    }


def test_a_range_does_not_judge_a_kept_null() -> None:
    """A null that the policy keeps is not below a minimum."""
    field = Field("x", FieldType.DOUBLE, "x", null=NullPolicy.KEEP, minimum=0)
    assert checked(field, [None, -1.0])[1].keys() == {1}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1.0], Reason.WRONG_LENGTH),
        ([], Reason.WRONG_LENGTH),
        ([1.0, 2.0, 3.0], Reason.WRONG_LENGTH),
        ([1.0, None], Reason.MISSING),
        ([1.0, "2"], Reason.WRONG_TYPE),
        ([[1.0], [2.0]], Reason.WRONG_TYPE),
        ([1.0, float("inf")], Reason.NOT_FINITE),
        ([1.0, -1.0], Reason.OUT_OF_RANGE),
        ("12", Reason.WRONG_TYPE),
        (1.0, Reason.WRONG_TYPE),
        (None, Reason.MISSING),
    ],
)
def test_a_bad_sequence_costs_its_own_row(value: Any, reason: Reason) -> None:
    """A sequence of another shape, or with a bad item, is turned away alone."""
    field = Field("v", FieldType.DOUBLE, "v", length=2, minimum=0)
    column, problems = checked(field, [[1, 2], value, (3.0, 4.0)])
    assert (column[0], column[2]) == ([1.0, 2.0], [3.0, 4.0])
    assert {position: problem.reason for position, problem in problems.items()} == {1: reason}


def test_values_that_are_no_sequences_take_no_room() -> None:
    """A few bytes of garbage in the place of a long sequence cost what garbage costs, not what a sequence does."""
    values, problems = [1] * 1_000, dict[int, Problem]()
    tracemalloc.start()
    try:
        column = check_column(Field("v", FieldType.DOUBLE, "v", length=1_000), values, problems=problems)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (column.shape, len(problems)) == ((1_000, 1_000), 1_000)
    assert peak < 1.5 * column.nbytes


def test_nulls_of_a_sequence_follow_the_policy() -> None:
    """An absent sequence is one of nulls, and a null item is treated as a null field would be."""
    field = Field("v", FieldType.INT, "v", length=2, null=NullPolicy.DEFAULT, default=5)
    assert checked(field, [None, [1, None]]) == ([[5, 5], [1, 5]], {})


def test_a_row_is_rejected_once_for_its_first_field() -> None:
    """A record with several faults is one dead letter, and which fault is told does not depend on chance."""
    schema = FeatureSchema((Field("a", FieldType.LONG, "a"), Field("b", FieldType.LONG, "b")))
    gathered = Gathered([10, 20], [["x", 1], [None, 2]], ids=None, times=None, labels=None, passthrough={})
    decoded = build_batch(gathered, schema)
    assert [(r.row, r.reason) for r in decoded.rejections] == [(10, Reason.WRONG_TYPE)]
    assert decoded.batch.rows.tolist() == [20]


def test_no_rows_give_empty_columns_of_the_right_shape() -> None:
    """A batch in which nothing is readable is still a batch."""
    schema = FeatureSchema((Field("a", FieldType.INT, "a"), Field("v", FieldType.FLOAT, "v", length=3)))
    batch = build_batch(Gathered([], [[], []], ids=[], times=[], labels=[], passthrough={}), schema).batch
    assert (batch.columns["a"].dtype, batch.columns["v"].shape) == (np.dtype(np.int32), (0, 3))


@pytest.mark.parametrize(
    ("kind", "values", "reason"),
    [
        (FieldType.FLOAT, [1.0, 1e39], Reason.OUT_OF_RANGE),
        (FieldType.FLOAT, [1.0, float("inf")], Reason.NOT_FINITE),
        (FieldType.DOUBLE, [1.0, float("-inf")], Reason.NOT_FINITE),
        (FieldType.DOUBLE, [1, 2**53 + 1], Reason.OUT_OF_RANGE),
        (FieldType.DOUBLE, [1, 10**400], Reason.OUT_OF_RANGE),
        (FieldType.INT, [1, 2**31], Reason.OUT_OF_RANGE),
        (FieldType.LONG, [1, 2**63], Reason.OUT_OF_RANGE),
        (FieldType.LONG, [1, 10**400], Reason.OUT_OF_RANGE),
    ],
)
def test_a_number_beyond_its_type_is_seen_in_an_ordinary_column(
    kind: FieldType, values: list[Any], reason: Reason
) -> None:
    """A column of plain numbers takes the short way; what does not fit is turned away there too."""
    column, problems = checked(Field("x", kind, "x"), values)
    assert column[0] == 1
    assert {position: problem.reason for position, problem in problems.items()} == {1: reason}
