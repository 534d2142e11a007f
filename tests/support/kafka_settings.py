"""The settings of a broker under test: as a real one, but ready at once and quick to notice the dead."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def broker_settings(
    node: int,
    *,
    data: Path,
    client_port: int,
    internal_port: int,
    controller_ports: Mapping[int, int],
    client_protocol: str,
) -> dict[str, str]:
    """Return the server properties of one node: listeners, replication for that many nodes, and short timers."""
    listeners = f"CLIENT://127.0.0.1:{client_port},INTERNAL://127.0.0.1:{internal_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": str(node),
        "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{port}" for n, port in controller_ports.items()),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "INTERNAL",
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller_ports[node]}",
        "advertised.listeners": listeners,
        "listener.security.protocol.map": f"CLIENT:{client_protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        **_replication(len(controller_ports)),
        **_SHORT_TIMERS,
        "auto.create.topics.enable": "false",
        "log.retention.ms": "-1",  # test data carries old event times, and retention goes by them
        "offsets.retention.minutes": str(2**31 - 1),  # as long as the records
        "log.cleaner.dedupe.buffer.size": "2097152",  # 2 MiB, not 128 of a heap that has 384
    }


def _replication(brokers: int) -> dict[str, str]:
    """Return how often things are kept: everywhere, and acknowledged by all but one."""
    in_sync = str(max(1, brokers - 1))
    return {
        "default.replication.factor": str(brokers),
        "min.insync.replicas": in_sync,
        "unclean.leader.election.enable": "false",
        "offsets.topic.replication.factor": str(brokers),
        "offsets.topic.num.partitions": str(brokers),
        "transaction.state.log.replication.factor": str(brokers),
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": str(brokers),
    }


_SHORT_TIMERS = {
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "200",
    "group.consumer.heartbeat.interval.ms": "1000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
}
