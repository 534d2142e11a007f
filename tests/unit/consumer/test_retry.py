from __future__ import annotations

from consumer.retry import MAX_PAUSE_S, SHRINK_AFTER_FAILURES, Brake, FencingRecord, Refusal
from producer.records import TopicPartition

AT = TopicPartition("in", 0)
FIRST = frozenset({(AT, 10)})


def test_brake_halves_a_batch_that_keeps_failing_down_to_one_record() -> None:
    """A poison batch shrinks until the guilty record stands alone; it never grows meanwhile."""
    brake = Brake(max_records=8)
    for _ in range(SHRINK_AFTER_FAILURES * 10):
        brake.failed(FIRST)
    assert brake.limit == 1


def test_brake_leaves_the_size_alone_when_different_batches_fail() -> None:
    """A broker outage hits whatever batch is at hand: that says nothing against a batch."""
    brake = Brake(max_records=8)
    for offset in range(20):
        brake.failed(frozenset({(AT, offset)}))
    assert (brake.limit, brake.failures) == (8, 1)


def test_brake_pauses_longer_each_time_up_to_its_maximum() -> None:
    """Trying again never becomes a busy loop, nor a standstill."""
    pauses = [Brake(max_records=8).failed(FIRST)]
    brake = Brake(max_records=8)
    pauses = [brake.failed(FIRST) for _ in range(12)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_PAUSE_S


def test_brake_recovers_step_by_step() -> None:
    """After the guilty record is out, batches double until they are whole again."""
    brake = Brake(max_records=8)
    for _ in range(4):
        brake.shrink()
    sizes = []
    for _ in range(4):
        brake.succeeded({})
        sizes.append(brake.limit)
    assert sizes == [2, 4, 8, 8]


def test_brake_remembers_the_guilty_until_they_are_committed() -> None:
    """Success elsewhere must not make a refused record innocent again, or it would be tried for ever."""
    brake = Brake(max_records=8)
    brake.blame(AT, 10, said="no", too_large=True)
    assert brake.blame(AT, 10, said="never", too_large=False) == 2
    brake.succeeded({TopicPartition("in", 1): 500, AT: 10})
    assert brake.refusal(AT, 10) == Refusal(2, "never", too_large=False)
    brake.succeeded({AT: 11})
    assert brake.refusal(AT, 10) is None


def test_fencing_record_counts_only_within_its_window() -> None:
    """Two fencings an hour apart are two accidents; two in a minute are a second owner."""
    record = FencingRecord()
    assert [record.fenced(at) for at in (0.0, 3600.0, 3630.0)] == [1, 1, 2]
