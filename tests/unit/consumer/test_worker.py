from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest

from consumer.errors import IdentityTaken, StuckBatch, WorkerStopped
from consumer.recovery import StopRequested
from consumer.worker import Limits, ScoringWorker
from models.champion import StaticChampion
from models.live import LiveModel
from producer.broker import InMemoryBroker
from producer.broker_faults import Call, Fault
from producer.records import TopicPartition
from tests.support.scoring import BEAST, Bench, DoublingModel, RecordingTelemetry, live

P0 = TopicPartition("in", 0)


def scores(bench: Bench) -> list[tuple[int, float]]:
    """Return (source offset, score) of what a read_committed reader sees, in the order it stands."""
    records = [r for p in (0, 1) for r in bench.broker.read(TopicPartition("out", p)).records]
    return [(found["source_offset"], found["score"]) for found in (json.loads(r.value or b"") for r in records)]


def dead(bench: Bench) -> list[tuple[bytes | None, bytes | None]]:
    """Return (value, reason) of the committed dead letters."""
    records = [r for p in (0, 1) for r in bench.broker.read(TopicPartition("dead", p)).records]
    return [(r.value, dict(r.headers)["tidemill.reason"]) for r in records]


def rounds(worker: ScoringWorker, *, until: Callable[[], bool], most: int = 10) -> None:
    """Let a worker do rounds until something holds, at most so many."""
    for _ in range(most):
        if not until():
            worker.run_once()
    assert until()


def test_worker_scores_what_is_readable_and_buries_the_rest_in_one_commit() -> None:
    """Every record has one outcome, in order, and the offsets advance past all of them."""
    bench = Bench()
    bench.publish(1.0, b"{", 2.0, None, BEAST, 3.0)
    assert bench.worker().run_once() == 6
    assert scores(bench) == [(0, 2.0), (2, 4.0), (5, 6.0)]
    assert dead(bench) == [
        (b"{", b"undecodable"),
        (None, b"empty"),
        (b'{"id":"666.0","x":666.0}', b"model_failed"),
    ]
    assert bench.broker.committed("group")[P0] == 6


@pytest.mark.parametrize("call", ["begin", "produce", "flush", "send_offsets", "commit"])
@pytest.mark.parametrize("fault", [Fault.ABORT, Fault.TIMEOUT_APPLIED, Fault.TIMEOUT_LATE, Fault.TIMEOUT_LOST])
def test_worker_delivers_once_whatever_call_fails_however(call: Call, fault: Fault) -> None:
    """After a definite failure or an unknown outcome, at any step, each record has exactly one score."""
    bench = Bench()
    bench.publish(*map(float, range(10)))
    worker = bench.worker(max_records=4)
    bench.broker.faults.fail_next(call, fault, skip=1)
    rounds(worker, until=lambda: bench.broker.committed("group").get(P0, 0) == 10)
    assert sorted(scores(bench)) == [(i, 2.0 * i) for i in range(10)]


def test_worker_is_taken_over_without_loss_or_double_when_it_dies_in_a_transaction() -> None:
    """A successor with the same slot settles what the dead one left and goes on from the commit."""
    bench = Bench()
    bench.publish(1.0, 2.0)
    first = bench.worker()
    bench.broker.faults.fail_next("commit", Fault.TIMEOUT_LOST)
    bench.broker.faults.fail_next("open", Fault.TIMEOUT_LOST, skip=1)
    first.stop()
    with pytest.raises(StopRequested):
        first.run_once()
    assert scores(bench) == []
    (dead_member,) = bench.broker.members("group")
    bench.broker.leave("group", dead_member)  # its session times out
    successor = bench.worker()
    rounds(successor, until=lambda: bench.broker.committed("group").get(P0, 0) == 2)
    assert scores(bench) == [(0, 2.0), (1, 4.0)]


def test_worker_without_champion_is_no_member_and_reads_nothing() -> None:
    """No model: nothing is consumed and no partition is held; with one, work begins without a restart."""
    bench = Bench()
    bench.publish(1.0)
    champion = SwitchingChampion(None)
    worker = bench.worker(champion=champion)
    worker.run_once()
    assert (worker.is_joined, bench.broker.committed("group")) == (False, {})
    champion.value = live()
    assert worker.run_once() == 1


def test_worker_stops_without_champion_when_told_to_fail() -> None:
    """`when_missing: fail` ends the process with the reason."""
    worker = Bench().worker(champion=StaticChampion(None), limits=Limits(when_missing="fail"))
    with pytest.raises(WorkerStopped, match="no champion"):
        worker.run_once()


def test_worker_goes_back_a_version_when_the_model_itself_is_broken() -> None:
    """A model that fails on its own trial batch floods no dead letters: the batch is scored by the one before."""
    bench = Bench()
    bench.publish(1.0, 2.0)
    champion = SwitchingChampion(live("v2", model=DoublingModel(is_broken=True)), before=live("v1"))
    worker = bench.worker(champion=champion)
    assert [worker.run_once(), worker.run_once()] == [0, 2]
    assert (scores(bench), dead(bench), champion.rejected) == ([(0, 2.0), (1, 4.0)], [], ["v2"])


def test_worker_says_so_when_another_process_has_its_identity() -> None:
    """Two fencings in a minute are a configuration error, told as such instead of a fight without end."""
    bench = Bench()
    bench.publish(1.0, 2.0)
    bench.broker.faults.fail_next("commit", Fault.FENCED)
    bench.broker.faults.fail_next("commit", Fault.FENCED)
    worker = bench.worker()
    worker.run_once()
    with pytest.raises(IdentityTaken, match="same transactional id"):
        worker.run_once()


