from __future__ import annotations

import pytest

from service.errors import UsageError
from service.moments import parse_moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 970_000),
        ("1970-01-01", 0),
        ("1970-01-01T00:10", 600_000),
        ("1970-01-01T01:10+01:00", 600_000),
        ("1970-01-01T00:10:00Z", 600_000),
    ],
)
def test_moment_is_a_time_or_how_long_ago(text: str, expected: int) -> None:
    """A time without a zone is UTC, as every time that is shown."""
    assert parse_moment(text, option="--since", now_ms=1_000_000) == expected


@pytest.mark.parametrize("text", ["yesterday", "", "5", "2h ago", "2026-13-01", "99999999999d"])
def test_moment_that_is_none_says_what_is(text: str) -> None:
    """The message names the option and shows all forms."""
    with pytest.raises(UsageError, match=r"--until: .*'2h'"):
        parse_moment(text, option="--until", now_ms=0)
