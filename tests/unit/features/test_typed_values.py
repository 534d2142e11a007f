from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.columns import check_column
from features.identity import event_ids, event_times_ms, plain_values
from features.rejection import Problem
from features.typed_values import TypedValues, concatenated, nothing
from features.values import LONG_BOUNDS, MAX_EXACT
from tests.unit.features.avro_strategies import fields_of

EDGES = [0, -0.0, 1.5, 2.0**31, -(2.0**31), 2.0**53, 2.0**53 + 2, 1e39, float("nan"), float("inf"), float("-inf")]
LONGS = st.integers(*LONG_BOUNDS) | st.sampled_from([0, 1, 2**31, -(2**31) - 1, MAX_EXACT, MAX_EXACT + 1, -(2**63)])


@st.composite
def typed_values(draw: st.DrawFn, *, width: int | None = None) -> TypedValues:
    """Return an array of any type that a columnar reader gives, perhaps with nulls."""
    items, dtype = draw(
        st.sampled_from(
            [
                (st.floats() | st.sampled_from(EDGES), "f8"),
                (LONGS, "i8"),
                (st.integers(-5, 5), "i8"),
                (st.booleans(), "?"),
            ]
        )
    )
    records = draw(st.integers(0, 6))
    flat = draw(st.lists(items, min_size=records * (width or 1), max_size=records * (width or 1)))
    values = np.array(flat, dtype=dtype).reshape((records,) if width is None else (records, width))
    nulls = draw(st.none() | st.lists(st.booleans(), min_size=records, max_size=records))
    is_zoneless = dtype == "i8" and width is None and draw(st.booleans())
    return TypedValues(values, None if nulls is None else np.array(nulls, dtype=np.bool_), is_zoneless)


@given(st.data())
def test_an_array_is_checked_as_its_values_one_by_one(data: st.DataObject) -> None:
    """Whether values come as an array or as a list changes neither a column nor what is said of it."""
    drawn = data.draw(fields_of("x", "a.x"))
    field = replace(drawn, length=data.draw(st.sampled_from([2, 3])) if drawn.length else None)
    values = data.draw(typed_values(width=field.length and 2))
    untouched, wrong, expected_wrong = values.tolist(), dict[int, Problem](), dict[int, Problem]()
    column = check_column(field, values, problems=wrong)
    expected = check_column(field, values.tolist(), problems=expected_wrong)
    assert wrong == expected_wrong
    assert column.dtype == expected.dtype
    kept = [row for row in range(len(values)) if row not in wrong]
    np.testing.assert_array_equal(column[kept], expected[kept])
    assert repr(values.tolist()) == repr(untouched)


@given(typed_values())
def test_roles_are_read_from_an_array_as_from_a_list(values: TypedValues) -> None:
    """An id, a time or a label means the same in whichever form it reaches us."""
    listed = values.tolist()
    assert event_ids(values, path="p") == event_ids(listed, path="p")
    assert list(event_times_ms(values, path="p")) == event_times_ms(listed, path="p")
    assert repr(plain_values(values)) == repr(plain_values(listed))


@given(st.lists(typed_values() | st.builds(nothing, st.integers(0, 3)), min_size=1, max_size=3))
def test_arrays_put_together_say_what_they_said_apart(parts: list[TypedValues]) -> None:
    """Dividing a batch loses no value and no null; arrays that cannot be one are refused."""
    together = concatenated(parts)
    if together is not None:
        assert repr(together.tolist()) == repr([value for part in parts for value in part.tolist()])


def test_arrays_of_two_types_are_not_one() -> None:
    """A number is never made into another type on the way."""
    assert concatenated([TypedValues(np.array([1])), TypedValues(np.array([1.0]))]) is None


@pytest.mark.parametrize("dtype", ["i8", "f8", "?"])
def test_nulls_alone_take_any_type(dtype: str) -> None:
    """A part in which a value is always null does not decide of what type the others are."""
    together = concatenated([nothing(1), TypedValues(np.ones(1, dtype=dtype))])
    assert together is not None
    assert (together.values.dtype, together.tolist()) == (np.dtype(dtype), [None, np.ones(1, dtype=dtype)[0]])
