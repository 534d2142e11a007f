from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("120d", 10_368_000), ("1.5h", 5400)]
)
def test_parse_duration_reads_every_unit(text: str, seconds: float) -> None:
    """A duration is a number and a unit."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "bad", ["30", 30, "5 seconds", "-5s", "", None, "s", "99999999d", "9" * 12 + "d", "9" * 400 + "s"]
)
def test_parse_duration_refuses_what_has_no_clear_unit(bad: object) -> None:
    """A bare number could mean anything, so it is refused."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(bad)


def test_parse_duration_hints_at_the_number_that_was_written() -> None:
    """The hint repeats the person's own number with a unit."""
    with pytest.raises(ValueError, match="'45s'"):
        parse_duration("45")


@given(st.integers(min_value=0, max_value=3_000_000_000_000))
def test_format_duration_is_read_back_as_the_same(millis: int) -> None:
    """What is shown can be pasted back."""
    duration = timedelta(milliseconds=millis)
    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(min_value=0, max_value=10**14))
def test_format_size_is_read_back_as_the_same(size: int) -> None:
    """What is shown can be pasted back."""
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize("bad", ["16", "16MB", "MiB", "-1B"])
def test_parse_size_refuses_other_spellings(bad: str) -> None:
    """Sizes are written one way."""
    with pytest.raises(ValueError, match="MiB"):
        parse_size(bad)
