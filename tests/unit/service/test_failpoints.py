from __future__ import annotations

import pytest

from service.errors import SettingsError
from service.failpoints import Failpoint, failpoint


def test_failpoint_ends_the_process_at_the_nth_time_of_its_step() -> None:
    """Other steps do not count, and neither does the same one before."""
    ends: list[str] = []
    point = Failpoint("after_commit", 2, end=lambda: ends.append("end"))
    told = []
    for step in ("after_commit", "before_commit", "after_commit", "after_commit"):
        point.reached(step)
        told.append(len(ends))
    assert told == [0, 0, 1, 1]


def test_failpoint_is_off_without_the_variable() -> None:
    """In production a step costs a call and does nothing."""
    assert failpoint({})("after_commit") is None


@pytest.mark.parametrize("text", ["after_commit", "after_commit:0", "after_commit:x", "never:1"])
def test_failpoint_refuses_what_would_never_happen(text: str) -> None:
    """A test that hopes for a death that cannot come must not pass."""
    with pytest.raises(SettingsError, match="before_append_features"):
        failpoint({"TIDEMILL_FAILPOINT": text})
