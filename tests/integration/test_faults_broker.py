"""A broker that freezes, dies, or refuses a record, under load: every event has one outcome and nobody must help."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.errors import IdentityTaken
from consumer.worker import Limits
from tests.faults.collect import headers_of, read_all
from tests.support.kafka import KafkaCluster
from tests.support.kafka_scoring import KafkaBench, Running, running, wait_until
from tests.support.scoring import RecordingTelemetry

pytestmark = pytest.mark.kafka


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[KafkaCluster]:
    """Return a broker of the test's own, to be maltreated."""
    with KafkaCluster(tmp_path / "cluster") as cluster:
        yield cluster


def test_broker_frozen_around_commits_then_resumed(fragile: KafkaCluster) -> None:
    """Commits whose answer never came are settled before anything is read again."""
    bench, telemetry = KafkaBench(fragile), RecordingTelemetry()
    with running(bench.worker(telemetry=telemetry, limits=Limits(max_records=20, transaction_timeout=2.0))) as worker:
        bench.publish(4000)
        bench.flush()
        wait_until(lambda: len(telemetry.outcomes) >= 5, "the first commits")
        fragile.pause()
        wait_until(lambda: any(outcome != "committed" for outcome, _ in telemetry.outcomes), "a commit without answer")
        fragile.resume()
        bench.wait_until_committed()
    assert (worker.failure, bench.violations()) == (None, "")


def test_broker_killed_and_restarted_under_load(fragile: KafkaCluster) -> None:
    """A worker outlives its broker, its transaction timed out meanwhile, and goes on by itself."""
    bench, telemetry = KafkaBench(fragile), RecordingTelemetry()
    with running(bench.worker(telemetry=telemetry, limits=Limits(max_records=50, transaction_timeout=3.0))) as worker:
        bench.publish(4000)
        wait_until(lambda: len(telemetry.outcomes) >= 5, "the first commits")
        fragile.kill()
        fragile.restart()
        bench.flush()
        bench.wait_until_committed(patience=60.0)
    assert (worker.failure, bench.violations()) == (None, "")


def test_two_workers_with_one_identity(kafka: KafkaCluster) -> None:
    """One of them ends and says why; the other scores everything, once."""
    bench = KafkaBench(kafka)
    pair = [Running(bench.worker(limits=Limits(max_records=10))) for _ in range(2)]
    try:

        def one_gave_up() -> bool:
            bench.publish(20)
            return any(worker.failure is not None for worker in pair)

        wait_until(one_gave_up, "the end of one of the two")
        bench.flush()
        bench.wait_until_committed()
    finally:
        for worker in pair:
            worker.stop()
    assert [type(w.failure) for w in pair if w.failure is not None] == [IdentityTaken]
    assert bench.violations() == ""


def test_worker_away_for_longer_than_it_may_loses_its_batch_to_its_successor(kafka: KafkaCluster) -> None:
    """A member that was expelled with a batch in hand has its commit refused: the successor's stands."""
    bench, telemetry = KafkaBench(kafka, partitions=1), RecordingTelemetry()
    bench.publish(100)
    bench.flush()
    impatient = {"max.poll.interval.ms": 3000}
    zombie = bench.worker(slot="zombie", telemetry=telemetry, member=impatient, limits=Limits(max_records=10))
    flush = zombie._sink.flush

    def flush_after_everybody_else() -> None:
        if not others:
            others.append(Running(bench.worker(slot="successor")))
            bench.wait_until_committed()
        flush()

    others: list[Running] = []
    zombie._sink.flush = flush_after_everybody_else  # type: ignore[method-assign]
    with running(zombie) as worker:
        wait_until(lambda: any(outcome == "aborted" for outcome, _ in telemetry.outcomes), "the refusal")
    others[0].stop()
    assert [worker.failure, others[0].failure, bench.violations()] == [None, None, ""]


def test_record_that_the_broker_refuses_leaves_a_short_dead_letter(kafka: KafkaCluster) -> None:
    """Refused by the topic, not the client: the one record is found among many, and the stream goes on."""
    bench = KafkaBench(kafka, output_config={"max.message.bytes": "300000"})
    bench.publish(600)
    bench.publish(1, value=bytes(random.Random(1).randbytes(310_000)))  # does not compress
    bench.flush()
    with running(bench.worker(limits=Limits(max_records=400))) as worker:
        bench.wait_until_committed()
    (letter,) = read_all(kafka.client_settings, bench.dead)
    headers = dict(headers_of(letter))
    assert (worker.failure, len(letter.value() or b"")) == (None, 65_536)
    assert headers["tidemill.truncated"] == b"310000"
