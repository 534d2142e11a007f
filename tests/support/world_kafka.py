"""The world of the simulation on a real Apache Kafka, so that the broker in memory cannot prove itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from consumer.kafka import KafkaSource
from consumer.source import RecordSource
from consumer.worker import Limits
from producer.broker_faults import Call
from producer.kafka import KafkaSink
from producer.sink import RecordSink
from tests.faults.collect import headers_of
from tests.faults.judge import Evidence, InputRecord, OutputRecord, Source, judge
from tests.support.kafka import KafkaCluster, unique_name
from tests.support.kafka_scoring import MEMBER, PATIENCE_S, QUICK, now_ms, wait_until
from tests.support.kafka_wire import remove_member
from tests.support.scoring import RecordingTelemetry, scoring_worker
from tests.support.world import (
    Event,
    HastyStop,
    Interrupts,
    Member,
    Outcome,
    RegistryCodec,
    Versions,
    buried,
    expected_dead,
    scored,
)
from tests.support.world_faults import FaultySink, FaultySource

PARTITIONS = 2
POLL_S = 0.1
ROUND_S = 0.35  # a join takes a part of it; a partition that somebody else holds takes longer than any round
TRANSACTION_S = 10.0  # longer than a run's steps take: no transaction ends by the coordinator's timer
READ_S = 0.02
SETTLED_S = 0.3


class KafkaWorld:
    """Fresh topics and a fresh group on a running broker.

    What differs from the world in memory: a transaction that times out is ended by a second producer of the same id,
    which to the first is the same (its transaction is aborted and its epoch over) and takes no waiting. When a late
    commit arrives is the broker's choice, so ``finish_late`` only waits for it. A killed process stays in its group
    until its session times out: its client lives on, without a worker, until ``forget_the_dead`` or until it has kept
    another member waiting for one round.
    """

    def __init__(self, cluster: KafkaCluster) -> None:
        """Make the topics and the clients that look on."""
        self.script = Interrupts()
        self.champion = Versions()
        self.registry = RegistryCodec()
        self._address = cluster.bootstrap_servers
        self._client: dict[str, Any] = {**cluster.client_settings, **QUICK}
        self._in, self._out, self._dead = (
            cluster.create_topic(unique_name(stem), partitions=PARTITIONS) for stem in ("in", "out", "dead")
        )
        self._group = unique_name("group")
        self._events: dict[Event, bytes | None] = {}
        self._publisher = Producer({**self._client, "linger.ms": 0})
        self._upstream = Producer({**self._client, "linger.ms": 0, "transactional.id": unique_name("upstream")})
        self._upstream.init_transactions(PATIENCE_S)
        self._asked = self._onlooker("read_committed")
        self._uncommitted = self._onlooker("read_uncommitted")
        self._reader = self._onlooker("read_committed")
        self._outputs = [(topic, number) for topic in (self._out, self._dead) for number in range(PARTITIONS)]
        self._reader.assign([TopicPartition(*at, OFFSET_BEGINNING) for at in self._outputs])
        self._read_up_to: dict[tuple[str, int], int] = {}
        self._read: list[Message] = []
        self._sinks: list[FaultySink] = []
        self._sources: list[KafkaSource] = []
        self._ghosts: list[KafkaSource] = []

    def publish(self, partition: int, values: Sequence[bytes | None]) -> None:
        """Append events, and wait until they are there."""
        self._append(self._publisher, partition, values, self._note)
        assert self._publisher.flush(PATIENCE_S) == 0

    def publish_in_transaction(self, partition: int, value: bytes, outcome: Literal["committed", "aborted"]) -> None:
        """Append one event in a transaction of the one who writes the input."""
        upstream = self._upstream
        upstream.begin_transaction()
        if outcome == "committed":
            self._append(upstream, partition, [value], self._note)
            upstream.commit_transaction(PATIENCE_S)
        else:
            self._append(upstream, partition, [value], _ignore)
            assert upstream.flush(PATIENCE_S) == 0  # on the topic, before it is undone
            upstream.abort_transaction(PATIENCE_S)

    def member(self, slot: str) -> Member:
        """Return a worker whose source and sink can fail."""
        client, telemetry = self.client_of(slot, "commit"), RecordingTelemetry()
        settings = {**self._client, **MEMBER, "heartbeat.interval.ms": 100}
        inner = KafkaSource(settings | {"fetch.wait.max.ms": 20}, group_id=self._group, topics=[self._in])
        source = FaultySource(inner, self.script, client, expel=lambda: self._remove(inner))
        real = KafkaSink(
            {**self._client, "linger.ms": 0, "partitioner": "murmur2_random"},
            transactional_id=self._id(slot),
            transaction_timeout=TRANSACTION_S,
        )
        sink = FaultySink(real, self.script, client, fence=lambda: self._intrude(slot))
        self._sinks.append(sink)
        self._sources.append(inner)
        worker = scoring_worker(
            cast("RecordSource", source),
            cast("RecordSink", sink),
            scores=self._out,
            dead_letters=self._dead,
            champion=self.champion,
            codec=self.registry,
            limits=Limits(max_records=4, linger=0.0, transaction_timeout=TRANSACTION_S),
            telemetry=telemetry,
            now_ms=now_ms,
        )
        worker._stop = worker._recovery._stop = HastyStop(0.02)
        return Member(slot, worker, cast("RecordSource", source), telemetry)

    def client_of(self, slot: str, call: Call) -> str:  # noqa: ARG002 - one name for all calls of a slot
        """Return the name of a slot."""
        return f"worker-{slot}"

    def do_round(self, member: Member) -> int:
        """Do rounds until one was given records, or nothing is there to be given, or it has waited for long."""
        done = self._try_round(member)
        if done is None and self._ghosts:  # they stand in its way; on Kafka they do so no longer than a session lasts
            self.forget_the_dead()
            done = self._try_round(member)
        return done or 0

    def kill(self, member: Member) -> None:
        """Keep the group member, drop the producer with its transaction open."""
        inner = cast("FaultySource", member.source)._source
        self._sink_of(member).close()
        self._ghosts.append(inner)

    def forget_the_dead(self) -> None:
        """Take them out of the group."""
        while self._ghosts:
            self._ghosts.pop().close()

    def expel(self, member: Member) -> None:
        """Take the member out of the group, as the coordinator does when a session times out."""
        self._remove(cast("FaultySource", member.source)._source)

    def expire(self, slot: str) -> None:
        """Abort what is open and fence its producer."""
        self._intrude(slot)

    def finish_late(self, slot: str) -> None:  # noqa: ARG002 - whoever sent it
        """Wait until commits in flight have had their answer."""
        for sink in self._sinks:
            while sink.late:
                sink.late.pop().join(PATIENCE_S)

    def events(self) -> Mapping[Event, bytes | None]:
        """Return what was acknowledged when it was published."""
        return self._events

    def outcomes(self) -> list[Outcome]:
        """Read on, and return what was read by now, each partition in its order."""
        self._read_on()
        return [self._outcome(message) for message in self._read]

    def committed(self) -> Mapping[int, int] | None:
        """Return the group's next offsets, once no open transaction may move them."""
        wanted = [TopicPartition(self._in, number) for number in range(PARTITIONS)]
        try:
            found = self._asked.committed(wanted, timeout=SETTLED_S)
        except KafkaException:
            return None
        if any(position.error is not None for position in found):
            return None
        return {position.partition: position.offset for position in found if position.offset >= 0}

    def rounds_to_recover(self) -> Iterable[int]:
        """Yield for some time."""
        deadline, number = time.monotonic() + PATIENCE_S, 0
        while time.monotonic() < deadline:
            yield number
            number += 1

    def verdict(self) -> str:
        """Read everything there is and show it to the judge."""
        end = self._ends(self._uncommitted, self._outputs)
        # Markers are written behind the answer to a commit.
        wait_until(lambda: self._ends(self._asked, self._outputs) == end, "the end of all transactions")
        wait_until(lambda: self._read_to(end), "the end of the outputs")
        by_topic = {topic: [m for m in self._read if m.topic() == topic] for topic in (self._out, self._dead)}
        evidence = Evidence(
            inputs=[InputRecord(Source(self._in, *event), value) for event, value in self._events.items()],
            scores=[self._output(message) for message in by_topic[self._out]],
            dead_letters=[self._output(message) for message in by_topic[self._dead]],
            committed={(self._in, partition): offset for partition, offset in (self.committed() or {}).items()},
        )
        return str(judge(evidence, expected_dead=expected_dead(self._in, self._events)))

    def close(self) -> None:
        """Let go of the clients."""
        self.finish_late("")
        for source in self._sources:
            source.close()
        for sink in self._sinks:
            sink.close()
        for client in (self._reader, self._asked, self._uncommitted):
            client.close()

    def _onlooker(self, isolation: str) -> Consumer:
        """Return a client that reads and asks, and is no member of the group."""
        return Consumer(
            {
                **self._client,
                "group.id": self._group,
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "fetch.queue.backoff.ms": 10,
            }
        )

    def _try_round(self, member: Member) -> int | None:
        """Return what was committed; None where records are to be had but not by this member."""
        source = cast("FaultySource", member.source)
        before, deadline = source.deliveries, time.monotonic() + ROUND_S
        while time.monotonic() < deadline:
            done = member.worker.run_once()
            if source.deliveries != before or self._is_all_committed():
                return done
        return None

    def _read_on(self) -> None:
        while found := self._reader.consume(100, READ_S):
            for message in found:
                error = message.error()
                if error is None:
                    self._read.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    self._read_up_to[message.topic() or "", message.partition() or 0] = message.offset() or 0
        self._read.sort(key=lambda m: (m.topic(), m.partition(), m.offset()))

    def _read_to(self, ends: Mapping[tuple[str, int], int]) -> bool:
        self._read_on()
        return all(self._read_up_to.get(at, -1) >= end for at, end in ends.items())

    @staticmethod
    def _ends(client: Consumer, of: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Return the end of each output partition as this client's isolation sees it."""
        return {at: client.get_watermark_offsets(TopicPartition(*at), timeout=PATIENCE_S)[1] for at in of}

    def _outcome(self, message: Message) -> Outcome:
        if message.topic() == self._out:
            return scored(message.value())
        return buried(headers_of(message))

    def _output(self, message: Message) -> OutputRecord:
        at = (message.topic() or "", message.partition() or 0, message.offset() or 0)
        return OutputRecord(Source(self._in, *self._outcome(message).event), *at, message.key(), message.value())

    def _is_all_committed(self) -> bool:
        committed = self.committed()
        return committed is not None and all(e.offset < committed.get(e.partition, 0) for e in self._events)

    def _append(
        self,
        producer: Producer,
        partition: int,
        values: Sequence[bytes | None],
        then: Callable[[Any, Message], None],
    ) -> None:
        for value in values:
            producer.produce(self._in, value, b"p%d" % partition, partition, on_delivery=then, timestamp=1000)

    def _note(self, error: object, message: Message) -> None:
        assert error is None
        self._events[Event(message.partition() or 0, message.offset() or 0)] = message.value()

    def _sink_of(self, member: Member) -> FaultySink:
        return cast("FaultySink", member.worker._sink)

    def _id(self, slot: str) -> str:
        return f"{self._group}-{slot}"

    def _intrude(self, slot: str) -> None:
        """Open the transactional id in another producer, which then does nothing."""
        intruder = Producer({**self._client, "transactional.id": self._id(slot)})
        with contextlib.suppress(KafkaException):  # a commit is still being finished: then there is nothing to end
            intruder.init_transactions(PATIENCE_S)

    def _remove(self, source: KafkaSource) -> None:
        if source._client is not None and (member_id := source._client.memberid()):
            remove_member(self._address, self._group, member_id)


def _ignore(error: object, message: Message) -> None:
    """Take no note."""


@contextmanager
def hasty_clients() -> Iterator[None]:
    """Let polls and looks at committed offsets wait only a little: one thread runs both workers in turn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consumer.worker.POLL_TIMEOUT_S", POLL_S)
        patch.setattr("consumer.kafka.COMMITTED_TIMEOUT_S", 1.0)
        yield
