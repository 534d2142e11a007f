"""Scoring workers on a real broker, with a model whose scores a test can foretell, and the verdict on them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka import TopicPartition as ClientPartition

from consumer.kafka import KafkaSource
from consumer.telemetry import Telemetry
from consumer.watchdog import Watchdog
from consumer.worker import Limits, ScoringWorker
from features.codec import FeatureCodec
from producer.kafka import KafkaSink
from tests.faults.collect import collect
from tests.faults.judge import judge
from tests.support.kafka import KafkaCluster, unique_name
from tests.support.scoring import scoring_worker

PATIENCE_S = 25.0
QUICK = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "log_level": 0}
MEMBER = {
    "partition.assignment.strategy": "cooperative-sticky",
    "session.timeout.ms": 3000,
    "heartbeat.interval.ms": 200,
    "isolation.level": "read_committed",
    "statistics.interval.ms": 500,
    "fetch.queue.backoff.ms": 10,
    "fetch.wait.max.ms": 50,
}


class KafkaBench:
    """Topics of one test on a cluster, and workers of one group on them."""

    def __init__(
        self, cluster: KafkaCluster, *, partitions: int = 2, output_config: Mapping[str, str] | None = None
    ) -> None:
        """Make the topics; ``output_config`` is for scores and dead letters."""
        self._partitions = partitions
        self.inputs = cluster.create_topic(unique_name("in"), partitions=partitions)
        self.scores = cluster.create_topic(unique_name("out"), partitions=partitions, config=output_config)
        self.dead = cluster.create_topic(unique_name("dead"), partitions=partitions, config=output_config)
        self.group = unique_name("group")
        self._client = {**cluster.client_settings, **QUICK}
        self._publisher = Producer({**self._client, "enable.idempotence": True, "linger.ms": 5})
        self._published = 0

    def publish(self, count: int, *, value: bytes | None = None) -> None:
        """Queue events, each with a key of its own kind; with ``value``, all with that one."""
        for number in range(self._published, self._published + count):
            event = json.dumps({"id": str(number), "x": float(number)}).encode() if value is None else value
            self._publisher.produce(self.inputs, event, b"k%d" % (number % 7))
            self._publisher.poll(0)
        self._published += count

    def flush(self) -> None:
        """Wait until all that was published is on the topic."""
        assert self._publisher.flush(PATIENCE_S) == 0

    def worker(
        self,
        *,
        slot: str = "0",
        telemetry: Telemetry | None = None,
        limits: Limits | None = None,
        member: Mapping[str, Any] | None = None,
        watchdog: Watchdog | None = None,
        codec: FeatureCodec | None = None,
    ) -> ScoringWorker:
        """Return a worker of the group; ``slot`` makes its transactional id, ``member`` its consumer's settings."""
        chosen = Limits(max_records=200, transaction_timeout=10.0) if limits is None else limits
        sink = KafkaSink(
            {**self._client, "linger.ms": 5, "partitioner": "murmur2_random"},
            transactional_id=f"{self.group}-{slot}",
            transaction_timeout=chosen.transaction_timeout,
        )
        return scoring_worker(
            KafkaSource({**self._client, **MEMBER, **(member or {})}, group_id=self.group, topics=[self.inputs]),
            sink,
            scores=self.scores,
            dead_letters=self.dead,
            limits=chosen,
            codec=codec,
            telemetry=telemetry,
            watchdog=watchdog,
            now_ms=now_ms,
        )

    def committed(self) -> int:
        """Return how many events the group has committed, over all partitions; 0 while nobody can say.

        Asked of a consumer, not of the admin client: that one crashes the process when the coordinator
        has only just come back (librdkafka 2.16: an error in the answer goes to a group it does not have).
        """
        asked = Consumer({**self._client, "group.id": self.group, "isolation.level": "read_uncommitted"})
        try:
            partitions = [ClientPartition(self.inputs, number) for number in range(self._partitions)]
            return sum(max(0, found.offset) for found in asked.committed(partitions, timeout=5))
        except KafkaException:  # the broker is away, or has just come back
            return 0
        finally:
            asked.close()

    def wait_until_committed(self, count: int | None = None, *, patience: float = PATIENCE_S) -> None:
        """Wait until the group has committed so many events, or all that were published."""
        wanted = self._published if count is None else count
        wait_until(lambda: self.committed() >= wanted, f"{wanted} events committed", patience=patience)

    def violations(self) -> str:
        """Return what a stranger finds wrong with the outcome; empty when nothing is."""
        evidence = collect(
            self._client, group=self.group, inputs=[self.inputs], scores=self.scores, dead_letters=self.dead
        )
        assert len(evidence.inputs) == self._published
        return str(judge(evidence))


def now_ms() -> int:
    """Return the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def wait_until(holds: Callable[[], bool], what: str, *, patience: float = PATIENCE_S) -> None:
    """Wait until something holds, or fail saying what never did."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.05)


class Running:
    """A worker in a thread of its own; ``failure`` is what ended it, if anything did."""

    def __init__(self, worker: ScoringWorker) -> None:
        """Start it."""
        self.worker = worker
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Return whether it still works."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ask it to stop and wait until it has."""
        self.worker.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the worker does not stop"

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:
            self.failure = error


@contextmanager
def running(worker: ScoringWorker) -> Iterator[Running]:
    """Let a worker run while the block does, and stop it at the end."""
    started = Running(worker)
    try:
        yield started
    finally:
        started.stop()
