"""Two real workers, and whatever can happen to them, in any order: the rules once, for every world.

Hypothesis plays the cluster: calls fail with every outcome, processes are killed and paused in the middle of
a transaction, members come, go and are expelled, models change, the schema registry goes away. Whatever it does,
a reader must find one outcome of each event, in order, and once the trouble ends all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from consumer.errors import IdentityTaken
from producer.broker_faults import Call, Fault
from tests.support.scoring import BEAST
from tests.support.world import Killed, Member, World, event_value, expected_score

Happening = Literal[
    "killed",
    "sessions time out",
    "leaves",
    "joins",
    "expelled",
    "expired",
    "taken over",
    "other runs",
    "fenced and taken over",
    "commit arrives",
    "model swapped",
    "registry away",
    "registry back",
]
CALLS = st.sampled_from(get_args(Call))
UNKNOWN = st.sampled_from([Fault.TIMEOUT_APPLIED, Fault.TIMEOUT_LATE, Fault.TIMEOUT_LOST])
HAPPENINGS = st.sampled_from(get_args(Happening))
SLOTS = st.sampled_from(["a", "b"])
PARTITIONS = range(2)
VALUES = [event_value(1.0), event_value(2.5), event_value(BEAST), b"{", None]


class WorkerMachine(RuleBasedStateMachine):
    """Slots ``a`` and ``b``: at most one live worker each, and the ghosts of those that were killed."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.members: dict[str, Member] = {}
        self.running: list[str] = []
        self.has_input = False  # since the end of the last trouble
        self.has_trouble = False

    @initialize()
    def start(self) -> None:
        """Begin with one worker and nothing to do."""
        self.join("a")

    @rule(partition=st.integers(0, 1), values=st.lists(st.sampled_from(VALUES), max_size=6))
    def produce_input(self, partition: int, values: list[bytes | None]) -> None:
        """Events arrive: good ones, one the model raises on, undecodable ones, a tombstone."""
        self.world.publish(partition, values)
        self.has_input = True

    @rule(partition=st.integers(0, 1), outcome=st.sampled_from(["committed", "aborted"]))
    def produce_input_in_transaction(self, partition: int, outcome: Literal["committed", "aborted"]) -> None:
        """An event arrives in somebody's transaction, so that offsets have holes."""
        self.world.publish_in_transaction(partition, event_value(4.0), outcome)
        self.has_input = True

    @precondition(lambda self: self.has_input)
    @rule(slot=SLOTS, times=st.integers(1, 3))
    def run(self, slot: str, times: int = 1) -> None:
        """Let a worker do some rounds; one that ends or is killed is gone. Without schemas it commits nothing."""
        for _ in range(times):
            member = self.members.get(slot)
            if member is None or slot in self.running:
                return
            registry = self.world.registry
            is_away, returns = registry.is_away, registry.returns
            self.running.append(slot)
            try:
                done = self.world.do_round(member)
                assert done == 0 or not is_away or registry.returns > returns
            except IdentityTaken:
                del self.members[slot]
                member.worker.close()
            except Killed:
                self.world.kill(self.members.pop(slot))
            finally:
                self.running.remove(slot)

    @rule(slot=SLOTS, call=CALLS, fault=st.sampled_from(Fault), skip=st.integers(0, 2))
    def run_into_a_fault(self, slot: str, call: Call, fault: Fault, skip: int) -> None:
        """A call of a worker with work to do fails, with any outcome, and it goes on."""
        self.world.script.fail_next(call, fault, client=self.world.client_of(slot, call), skip=skip)
        self.run_with_work(slot)

    @rule(slot=SLOTS, call=CALLS, what=HAPPENINGS, fault=st.none() | UNKNOWN)
    def run_into_a_happening(self, slot: str, call: Call, what: Happening, fault: Fault | None) -> None:
        """Something happens at any step of a worker's transaction, perhaps with a commit that times out."""
        script = self.world.script
        script.interrupt_next(call, self.world.client_of(slot, call), lambda: self.happen(slot, what))
        if fault is not None:
            script.fail_next("commit", fault, client=self.world.client_of(slot, "commit"))
        self.run_with_work(slot)

    @rule(slot=SLOTS, what=HAPPENINGS)
    def happen(self, slot: str, what: Happening) -> None:
        """Something happens to a slot or to all, between two batches or (if it is running) in the middle of one."""
        actions: dict[Happening, Sequence[Callable[[str], None]]] = {
            "killed": [self.die],
            "sessions time out": [lambda _: self.world.forget_the_dead()],
            "leaves": [self.leave],
            "joins": [self.join],
            "expelled": [self.expel],
            "expired": [self.world.expire],
            "taken over": [self.expel, self.let_other_run],
            "other runs": [self.let_other_run],
            "fenced and taken over": [self.expel, self.world.expire, self.let_other_run],
            "commit arrives": [self.world.finish_late],
            "model swapped": [lambda _: self.world.champion.swap()],
            "registry away": [lambda _: self.world.registry.go_away()],
            "registry back": [lambda _: self.world.registry.come_back()],
        }
        self.has_trouble = True
        for act in actions[what]:
            act(slot)

    @precondition(lambda self: self.has_trouble)
    @rule()
    def trouble_ends(self) -> None:
        """Without new faults everything is scored, without a human, and a stranger finds nothing wrong."""
        self.recover()
        assert self.world.verdict() == ""

    @invariant()
    def no_outcome_is_doubled_or_early(self) -> None:
        """At every moment: at most one outcome for each event, and only for events below the committed offset."""
        found = [outcome.event for outcome in self.world.outcomes()]
        assert len(found) == len(set(found))
        committed = self.world.committed()
        if committed is not None:
            assert [event for event in found if event.offset >= committed.get(event.partition, 0)] == []

    @invariant()
    def order_is_kept(self) -> None:
        """Scores of one input partition stand in its order, and none is by an older model than the one before."""
        outcomes = self.world.outcomes()
        for partition in PARTITIONS:
            scores = [o for o in outcomes if o.event.partition == partition and o.version is not None]
            offsets, versions = [o.event.offset for o in scores], [int((o.version or "")[1:]) for o in scores]
            assert (offsets, versions) == (sorted(offsets), sorted(versions))

    @invariant()
    def every_outcome_is_right(self) -> None:
        """A readable event has its score; what cannot be scored, and only that, is a dead letter."""
        events = self.world.events()
        for outcome in self.world.outcomes():
            assert outcome.score == expected_score(events[outcome.event])

    def teardown(self) -> None:
        """End every run with the end of trouble."""
        try:
            self.trouble_ends()
        finally:
            for member in self.members.values():
                member.worker.close()
            self.world.close()

    def run_with_work(self, slot: str) -> None:
        """Let a worker do some rounds on new events, the other one (if it lives) beside it."""
        self.join(slot)
        self.has_input = self.has_trouble = True
        for partition in PARTITIONS:
            self.world.publish(partition, VALUES[:2])
        for _ in range(3):
            self.run(slot)
            self.run(other_than(slot))

    def join(self, slot: str) -> None:
        """Start a process in its slot, if there is none."""
        if slot not in self.members:
            self.members[slot] = self.world.member(slot)

    def leave(self, slot: str) -> None:
        """Stop a process cleanly; one that is in the middle of something ends that first, so nothing happens."""
        if slot in self.members and slot not in self.running:
            self.members.pop(slot).worker.close()

    def die(self, slot: str) -> None:
        """Kill a process; the group and the coordinator do not know it yet."""
        if slot in self.running:
            raise Killed
        if slot in self.members:
            self.world.kill(self.members.pop(slot))

    def expel(self, slot: str) -> None:
        """Let the group give up on a live member that was paused; it does not know."""
        if slot in self.members:
            self.world.expel(self.members[slot])

    def let_other_run(self, slot: str) -> None:
        """Let the other slot work for a while."""
        self.join(other_than(slot))
        self.run(other_than(slot), times=3)

    def recover(self) -> None:
        """End all trouble and let the workers go on until nothing is left to do."""
        self.world.script.clear()
        self.world.forget_the_dead()
        self.world.registry.come_back()
        for _ in self.world.rounds_to_recover():
            for slot in ("a", "b"):  # a slot that stays empty would leave its transaction to the coordinator's timer
                self.join(slot)
                self.run(slot)
            if self.is_done():
                self.has_input = self.has_trouble = False
                return
        raise AssertionError(f"the workers do not recover: {self.world.committed()} of {self.world.events().keys()}")

    def is_done(self) -> bool:
        """Return whether the group has committed past the last event of each partition, and nobody waits any more."""
        committed = self.world.committed()
        return (
            committed is not None
            and all(event.offset < committed.get(event.partition, 0) for event in self.world.events())
            and all(member.telemetry.waiting_for == "" for member in self.members.values())
        )


def other_than(slot: str) -> str:
    """Return the other slot."""
    return "b" if slot == "a" else "a"


def run_simulation(world: Callable[[], World], budget: settings) -> None:
    """Let Hypothesis play with a fresh world each time; raises what the first world that breaks a rule raised."""

    class Machine(WorkerMachine):
        def __init__(self) -> None:
            super().__init__(world())

    run_state_machine_as_test(Machine, settings=budget)
