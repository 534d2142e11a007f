"""Two real workers on the in-memory broker, and whatever can happen to them, in any order.

Hypothesis plays the cluster: calls fail with every outcome, processes are killed and paused in the middle of
a transaction, members come, go and are expelled, models change. Whatever it does, a reader must find one
outcome of each event, in order, and once the trouble ends all of them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from consumer.errors import IdentityTaken
from consumer.memory import InMemorySource
from consumer.worker import ScoringWorker
from models.live import LiveModel
from producer.broker_faults import Call, Fault, FaultScript
from producer.memory import InMemorySink
from producer.records import TopicPartition
from tests.support.scoring import BEAST, Bench, live

PARTITIONS = [TopicPartition("in", number) for number in range(2)]
UPSTREAM = "upstream"  # the transactional id of whoever writes the input
ROUNDS_TO_RECOVER = 60  # each commits a batch or gets over one failure

Interruption = Literal["killed", "expelled", "expired", "taken over", "other runs", "fenced and taken over"]
CALLS = st.sampled_from(get_args(Call))
SINK_CALLS = st.sampled_from(["begin", "produce", "flush", "send_offsets", "commit", "abort", "open"])
COMMIT_FAULTS = st.sampled_from([Fault.TIMEOUT_APPLIED, Fault.TIMEOUT_LATE, Fault.TIMEOUT_LOST])
SLOTS = st.sampled_from(["a", "b"])


class Killed(BaseException):
    """SIGKILL: no handler of the worker may catch it."""


@dataclass
class Interrupts(FaultScript):
    """Faults, and things that happen to the rest of the world just before a call."""

    _actions: list[tuple[Call, str, Callable[[], None]]] = field(default_factory=list)

    def interrupt_next(self, call: Call, client: str, action: Callable[[], None]) -> None:
        """Run ``action`` when ``client`` makes its next ``call``."""
        self._actions.append((call, client, action))

    def take(self, call: Call, client: str) -> Fault | None:
        """Let happen what is to happen, then fail the call or not; who writes the input is left alone."""
        if client == UPSTREAM:
            return None
        for place, (wanted, whose, action) in enumerate(self._actions):
            if (wanted, whose) == (call, client):
                del self._actions[place]
                action()
                break
        return super().take(call, client)

    def clear(self) -> None:
        """Forget everything still to come."""
        self._actions.clear()
        super().clear()


class Outcome(NamedTuple):
    """What a ``read_committed`` reader finds of one event."""

    source: TopicPartition
    offset: int
    score: float | None
    version: str | None


@dataclass
class Versions:
    """A champion that can be swapped at any moment, as the store's alias can."""

    latest: int = 1

    def current(self) -> LiveModel:
        """Return the live model."""
        return live(f"v{self.latest}")

    def reject(self, version: str, detail: str) -> None:
        """Fail: no model here is broken."""
        raise AssertionError(f"{version} was rejected: {detail}")


