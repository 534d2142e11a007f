"""Random lives of buffering workers: whatever happens, each record's row is in its table once."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from buffer.errors import TableUnavailable
from buffer.table import TableName
from consumer.buffering_limits import FlushRule
from consumer.errors import SourceUnreachable
from producer.broker_faults import Fault
from tests.support.buffering import LEFT_OUT, TABLES, BufferBench, InlineErrands, Member, at, hasty_buffering
from tests.support.world import Killed

STEPS = [*(f"{when}_append_{name}" for name in TableName for when in ("before", "after")), "before_group_commit"]
MAX_MEMBERS = 3
FLUSH = FlushRule(interval=3.0, max_records=20)


class BufferingMachine(RuleBasedStateMachine):
    """Publishes, works, kills, splits and fails, and looks at the tables after each step."""

    @initialize(seed=st.integers(0, 1 << 30))
    def begin(self, seed: int) -> None:
        """Make a broker with a little on it, and two members at work."""
        self._patch = hasty_buffering()
        self._patch.__enter__()
        self.rng = random.Random(seed)
        self.bench = BufferBench()
        self.members: list[Member] = []
        self.ghosts: list[str] = []
        self.doom = ""
        for topic in TABLES:
            for partition in range(2):
                self.publish(topic, partition, 3)
        self.join()
        self.join()
        self.work_together(8)

    @rule(topic=st.sampled_from(sorted(TABLES)), partition=st.integers(0, 1), count=st.integers(1, 12))
    def publish(self, topic: str, partition: int, count: int) -> None:
        """Records come in, some of which make no row."""
        for _ in range(count):
            value = LEFT_OUT if self.rng.random() < 0.2 else b"x"
            self.bench.publish(topic, 1, partition=partition, value=value)
        if self.rng.random() < 0.5:
            self.bench.mark(topic, partition=partition)

    @precondition(lambda self: len(self.members) < MAX_MEMBERS)
    @rule()
    def join(self) -> None:
        """A process starts; how soon its tables answer differs."""
        errands = InlineErrands(lambda: self.rng.choice([0, 0, 1, 3]), runs_late=lambda: self.rng.random() < 0.5)
        self.members.append(self.bench.member(errands=errands, reached=self._reached, flush=FLUSH))

    @precondition(lambda self: self.members)
    @rule(pick=st.integers(0, 5), rounds=st.integers(1, 20))
    def work(self, pick: int, rounds: int) -> None:
        """One of them goes on for a while."""
        member = self.members[pick % len(self.members)]
        try:
            self.bench.rounds(rounds, member)
        except Killed:
            self._kill(member)

    @rule(rounds=st.integers(1, 12))
    def work_together(self, rounds: int) -> None:
        """Records keep coming while all of them go on, round by round."""
        for _ in range(rounds):
            self.publish(self.rng.choice(sorted(TABLES)), self.rng.randrange(2), self.rng.randrange(4))
            for member in list(self.members):
                self.work(self.members.index(member), 1)

    @rule(step=st.sampled_from(STEPS))
    def doom_next(self, step: str) -> None:
        """The next process that reaches a step dies there."""
        self.doom = step

    @precondition(lambda self: self.members)
    @rule(pick=st.integers(0, 5))
    def kill(self, pick: int) -> None:
        """A process dies; its group does not know yet."""
        self._kill(self.members[pick % len(self.members)])

    @rule()
    def forget_the_dead(self) -> None:
        """Sessions time out."""
        while self.ghosts:
            self.bench.broker.leave("buffer", self.ghosts.pop())

    @precondition(lambda self: self.members)
    @rule(pick=st.integers(0, 5))
    def expel(self, pick: int) -> None:
        """The group gives up on a live member, which does not know: it is a zombie until its next poll."""
        self.bench.broker.leave("buffer", self.members[pick % len(self.members)].source.member_id)

    @precondition(lambda self: len(self.members) > 1)
    @rule(pick=st.integers(0, 5))
    def freeze(self, pick: int) -> None:
        """One is suspended for longer than its session, with rows in hand; the others go on, then it wakes up."""
        zombie = self.members.pop(pick % len(self.members))
        self.bench.broker.leave("buffer", zombie.source.member_id)
        self.work_together(10)
        self.members.append(zombie)
        self.work(len(self.members) - 1, 3)

    @precondition(lambda self: self.members)
    @rule(pick=st.integers(0, 5))
    def stop(self, pick: int) -> None:
        """A process is asked to end."""
        member = self.members.pop(pick % len(self.members))
        try:
            member.worker.close()
        except Killed:
            self.ghosts.append(member.source.member_id)

    @rule(
        name=st.sampled_from(TableName),
        times=st.integers(1, 3),
        kind=st.sampled_from(["failing", *["failing_after"] * 2]),
    )
    def fail_appends(self, name: TableName, times: int, kind: str) -> None:
        """A table fails, before or after it has written."""
        getattr(self.bench.tables[name], kind).extend([TableUnavailable("away")] * times)

    @rule(name=st.sampled_from(TableName))
    def fail_lookup(self, name: TableName) -> None:
        """A table cannot be looked at."""
        self.bench.tables[name].failing_lookups.append(TableUnavailable("away"))

    @rule()
    def fail_directory(self) -> None:
        """No broker says which topics these are."""
        self.bench.directory.failing.append(SourceUnreachable("no broker"))

    @rule(fault=st.sampled_from([Fault.TIMEOUT_APPLIED, Fault.FENCED]))
    def fail_poll(self, fault: Fault) -> None:
        """A poll loses its records, or the group has given up on its member."""
        self.bench.broker.faults.fail_next("poll", fault, client="buffer")

    @rule(topic=st.sampled_from(sorted(TABLES)))
    def toggle_registry(self, topic: str) -> None:
        """The schemas of a topic cannot be had, or can again."""
        self.bench.intakes[topic].is_away ^= True

    @invariant()
    def rows_are_those_before_the_position(self) -> None:
        """No row is doubled, none before a position is missing, none behind it is there."""
        if not hasattr(self, "bench"):
            return
        for topic in TABLES:
            positions = [self.bench.position(topic, partition) or 0 for partition in range(2)]
            due = [(p, offset) for p, offset in self.bench.expected(topic) if offset < positions[p]]
            assert self.bench.stored(topic) == due, topic

    def teardown(self) -> None:
        """When nothing fails any more, one worker gets everything in, and the group hears of it."""
        if not hasattr(self, "bench"):
            return
        self._heal()
        self.forget_the_dead()
        self.join()
        self.bench.rounds(120, *self.members)
        assert self.bench.misses() == []
        committed = self.bench.broker.committed("buffer")
        ends = {at(t, p): self.bench.position(t, p) for t in TABLES for p in range(2)}
        assert ends == {place: self.bench.broker.end_offset(place) for place in ends}
        assert all(committed.get(place, 0) <= (end or 0) for place, end in ends.items())
        assert all(not member.worker.lacks_tables for member in self.members)
        self._patch.__exit__(None, None, None)

    def _heal(self) -> None:
        self.doom = ""
        self.bench.broker.faults.clear()
        self.bench.directory.failing.clear()
        for table in self.bench.tables.values():
            table.failing.clear()
            table.failing_after.clear()
            table.failing_lookups.clear()
        for intake in self.bench.intakes.values():
            intake.is_away = False

    def _reached(self, step: str) -> None:
        if step == self.doom:
            self.doom = ""
            raise Killed

    def _kill(self, member: Member) -> None:
        self.members.remove(member)
        self.ghosts.append(member.source.member_id)


TestBuffering: Any = BufferingMachine.TestCase
TestBuffering.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_machine_notices_a_table_without_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that takes any rows doubles some, and the invariant sees it: the machine can fail."""
    with hasty_buffering():
        bench = BufferBench()
        bench.publish("features", 5)
        zombie, successor = bench.member(), bench.member()
        bench.rounds(5, zombie)
        bench.broker.leave("buffer", zombie.source.member_id)
        bench.rounds(30, successor)
        load = zombie.worker._flows.last_load()
        assert load is not None
        monkeypatch.setattr(bench.tables[TableName.FEATURES], "_positions", {})
        bench.tables[TableName.FEATURES].append(load.rows[0], list(load.stretches.values()))
        assert len(bench.stored("features")) == 10
