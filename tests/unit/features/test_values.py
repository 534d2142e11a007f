from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.rejection import Problem, Reason
from features.schema import FieldType
from features.values import ZonelessMillis, describe, settle
from tests.unit.features.strategies import json_values

D, F, I, L, B, S = (  # noqa: E741 - one letter per type keeps the table readable
    FieldType.DOUBLE,
    FieldType.FLOAT,
    FieldType.INT,
    FieldType.LONG,
    FieldType.BOOLEAN,
    FieldType.STRING,
)
ACCEPTED: list[tuple[FieldType, Any, Any]] = [
    (D, 12, 12.0),
    (D, 2**53, 2.0**53),
    (D, -0.0, -0.0),
    (D, 5e-324, 5e-324),
    (D, Decimal("1.1"), 1.1),
    (D, math.nan, None),
    (L, math.nan, None),
    (L, 12.0, 12),
    (I, -(2**31), -(2**31)),
    (L, 2**63 - 1, 2**63 - 1),
    (L, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1000),
    (L, datetime(1970, 1, 1, 0, 0, 1), 1000),  # noqa: DTZ001 - what Parquet gives without zone
    (L, date(1970, 1, 2), 86_400_000),
    (L, ZonelessMillis(5), 5),
    (B, True, True),
    (S, "", ""),
    (S, UUID(int=0), "00000000-0000-0000-0000-000000000000"),
]
REFUSED: list[tuple[FieldType, Any, Reason]] = [
    (D, "12", Reason.WRONG_TYPE),
    (D, True, Reason.WRONG_TYPE),
    (D, b"12", Reason.WRONG_TYPE),
    (D, [1.0], Reason.WRONG_TYPE),
    (D, {"a": 1}, Reason.WRONG_TYPE),
    (D, 2**53 + 1, Reason.OUT_OF_RANGE),
    (D, math.inf, Reason.NOT_FINITE),
    (F, 1e39, Reason.OUT_OF_RANGE),
    (F, -math.inf, Reason.NOT_FINITE),
    (I, 2**31, Reason.OUT_OF_RANGE),
    (I, 12.5, Reason.WRONG_TYPE),
    (L, 2**63, Reason.OUT_OF_RANGE),
    (L, 1e18, Reason.OUT_OF_RANGE),
    (L, math.inf, Reason.NOT_FINITE),
    (L, False, Reason.WRONG_TYPE),
    (B, 1, Reason.WRONG_TYPE),
    (B, "true", Reason.WRONG_TYPE),
    (S, 1, Reason.WRONG_TYPE),
    (S, b"a", Reason.WRONG_TYPE),
]


@pytest.mark.parametrize(("kind", "value", "expected"), ACCEPTED)
def test_settle_takes_what_stands_for_the_type(kind: FieldType, value: Any, expected: Any) -> None:
    """A value that means exactly one value of the type is that value."""
    settled = settle(kind, value, where="x")
    assert (type(settled), settled) == (type(expected), expected)


@pytest.mark.parametrize(("kind", "value", "reason"), REFUSED)
def test_settle_refuses_what_would_need_a_guess(kind: FieldType, value: Any, reason: Reason) -> None:
    """Nothing is coerced: a value of another type is a problem with its reason."""
    problem = settle(kind, value, where="field 'x'")
    assert isinstance(problem, Problem)
    assert problem.reason is reason
    assert problem.detail.startswith("field 'x': ")


@given(st.sampled_from(FieldType), json_values())
def test_settle_gives_the_declared_type_or_a_problem(kind: FieldType, value: Any) -> None:
    """Whatever comes in, what comes out has the one Python type of the field."""
    python = {D: float, F: float, I: int, L: int, B: bool, S: str}[kind]
    settled = settle(kind, value, where="x")
    assert settled is None or isinstance(settled, Problem) or type(settled) is python


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(10**5000, id="huge integer"),
        pytest.param("x" * 10**6, id="long text"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param([1] * 10**5, id="long list"),
        pytest.param(b"\xff", id="bytes"),
        pytest.param(object(), id="object"),
    ],
)
def test_describe_is_short_and_can_be_sent(value: object) -> None:
    """A detail line can always be written into a header, whatever it quotes."""
    assert len(describe(value).encode()) < 400
