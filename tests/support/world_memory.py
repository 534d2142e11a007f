"""The world of the simulation on the in-memory broker, where everything is quick and nothing happens by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import pytest

from consumer.memory import InMemorySource
from consumer.worker import Limits
from producer.broker import InMemoryBroker
from producer.broker_faults import Call
from producer.broker_log import LogRecord
from producer.memory import InMemorySink
from producer.records import TopicPartition
from producer.sink import RecordSink
from tests.faults.judge import Evidence, InputRecord, OutputRecord, Source, judge
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

GROUP = "group"
ROUNDS_TO_RECOVER = 60  # each commits a batch or gets over one failure
PARTITIONS = range(2)


class MemoryWorld:
    """A broker of its own; faults are the broker's own, and time passes only by rules.

    Everything has a counterpart. A client of the script is a transactional id or, for what a source does, the group.
    """

    def __init__(
        self,
        *,
        sink: Callable[[InMemoryBroker, str], RecordSink] = InMemorySink,
        source: Callable[[InMemoryBroker, str, Sequence[str]], InMemorySource] = InMemorySource,
        registry: RegistryCodec | None = None,
    ) -> None:
        """Make the topics; ``sink``, ``source`` and ``registry`` can be others, for the planting of faults."""
        self.script = Interrupts()
        self.champion = Versions()
        self.registry = RegistryCodec() if registry is None else registry
        self._make_sink = sink
        self._make_source = source
        self._broker = InMemoryBroker()
        for topic in ("in", "out", "dead"):
            self._broker.create_topic(topic, len(PARTITIONS))
        self._upstream = InMemorySink(self._broker, "upstream")
        self._upstream.open()
        self._broker.faults = self.script
        self._ghosts: list[str] = []

    def publish(self, partition: int, values: Sequence[bytes | None]) -> None:
        """Append events."""
        for value in values:
            self._broker.publish("in", key=b"p%d" % partition, value=value, timestamp_ms=1000, partition=partition)

    def publish_in_transaction(self, partition: int, value: bytes, outcome: Literal["committed", "aborted"]) -> None:
        """Append one event in a transaction of the one who writes the input."""
        upstream = self._upstream
        upstream.begin()
        upstream.produce("in", key=b"p%d" % partition, value=value, timestamp_ms=1000, partition=partition)
        upstream.flush()
        upstream.commit() if outcome == "committed" else upstream.abort()

    def member(self, slot: str) -> Member:
        """Return a worker that waits for nothing."""
        source, telemetry = self._make_source(self._broker, GROUP, ["in"]), RecordingTelemetry()
        worker = scoring_worker(
            source,
            self._make_sink(self._broker, f"worker-{slot}"),
            champion=self.champion,
            codec=self.registry,
            limits=Limits(max_records=4, linger=0.0),
            telemetry=telemetry,
        )
        worker._stop = worker._recovery._stop = HastyStop(0.0)
        return Member(slot, worker, source, telemetry)

    def client_of(self, slot: str, call: Call) -> str:
        """Return the transactional id of a slot, or the group for what a source does."""
        return GROUP if call in {"poll", "rewind"} else f"worker-{slot}"

    def do_round(self, member: Member) -> int:
        """Do one round."""
        return member.worker.run_once()

    def kill(self, member: Member) -> None:
        """Let go of nothing: the member stays in its group, its transaction stays open."""
        self._ghosts.append(_member_id(member))

    def forget_the_dead(self) -> None:
        """Remove them from the group."""
        while self._ghosts:
            self._broker.leave(GROUP, self._ghosts.pop())

    def expel(self, member: Member) -> None:
        """Remove the member from the group."""
        self._broker.leave(GROUP, _member_id(member))

    def expire(self, slot: str) -> None:
        """Let the coordinator's timer end the transaction."""
        self._broker.expire(f"worker-{slot}")

    def finish_late(self, slot: str) -> None:
        """Complete the prepared commit."""
        self._broker.finish_prepared(f"worker-{slot}")

    def events(self) -> Mapping[Event, bytes | None]:
        """Return every event that a reader can see."""
        return {Event(at.partition, record.offset): record.value for at, record in self._read("in")}

    def outcomes(self) -> list[Outcome]:
        """Return all outcomes that a reader can see, each partition in its order."""
        return [
            *(scored(record.value) for _, record in self._read("out")),
            *(buried(record.headers) for _, record in self._read("dead")),
        ]

    def committed(self) -> Mapping[int, int]:
        """Return the group's next offsets; nothing of an open transaction is among them."""
        return {at.partition: offset for at, offset in self._broker.committed(GROUP).items()}

    def rounds_to_recover(self) -> Iterable[int]:
        """Yield a number of times."""
        return range(ROUNDS_TO_RECOVER)

    def verdict(self) -> str:
        """Show the judge all there is."""
        broker = self._broker
        ends = {at: end for topic in ("out", "dead") for at, end in broker.end_offsets(topic).items()}
        evidence = Evidence(
            inputs=[InputRecord(Source("in", *event), value) for event, value in self.events().items()],
            scores=[_output(at, record, scored(record.value)) for at, record in self._read("out")],
            dead_letters=[_output(at, record, buried(record.headers)) for at, record in self._read("dead")],
            committed={("in", partition): offset for partition, offset in self.committed().items()},
            unfinished=[(at.topic, at.partition) for at, end in ends.items() if broker.stable_offset(at) != end],
        )
        return str(judge(evidence, expected_dead=expected_dead("in", self.events())))

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _read(self, topic: str) -> Iterator[tuple[TopicPartition, LogRecord]]:
        for at in (TopicPartition(topic, number) for number in PARTITIONS):
            for record in self._broker.read(at).records:
                yield at, record


@contextmanager
def hasty_polls() -> Iterator[None]:
    """Let no poll wait: the machine decides what happens next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consumer.worker.POLL_TIMEOUT_S", 0.0)
        yield


def _member_id(member: Member) -> str:
    """Return the member id, empty while it has not joined."""
    assert isinstance(member.source, InMemorySource)
    return member.source.member_id


def _output(at: TopicPartition, record: LogRecord, outcome: Outcome) -> OutputRecord:
    return OutputRecord(Source("in", *outcome.event), *at, record.offset, record.key, record.value)
