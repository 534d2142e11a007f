"""The simulation on the in-memory broker, and proof that it finds what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, settings

from consumer.memory import InMemorySource
from features.batch import Decoded
from features.codec import HeadersOf
from features.errors import SchemasUnavailable
from features.schema import FeatureSchema
from producer.broker import InMemoryBroker
from producer.broker_groups import GroupMetadata
from producer.errors import RecreateRequired
from producer.memory import InMemoryPlainSink, InMemorySink
from producer.records import NextOffsets
from producer.sink import GroupHandle
from tests.support.worker_machine import run_simulation
from tests.support.world import RegistryCodec
from tests.support.world_memory import MemoryWorld, hasty_polls

BUDGET = settings(
    max_examples=max(100, int(os.environ.get("SIMULATION_EXAMPLES", "0"))),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
ONCE = settings(
    BUDGET, max_examples=100, derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False
)


def test_workers_deliver_exactly_once_whatever_happens() -> None:
    """One committed outcome of every event, in order, under any sequence of faults; and all of them in the end."""
    with hasty_polls():
        run_simulation(MemoryWorld, BUDGET)


class AbortsNothing(InMemorySink):
    """Goes on in the same transaction after an abort, so that what was undone is shown with the next batch."""

    def abort(self) -> None:
        """Pretend."""
        self._outbox.purge()
        self._state = "ready"


class CommitsOffsetsFirst(InMemorySink):
    """Commits the offsets outside the transaction, before the records are safe."""

    def send_offsets(self, offsets: NextOffsets, group: GroupHandle) -> None:
        """Commit at once."""
        group.commit(offsets)


class BelievesInCommits(InMemorySink):
    """Takes a commit whose answer was lost for one that happened."""

    def commit(self) -> None:
        """Swallow the doubt."""
        try:
            super().commit()
        except RecreateRequired:
            super().reopen()


class ForgetsWhoItIs(InMemorySink):
    """Shows the group no member and no generation, so that nothing stops one who was expelled."""

    def send_offsets(self, offsets: NextOffsets, group: GroupHandle) -> None:
        """Send them in nobody's name."""
        assert isinstance(group.metadata, GroupMetadata)
        self._broker.add_offsets(self._producer, offsets, GroupMetadata(group.metadata.group_id))


class NeverGoesBack(InMemorySource):
    """Goes on reading where it stands after a failure."""

    def rewind(self) -> None:
        """Stay."""


class BuriesWithoutSchema(RegistryCodec):
    """Makes dead letters of records whose schema cannot be had now."""

    def decode(
        self, values: Sequence[bytes | None], schema: FeatureSchema, *, headers: HeadersOf | None = None
    ) -> Decoded:
        """Blame the records."""
        try:
            return super().decode(values, schema, headers=headers)
        except SchemasUnavailable:
            return self._codec.decode([b"{"] * len(values), schema)


def _plain(broker: InMemoryBroker, name: str) -> InMemoryPlainSink:
    return InMemoryPlainSink(broker, client_id=name)


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(lambda: MemoryWorld(sink=AbortsNothing), id="aborts nothing"),
        pytest.param(lambda: MemoryWorld(sink=CommitsOffsetsFirst), id="commits offsets first"),
        pytest.param(lambda: MemoryWorld(sink=BelievesInCommits), id="believes in commits"),
        pytest.param(lambda: MemoryWorld(sink=ForgetsWhoItIs), id="forgets who it is"),
        pytest.param(lambda: MemoryWorld(sink=_plain), id="has no transactions"),
        pytest.param(lambda: MemoryWorld(source=NeverGoesBack), id="never goes back"),
        pytest.param(lambda: MemoryWorld(registry=BuriesWithoutSchema()), id="buries without a schema"),
    ],
)
def test_simulation_finds_a_planted_fault(world: Callable[[], MemoryWorld]) -> None:
    """Each way to break the promise is found within the normal budget: the simulation can fail."""
    with hasty_polls(), pytest.raises(AssertionError):
        run_simulation(world, ONCE)
