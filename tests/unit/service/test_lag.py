from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from consumer.source import PartitionStatus
from producer.records import TopicPartition
from service.lag import Lag, LagTracker

P0 = TopicPartition("payments", 0)
NOW = 1_700_000_000.0
CAUGHT_UP = PartitionStatus(
    P0, fetch_offset=20, delivered_offset=19, committed_offset=19, stable_offset=20, end_offset=20, delivered_ms=0
)


def look(tracker: LagTracker, status: PartitionStatus, after: float = 0.0) -> Lag | None:
    """Return what one look says of the partition."""
    return tracker.observe([status], NOW + after).get(P0)


def test_lag_tracker_does_not_take_a_marker_for_lag() -> None:
    """A topic written in transactions ends in a marker that is never delivered."""
    tracker = LagTracker()
    look(tracker, CAUGHT_UP)
    assert look(tracker, CAUGHT_UP, after=1) == Lag(0, 0.0)


def test_lag_tracker_counts_records_that_wait_in_the_client() -> None:
    """Records fetched and not delivered are lag while the worker still takes from them."""
    tracker = LagTracker()
    look(tracker, replace(CAUGHT_UP, delivered_offset=5))
    lag = look(tracker, replace(CAUGHT_UP, delivered_offset=8, delivered_ms=int(NOW * 1000) - 3000))
    assert lag == Lag(12, 3.0)


def test_lag_tracker_leaves_out_what_an_open_transaction_holds_back() -> None:
    """What nobody may read yet is not this reader's lag."""
    assert look(LagTracker(), replace(CAUGHT_UP, delivered_offset=20, end_offset=500)) == Lag(0, 0.0)


def test_lag_tracker_counts_from_the_commit_before_the_first_delivery() -> None:
    """A member that has read nothing yet is as far behind as its group."""
    fresh = PartitionStatus(
        P0, fetch_offset=-1, delivered_offset=-1, committed_offset=4, stable_offset=20, end_offset=20
    )
    assert look(LagTracker(), fresh) == Lag(16, None)


def test_lag_tracker_does_not_blame_a_quiet_topic() -> None:
    """One record after a quiet hour has not waited for an hour: a moment ago all was read."""
    tracker = LagTracker()
    quiet = replace(CAUGHT_UP, delivered_offset=20, delivered_ms=int(NOW * 1000) - 3_600_000)
    look(tracker, quiet)
    assert look(tracker, replace(quiet, stable_offset=21, end_offset=21), after=2) == Lag(1, 2.0)


def test_lag_tracker_tells_the_age_of_a_backlog() -> None:
    """After three days of standstill the first figure is three days, not the age of the process."""
    behind = replace(CAUGHT_UP, delivered_offset=5, fetch_offset=9, delivered_ms=int(NOW * 1000) - 259_200_000)
    assert look(LagTracker(), behind) == Lag(15, 259_200.0)


def test_lag_tracker_says_nothing_of_an_unknown_partition() -> None:
    """Before the broker has told the stable offset there is no lag to show."""
    assert look(LagTracker(), replace(CAUGHT_UP, stable_offset=-1001)) is None


def test_lag_tracker_needs_a_read_between_two_looks() -> None:
    """While the worker waits or starts again, two equal looks do not prove that all is read."""
    tracker = LagTracker()
    look(tracker, replace(CAUGHT_UP, delivered_offset=5))
    tracker.forget_looks()
    assert look(tracker, replace(CAUGHT_UP, delivered_offset=5)) == Lag(15, NOW)


offsets = st.integers(-1, 30)


@given(st.lists(st.tuples(offsets, offsets, offsets, st.integers(-1, 10**13)), max_size=6))
def test_lag_tracker_never_goes_below_zero(looks: list[tuple[int, int, int, int]]) -> None:
    """Clocks of producers may be ahead and positions may pass the last figure of the broker."""
    tracker = LagTracker()
    for fetch, delivered, stable, delivered_ms in looks:
        lag = look(tracker, PartitionStatus(P0, fetch, delivered, -1, stable, stable, delivered_ms))
        assert lag is None or (lag.records >= 0 and (lag.seconds is None or lag.seconds >= 0))
