from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.source import PartitionStatus
from consumer.stall import StallDetector, StallReport
from producer.records import TopicPartition

P0 = TopicPartition("payments", 0)
STILL = PartitionStatus(P0, fetch_offset=10, delivered_offset=10, committed_offset=10, stable_offset=20, end_offset=20)
NOTHING = StallReport((), ())
STALLED = StallReport((P0,), ())
BLOCKED = StallReport((), (P0,))


def look_for(seconds: int, *statuses: PartitionStatus) -> StallReport:
    """Return the verdict after one look a second, the statuses taken in turn and the last one kept."""
    detector = StallDetector(stall_after_s=30, blocked_after_s=60)
    report = NOTHING
    for second in range(seconds + 1):
        report = detector.observe([statuses[min(second, len(statuses) - 1)]], float(second))
    return report


@pytest.mark.parametrize(
    ("status", "seconds", "expected"),
    [
        pytest.param(STILL, 29, NOTHING, id="not yet"),
        pytest.param(STILL, 30, STALLED, id="readable records, nothing moves"),
        pytest.param(replace(STILL, end_offset=99), 30, STALLED, id="stalled below an open transaction"),
        pytest.param(replace(STILL, fetch_offset=20, delivered_offset=19), 500, NOTHING, id="trailing marker"),
        pytest.param(replace(STILL, fetch_offset=20, delivered_offset=20), 500, NOTHING, id="caught up"),
        pytest.param(replace(STILL, fetch_offset=20, end_offset=25), 59, NOTHING, id="open transaction, still young"),
        pytest.param(replace(STILL, fetch_offset=20, end_offset=25), 60, BLOCKED, id="open transaction upstream"),
        pytest.param(replace(STILL, stable_offset=-1), 500, NOTHING, id="stable offset unknown"),
        pytest.param(replace(STILL, stable_offset=-1001, end_offset=-1001), 500, NOTHING, id="nothing known"),
        pytest.param(replace(STILL, fetch_offset=-1), 30, STALLED, id="fetching never began"),
    ],
)
def test_stall_detector_judges_a_partition_that_stands_still(
    status: PartitionStatus, seconds: int, expected: StallReport
) -> None:
    """Only readable records that nobody reads are a stall; an upstream transaction is something else."""
    assert look_for(seconds, status) == expected


@pytest.mark.parametrize("moved", [replace(STILL, fetch_offset=11), replace(STILL, delivered_offset=5)])
def test_stall_detector_starts_afresh_when_the_reader_moves(moved: PartitionStatus) -> None:
    """Either offset moving, forwards or back, is life."""
    early = [STILL] * 20
    assert look_for(35, *early, moved) == NOTHING


def test_stall_detector_takes_a_growing_log_for_no_excuse() -> None:
    """A partition stays stalled while new records arrive behind the stuck reader."""
    growing = [replace(STILL, stable_offset=20 + i, end_offset=20 + i) for i in range(31)]
    assert look_for(30, *growing) == STALLED


def test_stall_detector_clears_a_block_when_the_stable_offset_moves() -> None:
    """A slow stream of upstream transactions is not a block."""
    held = [replace(STILL, fetch_offset=20, end_offset=99)] * 50
    assert look_for(70, *held, replace(STILL, fetch_offset=21, stable_offset=21, end_offset=99)) == NOTHING


def test_stall_detector_counts_no_time_it_did_not_look() -> None:
    """One late look after a long commit must not restart a healthy client."""
    detector = StallDetector(stall_after_s=30, blocked_after_s=60)
    detector.observe([STILL], 0.0)
    assert detector.observe([STILL], 3600.0) == NOTHING


def test_stall_detector_forgets_a_partition_that_was_left_out() -> None:
    """A partition paused on purpose, or revoked, starts afresh when it returns."""
    detector = StallDetector(stall_after_s=30, blocked_after_s=60)
    for second in range(30):
        detector.observe([STILL], float(second))
    detector.observe([], 30.0)
    assert detector.observe([STILL], 31.0) == NOTHING


def test_stall_detector_forgets_on_demand() -> None:
    """After a restart of the client the limit counts from the beginning, or restarts would follow each other."""
    detector = StallDetector(stall_after_s=30, blocked_after_s=60)
    before = [detector.observe([STILL], float(second)) for second in range(31)][-1]
    detector.forget()
    assert (before, detector.observe([STILL], 31.0)) == (STALLED, NOTHING)


@given(st.tuples(*[st.integers(-1, 50)] * 4), st.integers(0, 120))
def test_stall_detector_never_names_a_partition_twice(offsets: tuple[int, int, int, int], seconds: int) -> None:
    """Stalled and blocked call for opposite answers, so they exclude each other."""
    fetch, delivered, stable, end = offsets
    report = look_for(seconds, PartitionStatus(P0, fetch, delivered, -1, stable, end))
    assert not set(report.stalled) & set(report.blocked)


@pytest.mark.parametrize("limits", [(0.0, 1.0), (1.0, -1.0)])
def test_stall_detector_refuses_a_limit_that_is_not_positive(limits: tuple[float, float]) -> None:
    """A limit of zero would call every idle moment a stall."""
    with pytest.raises(ValueError, match="above zero"):
        StallDetector(stall_after_s=limits[0], blocked_after_s=limits[1])
