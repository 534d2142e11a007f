"""The in-memory broker against a model that is too simple to be wrong: what each transaction wrote, and its end."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from producer.broker import InMemoryBroker
from producer.broker_faults import Fault
from producer.errors import ProducerError, ProducerFenced, RecreateRequired
from producer.memory import InMemorySink
from producer.records import TopicPartition

PARTITIONS = [TopicPartition("t", number) for number in range(2)]
IDS = st.sampled_from(["one", "two"])


class BrokerMachine(RuleBasedStateMachine):
    """Two transactional ids, each with one live sink and perhaps a zombie, and writers without transactions."""

    @initialize()
    def start(self) -> None:
        """Open both ids."""
        self.broker = InMemoryBroker()
        self.broker.create_topic("t", len(PARTITIONS))
        self.sinks: dict[str, InMemorySink] = {}
        self.zombies: dict[str, InMemorySink] = {}
        self.begun: dict[str, list[tuple[int, bytes]]] = {}  # by id: what its open transaction wrote
        self.late: dict[str, list[tuple[int, bytes]]] = {}  # by id: what a commit in flight will show
        self.shown: list[list[bytes]] = [[] for _ in PARTITIONS]  # by partition: what must be visible in the end
        self.written = 0
        self.stable = [0 for _ in PARTITIONS]
        for name in ("one", "two"):
            self.open(name)

    @rule(name=IDS)
    def open(self, name: str) -> None:
        """A new process opens the id: the old one is a zombie, its transaction over."""
        if name in self.sinks:
            self.zombies[name] = self.sinks[name]
        self.sinks[name] = InMemorySink(self.broker, name)
        self.sinks[name].open()
        self.begun.pop(name, None)
        self.show(self.late.pop(name, []))

    @rule(name=IDS, partitions=st.lists(st.integers(0, 1), max_size=4))
    def write(self, name: str, partitions: list[int]) -> None:
        """Write in the transaction of a live sink, beginning it if need be."""
        if name in self.late:
            return
        if name not in self.begun:
            self.sinks[name].begin()
            self.begun[name] = []
        for partition in partitions:
            value = self.new_value()
            self.sinks[name].produce("t", key=None, value=value, timestamp_ms=1, partition=partition)
            self.begun[name].append((partition, value))
        self.sinks[name].flush()

    @rule(partition=st.integers(0, 1))
    def publish(self, partition: int) -> None:
        """Write outside any transaction."""
        value = self.new_value()
        self.broker.publish("t", key=None, value=value, timestamp_ms=1, partition=partition)
        self.show([(partition, value)])

    @precondition(lambda self: self.begun)
    @rule(data=st.data(), fault=st.sampled_from([None, *Fault]))
    def commit(self, data: st.DataObject, fault: Fault | None) -> None:
        """Commit, perhaps with a fault; whatever is not known is settled later by ``open`` or ``arrive``."""
        name = data.draw(st.sampled_from(sorted(self.begun)))
        wrote, sink = self.begun.pop(name), self.sinks[name]
        if fault is None:
            sink.commit()
            self.show(wrote)
            return
        self.broker.faults.fail_next("commit", fault, client=name)
        with pytest.raises(ProducerError, match=r"refused|timed out|opened by another"):
            sink.commit()
        if fault is Fault.ABORT:
            sink.abort()
        elif fault is Fault.TIMEOUT_LATE:
            self.late[name] = wrote
        else:
            self.show(wrote if fault is Fault.TIMEOUT_APPLIED else [])
            self.open(name)

    @precondition(lambda self: self.begun)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        """Abort: what was written is never seen."""
        name = data.draw(st.sampled_from(sorted(self.begun)))
        del self.begun[name]
        self.sinks[name].abort()

    @rule(name=IDS)
    def arrive(self, name: str) -> None:
        """A commit in flight reaches the coordinator; without one nothing happens."""
        self.broker.finish_prepared(name)
        if name in self.late:
            self.show(self.late.pop(name))
            self.open(name)

    @rule(name=IDS)
    def expire(self, name: str) -> None:
        """The coordinator gives up on an open transaction, and its owner finds itself fenced."""
        self.broker.expire(name)
        if self.begun.pop(name, []):
            with pytest.raises(ProducerFenced):
                self.sinks[name].commit()
        if name not in self.late:
            self.open(name)

    @rule(name=IDS)
    def zombie_writes(self, name: str) -> None:
        """A fenced producer never gets anything in."""
        if name in self.zombies:
            with pytest.raises(RecreateRequired):
                write_and_commit(self.zombies[name])

    @invariant()
    def nothing_but_the_committed_is_visible(self) -> None:
        """A ``read_committed`` reader sees what is committed, each record once, nothing else.

        Behind an open transaction it may not see all of it yet.
        """
        for partition, at in enumerate(PARTITIONS):
            seen = [record.value or b"" for record in self.broker.read(at).records]
            assert sorted(seen) == sorted(set(seen) & set(self.shown[partition]))
            assert seen == sorted(seen), "a reader got records out of order"

    @invariant()
    def all_is_visible_once_nothing_is_open(self) -> None:
        """Without open transactions the stable offset is the end and every committed record is there."""
        if self.begun or self.late:
            return
        for partition, at in enumerate(PARTITIONS):
            assert self.broker.stable_offset(at) == self.broker.end_offset(at)
            assert [r.value for r in self.broker.read(at).records] == sorted(self.shown[partition])

    @invariant()
    def stable_offset_never_goes_back(self) -> None:
        """What a reader could pass it can pass for ever, and never past the end."""
        for partition, at in enumerate(PARTITIONS):
            stable = self.broker.stable_offset(at)
            assert self.stable[partition] <= stable <= self.broker.end_offset(at)
            self.stable[partition] = stable

    def new_value(self) -> bytes:
        """Return a value that sorts after all before it, as offsets do."""
        self.written += 1
        return b"%06d" % self.written

    def show(self, wrote: list[tuple[int, bytes]]) -> None:
        """Note what is committed."""
        for partition, value in wrote:
            self.shown[partition].append(value)


def write_and_commit(sink: InMemorySink) -> None:
    """Write one record, in the transaction that is begun or a new one, and commit."""
    with contextlib.suppress(RuntimeError):  # begun already
        sink.begin()
    sink.produce("t", key=None, value=b"zombie", timestamp_ms=1, partition=0)
    sink.commit()


TestBroker: Any = BrokerMachine.TestCase
TestBroker.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
