from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from consumer.watchdog import EXIT_STUCK, Watchdog


class FakeClock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time set."""
        return self.now


class Kennel:
    """A watchdog on a fake clock with the timeouts it reported."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.timeouts: list[tuple[str, float]] = []
        self.dog = Watchdog(
            clock=self.clock, on_timeout=lambda step, limit: self.timeouts.append((step, limit)), interval_s=1.0
        )

    def pass_time(self, seconds: int) -> None:
        """Let time pass with one check a second, as the thread would do it."""
        for _ in range(seconds):
            self.clock.now += 1.0
            self.dog.check()


@pytest.fixture
def kennel() -> Kennel:
    """Return a watchdog whose thread is played by the test."""
    return Kennel()


def test_watchdog_reports_a_step_that_outlives_its_limit_once(kennel: Kennel) -> None:
    """A hanging call is named with its limit, and not again at every later look."""
    with kennel.dog.step("commit", 10):
        kennel.pass_time(30)
    assert kennel.timeouts == [("commit", 10)]


def test_watchdog_leaves_a_step_within_its_limit_alone(kennel: Kennel) -> None:
    """The limit itself is still allowed, and a step that has ended is never reported."""
    with kennel.dog.step("commit", 10):
        kennel.pass_time(10)
    kennel.pass_time(60)
    assert kennel.timeouts == []


def test_watchdog_still_watches_the_outer_step(kennel: Kennel) -> None:
    """A short inner step neither hides nor extends the one around it."""
    with kennel.dog.step("stop", 20):
        for _ in range(4):
            with kennel.dog.step("flush", 10):
                kennel.pass_time(6)
    assert kennel.timeouts == [("stop", 20)]


def test_watchdog_ends_a_step_that_raises(kennel: Kennel) -> None:
    """A step that failed is over."""
    with pytest.raises(RuntimeError, match="down"), kennel.dog.step("commit", 10):
        raise RuntimeError("down")
    kennel.pass_time(60)
    assert kennel.timeouts == []


def test_watchdog_does_not_count_time_the_process_was_suspended(kennel: Kennel) -> None:
    """A process stopped for an hour is fenced by the broker and recovers; it need not die of waking up."""
    with kennel.dog.step("commit", 10):
        kennel.pass_time(5)
        kennel.clock.now += 3600.0
        kennel.pass_time(3)
    assert kennel.timeouts == []


def test_watchdog_takes_beats_and_ends_of_steps_for_life(kennel: Kennel) -> None:
    """Liveness is the age of the last beat."""
    kennel.clock.now = 107.0
    kennel.dog.beat()
    beaten = kennel.dog.last_beat
    with kennel.dog.step("commit", 10):
        kennel.clock.now = 109.0
    assert (beaten, kennel.dog.last_beat) == (107.0, 109.0)


def test_watchdog_watches_from_its_own_thread() -> None:
    """The thread sees the hang while the watched one is stuck, and stops when told."""
    seen = threading.Event()
    dog = Watchdog(on_timeout=lambda _step, _limit: seen.set(), interval_s=0.01)
    dog.start()
    with dog.step("commit", 0.01):
        was_seen = seen.wait(60)
    dog.stop()
    assert (was_seen, [t.name for t in threading.enumerate() if t.name == "watchdog"]) == (True, [])


STUCK_HOLDING_THE_LOG = """
import logging, sys, threading
from consumer import watchdog
watchdog.LAST_WORDS_S = 0.5
logging.basicConfig(level=logging.INFO)
dog = watchdog.Watchdog(interval_s=0.05)
dog.start()
with dog.step("commit", 0.1):
    if "holding" in sys.argv:
        logging.root.handlers[0].acquire()
    threading.Event().wait(120)
"""


@pytest.mark.parametrize("mode", ["waiting", "holding"])
def test_watchdog_ends_the_process_with_the_stacks(mode: str) -> None:
    """A stuck process exits, even when the stuck thread holds the lock of the log."""
    done = subprocess.run(
        [sys.executable, "-c", STUCK_HOLDING_THE_LOG, mode], capture_output=True, text=True, timeout=100, check=False
    )
    named = "Step commit did not end within 0.1 s" in done.stderr
    assert (done.returncode, "threading.py" in done.stderr, named) == (EXIT_STUCK, True, mode == "waiting")