def test_worker_takes_a_transaction_that_grew_too_old_for_no_second_owner() -> None:
    """A broker that is slow twice in a minute fences what it timed out; nobody is accused of using our identity."""
    bench = Bench()
    bench.publish(1.0, 2.0)
    worker = bench.worker(limits=Limits(linger=0.0, transaction_timeout=1.0))
    clock = itertools.count()  # a second passes between two looks, and no transaction may live longer
    worker._monotonic = worker._recovery._monotonic = lambda: next(clock)
    for _ in range(2):
        bench.broker.faults.fail_next("flush", Fault.ABORT)
        bench.broker.faults.fail_next("abort", Fault.FENCED)
    rounds(worker, until=lambda: bench.broker.committed("group").get(P0, 0) == 2)
    assert scores(bench) == [(0, 2.0), (1, 4.0)]


def test_worker_buries_a_record_whose_dead_letter_must_be_cut_short() -> None:
    """A record that no topic takes leaves a trace with its true size instead of stopping the stream."""
    bench = Bench(InMemoryBroker(max_record_bytes=100_000))
    bench.publish(1.0)
    bench.broker.publish("in", key=None, value=b"x" * 99_900, timestamp_ms=1, partition=0)
    bench.publish(2.0)
    assert bench.worker().run_once() == 3
    (record,) = bench.broker.read(TopicPartition("dead", 0)).records
    assert (len(record.value or b""), dict(record.headers)["tidemill.truncated"]) == (65_536, b"99900")


def test_worker_keeps_the_order_around_records_that_no_topic_takes() -> None:
    """Scores before and after a refused score, and a dead letter beside it, go out once each and in input order."""
    bench = Bench(InMemoryBroker(max_record_bytes=100_000))
    large = b'{"id": "%s", "x": 3.0}' % (b"i" * 99_800)
    bench.publish(1.0, large, 2.0, b"{", 4.0)
    assert bench.worker().run_once() == 5
    reasons = [reason for _, reason in dead(bench)]
    assert (scores(bench), reasons) == ([(0, 2.0), (2, 4.0), (4, 8.0)], [b"too_large", b"undecodable"])


def test_worker_never_forgets_how_often_a_record_was_replayed() -> None:
    """Cut short it has no headers of its own any more, but what keeps it from going round for ever."""
    bench = Bench(InMemoryBroker(max_record_bytes=100_000))
    headers = [("trace", b"t"), ("tidemill.replays", b"2")]
    bench.broker.publish("in", key=None, value=b"x" * 99_900, timestamp_ms=1, partition=0, headers=headers)
    bench.worker().run_once()
    (record,) = bench.broker.read(TopicPartition("dead", 0)).records
    assert (dict(record.headers)["tidemill.replays"], "trace" in dict(record.headers)) == (b"2", False)


def test_worker_keeps_the_order_around_a_record_that_the_broker_refuses() -> None:
    """Batches shrink until it stands alone, and grow again; scores and letters answer every record once."""
    bench = Bench(InMemoryBroker(max_timestamp_ms=5_000))
    for number in range(20):
        value = b"{" if number % 5 == 4 else b'{"id": "%d", "x": %d}' % (number, number)
        late = 9_000 if number in {7, 9, 13} else 1_000
        bench.broker.publish("in", key=None, value=value, timestamp_ms=late, partition=0)
    worker = bench.worker()
    rounds(worker, until=lambda: bench.broker.committed("group").get(P0, 0) == 20, most=40)
    refused, bad = [7, 9, 13], [4, 14, 19]
    assert [offset for offset, _ in scores(bench)] == [n for n in range(20) if n not in {*refused, *bad}]
    reasons = [b"refused" if number in refused else b"undecodable" for number in sorted(refused + bad)]
    assert [reason for _, reason in dead(bench)] == reasons


def test_worker_names_the_record_that_cannot_be_published_in_any_form() -> None:
    """Where even the shortest dead letter is refused, the worker stops and names record and mend."""
    bench = Bench(InMemoryBroker(max_record_bytes=300))
    bench.publish(b"{" * 250)
    with pytest.raises(StuckBatch, match=r"in\[0\] offset 0 .* max.message.bytes"):
        bench.worker().run_once()


def test_worker_counts_only_what_is_committed() -> None:
    """A batch that was undone and read again is told as one aborted and one committed transaction."""
    bench = Bench()
    bench.publish(1.0)
    telemetry = RecordingTelemetry()
    worker = bench.worker(telemetry=telemetry)
    bench.broker.faults.fail_next("flush", Fault.ABORT)
    worker.run_once()
    worker.run_once()
    assert [outcome for outcome, _ in telemetry.outcomes] == ["aborted", "committed"]


class SwitchingChampion:
    """A champion a test can change; a rejected one makes way for the one before."""

    def __init__(self, value: LiveModel | None, *, before: LiveModel | None = None) -> None:
        """Take the live model and the one to go back to."""
        self.value = value
        self.before = before
        self.rejected: list[str] = []

    def current(self) -> LiveModel | None:
        """Return the live model."""
        return self.value

    def reject(self, version: str, detail: str) -> None:
        """Go back."""
        assert detail
        self.rejected.append(version)
        self.value = self.before
