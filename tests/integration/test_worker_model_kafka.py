"""The simulation once more, on a real Apache Kafka: a small budget each time, as large as you like by hand."""

from __future__ import annotations

import os
from typing import get_args

import pytest
from hypothesis import HealthCheck, Phase, settings

from producer.broker_faults import Call, Fault
from tests.support.kafka import KafkaCluster
from tests.support.worker_machine import WorkerMachine, run_simulation
from tests.support.world_kafka import KafkaWorld, hasty_clients

pytestmark = pytest.mark.kafka

USUAL_EXAMPLES = 8
EXAMPLES = int(os.environ.get("SIMULATION_EXAMPLES", USUAL_EXAMPLES))


@pytest.mark.timeout(60 + 30 * EXAMPLES)
def test_workers_deliver_exactly_once_on_kafka_whatever_happens(kafka: KafkaCluster) -> None:
    """One committed outcome of every event, in order, under the same rules as in memory; faults really happened."""
    worlds: list[KafkaWorld] = []

    def world() -> KafkaWorld:
        worlds.append(KafkaWorld(kafka))
        return worlds[-1]

    budget = settings(
        max_examples=EXAMPLES,
        stateful_step_count=10,
        derandomize=EXAMPLES == USUAL_EXAMPLES,  # the same steps each time, unless more are asked for
        database=None,
        deadline=None,
        phases=[Phase.generate],  # to shrink on a real broker takes longer than to read the steps
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with hasty_clients():
        run_simulation(world, budget)
    assert sum(world.script.suffered for world in worlds) >= EXAMPLES


def test_worker_may_die_at_every_step_and_any_commit_be_in_doubt_on_kafka(kafka: KafkaCluster) -> None:
    """What chance may leave out: a death before each call of a transaction, and each end of an unknown commit."""
    machine = WorkerMachine(world := KafkaWorld(kafka))
    unknown = [Fault.TIMEOUT_APPLIED, Fault.TIMEOUT_LATE, Fault.TIMEOUT_LOST]
    with hasty_clients():
        machine.start()
        try:
            for call in get_args(Call):
                if call in {"abort", "rewind"}:
                    world.script.fail_next("flush", Fault.ABORT, client=world.client_of("a", "flush"))
                machine.run_into_a_happening(slot="a", call=call, what="killed", fault=None)
            for fault in unknown:
                machine.run_into_a_fault(slot="a", call="commit", fault=fault, skip=0)
            assert world.script.suffered == len(get_args(Call)) + 2 + len(unknown)
        finally:
            machine.teardown()