class NeverWaits(threading.Event):
    """A stop flag whose waits are over at once."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - the signature of Event
        """Return whether it is set."""
        return self.is_set()


class WorkerMachine(RuleBasedStateMachine):
    """Slots ``a`` and ``b``: at most one live worker each, and the ghosts of those that were killed."""

    @initialize()
    def start(self) -> None:
        """Begin with one worker and nothing to do."""
        self.bench = Bench()
        self.broker = self.bench.broker
        self.script = Interrupts()
        self.broker.faults = self.script
        self.champion = Versions()
        self.workers: dict[str, ScoringWorker] = {}
        self.running: list[str] = []
        self.ghosts: list[str] = []
        self.join("a")

    @rule(partition=st.integers(0, 1), values=st.lists(st.sampled_from([1.0, 2.5, BEAST, b"{", None]), max_size=6))
    def produce_input(self, partition: int, values: list[bytes | float | None]) -> None:
        """Events arrive: good ones, one the model raises on, undecodable ones, a tombstone."""
        for value in values:
            raw = json.dumps({"id": "e", "x": value}).encode() if isinstance(value, float) else value
            self.broker.publish("in", key=b"p%d" % partition, value=raw, timestamp_ms=1000, partition=partition)

    @rule(partition=st.integers(0, 1), outcome=st.sampled_from(["committed", "aborted"]))
    def produce_input_in_transaction(self, partition: int, outcome: Literal["committed", "aborted"]) -> None:
        """An event arrives in somebody's transaction, so that offsets have holes."""
        upstream = InMemorySink(self.broker, UPSTREAM)
        upstream.open()
        upstream.begin()
        key, value = b"p%d" % partition, b'{"id":"t","x":4.0}'
        upstream.produce("in", key=key, value=value, timestamp_ms=1000, partition=partition)
        upstream.flush()
        upstream.commit() if outcome == "committed" else upstream.abort()

    @rule(slot=SLOTS, times=st.integers(1, 3))
    def run(self, slot: str, times: int = 1) -> None:
        """Let a worker do some rounds; one that ends or is killed is gone."""
        for _ in range(times):
            worker = self.workers.get(slot)
            if worker is None or slot in self.running:
                return
            self.running.append(slot)
            try:
                worker.run_once()
            except IdentityTaken:
                del self.workers[slot]
                worker.close()
            except Killed:
                self.crash(slot)
            finally:
                self.running.remove(slot)

    @rule(slot=SLOTS)
    def join(self, slot: str) -> None:
        """A process starts, or starts again, in its slot."""
        if slot not in self.workers:
            worker = self.bench.worker(champion=self.champion, slot=slot, max_records=4)
            worker._stop = worker._recovery._stop = NeverWaits()
            self.workers[slot] = worker

    @rule(slot=SLOTS)
    def leave(self, slot: str) -> None:
        """A process stops cleanly."""
        worker = self.workers.pop(slot, None)
        if worker is not None:
            worker.close()

    @rule(slot=SLOTS)
    def crash(self, slot: str) -> None:
        """A process dies; the group and the coordinator do not know it yet."""
        if slot in self.workers:
            self.ghosts.append(self.member_of(slot))
            del self.workers[slot]

    @rule()
    def sessions_time_out(self) -> None:
        """The group gives up on the dead."""
        while self.ghosts:
            self.broker.leave("group", self.ghosts.pop())

    @rule(slot=SLOTS)
    def expel(self, slot: str) -> None:
        """The group gives up on a live member that was paused; it does not know."""
        if slot in self.workers:
            self.broker.leave("group", self.member_of(slot))

    @rule(slot=SLOTS)
    def transaction_times_out(self, slot: str) -> None:
        """The coordinator aborts what is open and fences its producer."""
        self.broker.expire(f"worker-{slot}")

    @rule(slot=SLOTS)
    def late_commit_arrives(self, slot: str) -> None:
        """A commit in flight is finished by the coordinator."""
        self.broker.finish_prepared(f"worker-{slot}")

    @rule(slot=SLOTS, call=CALLS, fault=st.sampled_from(Fault), skip=st.integers(0, 2))
    def run_into_a_fault(self, slot: str, call: Call, fault: Fault, skip: int) -> None:
        """A call of a worker with work to do fails, with any outcome, and it goes on."""
        client = "group" if call in {"poll", "rewind"} else f"worker-{slot}"
        self.script.fail_next(call, fault, client=client, skip=skip)
        self.run_with_work(slot)

    @rule(slot=SLOTS, call=SINK_CALLS, what=st.sampled_from(get_args(Interruption)), fault=st.none() | COMMIT_FAULTS)
    def run_into_an_interruption(self, slot: str, call: Call, what: Interruption, fault: Fault | None) -> None:
        """Something happens in the middle of a worker's transaction, perhaps with a commit that times out."""
        self.script.interrupt_next(call, f"worker-{slot}", lambda: self.happen(slot, what))
        if fault is not None:
            self.script.fail_next("commit", fault, client=f"worker-{slot}")
        self.run_with_work(slot)

    @rule()
    def swap_model(self) -> None:
        """The next version is promoted."""
        self.champion.latest += 1

    @rule()
    def trouble_ends(self) -> None:
        """Without new faults everything is scored, without a human."""
        self.recover()
        expected = self.inputs()
        assert sorted((outcome.source, outcome.offset) for outcome in self.outcomes()) == sorted(expected)
        assert self.committed_all(expected)

    @invariant()
    def no_outcome_is_doubled_or_early(self) -> None:
        """At every moment: at most one outcome for each event, and only for events below the committed offset."""
        found = [(outcome.source, outcome.offset) for outcome in self.outcomes()]
        assert len(found) == len(set(found))
        committed = self.broker.committed("group")
        assert [event for event in found if event[1] >= committed.get(event[0], 0)] == []

    @invariant()
    def order_is_kept(self) -> None:
        """Scores of one input partition stand in its order, and none is by an older model than the one before."""
        for source in PARTITIONS:
            scores = [o for o in self.outcomes() if o.source == source and o.version is not None]
            offsets, versions = [o.offset for o in scores], [int((o.version or "")[1:]) for o in scores]
            assert (offsets, versions) == (sorted(offsets), sorted(versions))

    @invariant()
    def every_outcome_is_right(self) -> None:
        """A readable event has its score; what cannot be scored is a dead letter."""
        for outcome in self.outcomes():
            value = self.inputs()[outcome.source, outcome.offset]
            assert outcome.score == expected_score(value)

    def teardown(self) -> None:
        """End every run with the end of trouble."""
        self.trouble_ends()

    def run_with_work(self, slot: str) -> None:
        """Let a worker do some rounds on new events; one batch may hold both partitions."""
        self.join(slot)
        for partition in range(2):
            self.produce_input(partition, [1.0, 2.5])
        self.run(slot, times=3)

    def happen(self, slot: str, what: Interruption) -> None:
        """Do what an interruption says, while ``slot`` is in the middle of something."""
        other = "b" if slot == "a" else "a"
        if what == "killed":
            raise Killed
        if what in {"expelled", "taken over", "fenced and taken over"}:
            self.expel(slot)
        if what in {"expired", "fenced and taken over"}:
            self.transaction_times_out(slot)
        if what in {"taken over", "other runs", "fenced and taken over"}:
            self.join(other)
            self.run(other, times=3)

    def recover(self) -> None:
        """End all trouble and let the workers go on until nothing is left to do."""
        self.script.clear()
        self.sessions_time_out()
        for slot in ("a", "b"):  # a slot that stays empty would leave its transaction to the coordinator's timer
            self.join(slot)
        for _ in range(ROUNDS_TO_RECOVER):
            self.run("a")
            self.run("b")
            self.join("a")
            self.join("b")
            if self.committed_all(self.inputs()):
                return
        raise AssertionError(f"not done after {ROUNDS_TO_RECOVER} rounds: {self.broker.committed('group')}")

    def member_of(self, slot: str) -> str:
        """Return the member id of a live worker, empty while it has not joined."""
        source = self.workers[slot]._source
        assert isinstance(source, InMemorySource)
        return source.member_id

    def inputs(self) -> dict[tuple[TopicPartition, int], bytes | None]:
        """Return every event that a reader can see."""
        return {(at, record.offset): record.value for at in PARTITIONS for record in self.broker.read(at).records}

    def committed_all(self, events: dict[tuple[TopicPartition, int], bytes | None]) -> bool:
        """Return whether the group has committed past the last event of each partition."""
        committed = self.broker.committed("group")
        return all(offset < committed.get(at, 0) for at, offset in events)

    def outcomes(self) -> list[Outcome]:
        """Return all outcomes that a reader can see, in the order they stand."""
        scores = [json.loads(r.value or b"") for at in self.parts_of("out") for r in self.broker.read(at).records]
        letters = [dict(r.headers) for at in self.parts_of("dead") for r in self.broker.read(at).records]
        return [scored(record) for record in scores] + [buried(headers) for headers in letters]

    @staticmethod
    def parts_of(topic: str) -> list[TopicPartition]:
        """Return the partitions of an output topic."""
        return [TopicPartition(topic, number) for number in range(2)]


def scored(record: dict[str, Any]) -> Outcome:
    """Return what a score record says."""
    source = PARTITIONS[record["source_partition"]]
    return Outcome(source, record["source_offset"], record["score"], record["model_version"])


def buried(headers: dict[str, bytes | None]) -> Outcome:
    """Return what a dead letter says."""
    partition, offset = (int(headers[f"__connect.errors.{name}"] or b"") for name in ("partition", "offset"))
    return Outcome(PARTITIONS[partition], offset, None, None)


def expected_score(value: bytes | None) -> float | None:
    """Return what the model of the bench says of an event; None for one that must be a dead letter."""
    if value in {None, b"{"}:
        return None
    x: float = json.loads(value or b"")["x"]
    return None if x == BEAST else 2 * x


@contextmanager
def hasty_workers() -> Iterator[None]:
    """Let no poll wait: the machine decides what happens next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consumer.worker.POLL_TIMEOUT_S", 0.0)
        yield


def test_workers_deliver_exactly_once_whatever_happens() -> None:
    """One committed outcome of every event, in order, under any sequence of faults; and all of them in the end."""
    with hasty_workers():
        run_state_machine_as_test(
            WorkerMachine,
            settings=settings(
                max_examples=100,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
