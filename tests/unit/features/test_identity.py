from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from features.identity import event_id, event_time_ms, plain
from features.rejection import Problem, Reason
from features.values import ZonelessMillis

UUID_TEXT = "12345678-1234-5678-1234-567812345678"


@pytest.mark.parametrize(
    ("value", "expected"), [("a", "a"), (7, "7"), (2**70, str(2**70)), (UUID(UUID_TEXT), UUID_TEXT)]
)
def test_event_id_is_text(value: Any, expected: str) -> None:
    """Labels are joined by the id's text, so a number and its text are one id."""
    assert event_id(value, path="id") == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.MISSING),
        ("", Reason.MISSING),
        (1.0, Reason.WRONG_TYPE),
        (True, Reason.WRONG_TYPE),
        ([1], Reason.WRONG_TYPE),
        (b"a", Reason.WRONG_TYPE),
    ],
)
def test_event_id_refuses_what_names_nothing(value: Any, reason: Reason) -> None:
    """An event whose id cannot be joined later must not be scored as if it could."""
    problem = event_id(value, path="txn.id")
    assert isinstance(problem, Problem)
    assert (problem.reason, "txn.id" in problem.detail) == (reason, True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_700_000_000, 1_700_000_000),
        (-1, -1),
        (5.0, 5),
        ("1970-01-01T00:00:00.0019999Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("19700101T000000Z", 0),
        (datetime(9999, 12, 31, tzinfo=UTC), 253_402_214_400_000),
    ],
)
def test_event_time_is_epoch_milliseconds_rounded_down(value: Any, expected: int) -> None:
    """An integer is milliseconds whatever its size; text says its own zone."""
    assert event_time_ms(value, path="t") == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.MISSING),
        (float("nan"), Reason.MISSING),
        ("2024-01-01T00:00:00", Reason.WRONG_TYPE),
        ("2024-01-01", Reason.WRONG_TYPE),
        ("yesterday", Reason.WRONG_TYPE),
        ("", Reason.WRONG_TYPE),
        (datetime(2024, 1, 1), Reason.WRONG_TYPE),  # noqa: DTZ001 - the case under test
        (ZonelessMillis(5), Reason.WRONG_TYPE),
        (True, Reason.WRONG_TYPE),
        (0.5, Reason.WRONG_TYPE),
        (2**63, Reason.OUT_OF_RANGE),
    ],
)
def test_event_time_refuses_what_is_no_instant(value: Any, reason: Reason) -> None:
    """A time that could mean several instants is turned away, not guessed at."""
    problem = event_time_ms(value, path="t")
    assert isinstance(problem, Problem)
    assert problem.reason is reason


def test_plain_gives_what_json_can_say() -> None:
    """What is passed through reaches the score record in any format."""
    value = {"a": (b"\xff", UUID(UUID_TEXT)), "b": ZonelessMillis(3), 1: datetime(1970, 1, 1, tzinfo=UTC)}
    assert plain(value) == {"a": ["\xff", UUID_TEXT], "b": 3, "1": 0}


def test_what_is_nested_too_deeply_is_not_passed_on() -> None:
    """A record whose value would exhaust the stack of its next reader is turned away here."""
    deep: Any = []
    for _ in range(33):
        deep = [deep]
    assert isinstance(plain(deep), Problem)
    assert plain(deep[0][0]) == deep[0][0]


def test_an_integer_of_no_type_is_passed_on_as_text() -> None:
    """No output format has integers beyond 64 bits, and their digits are not to be lost."""
    assert (plain(2**63), plain(2**63 - 1)) == (str(2**63), 2**63 - 1)
