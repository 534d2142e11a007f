"""Deaths on cue: tests have a process end at a step of its work, as SIGKILL would end it there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from typing import Final

from service.errors import SettingsError

VARIABLE: Final = "TIDEMILL_FAILPOINT"
_TABLES: Final = ("features", "scores", "labels")
_IN_AN_APPEND: Final = ("before_check", "before_commit", "after_commit")
_AROUND_AN_APPEND: Final = ("before_append", "after_append")
STEPS: Final = frozenset(
    {
        *_IN_AN_APPEND,
        *(f"{step}_{table}" for step in (*_IN_AN_APPEND, *_AROUND_AN_APPEND) for table in _TABLES),
        "before_group_commit",
    }
)
"""The steps of a flush: before the rows are given to a table; in each attempt, before the position is checked, before
the commit and after it; when the append has ended; before the group is shown the offsets."""


class Failpoint:
    """Counts how often a step is reached and ends the process at the n-th time."""

    def __init__(self, step: str, count: int, *, end: Callable[[], None]) -> None:
        """Take the step, the time that counts, and what ends the process."""
        self._step = step
        self._left = count
        self._end = end

    def reached(self, step: str) -> None:
        """Note that a step is reached."""
        if step == self._step:
            self._left -= 1
            if self._left == 0:
                self._end()


def failpoint(environment: Mapping[str, str] | None = None) -> Callable[[str], None]:
    """Return what is to be told of each step: nothing happens unless ``TIDEMILL_FAILPOINT`` is ``<step>:<n>``.

    Raises:
        SettingsError: It is something else.
    """
    text = (os.environ if environment is None else environment).get(VARIABLE, "")
    if not text:
        return _ignore
    step, _, count = text.partition(":")
    if step not in STEPS or not count.isdecimal() or int(count) < 1:
        raise SettingsError(f"{VARIABLE}: {text!r} is not <step>:<n>; the steps are {', '.join(sorted(STEPS))}")
    return Failpoint(step, int(count), end=_die).reached


def _ignore(step: str) -> None:
    """Go on."""


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # no handler runs, nothing is flushed: what a machine does to a process
