"""A real Apache Kafka for tests: one or three brokers in KRaft mode, from Apache's jars, ready in a few seconds."""

from __future__ import annotations

import base64
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.kafka_broker import BrokerFailed, KafkaBroker, free_port
from tests.support.kafka_security import Plaintext, Security
from tests.support.kafka_settings import broker_settings

START_TIMEOUT_S = 60.0  # a few seconds on an idle machine; this is for one that is busy with other tests


class KafkaCluster:
    """Brokers 1 to n on free ports of 127.0.0.1, each a broker and a controller; a context manager.

    Topics are made by hand (`auto.create.topics.enable=false`), nothing is deleted by age, both group protocols are
    on. With three brokers everything is kept three times and `min.insync.replicas` is 2. Not safe for use from
    several threads at once, except that one may pause, kill or restart a broker while others produce and consume.
    """

    def __init__(
        self,
        directory: Path,
        *,
        brokers: int = 1,
        security: Security | None = None,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        """Lay out the cluster; nothing is started.

        Args:
            directory: a folder that does not exist yet; `close` removes it.
            brokers: 1 or 3.
            security: what a client has to prove; nothing, if not given.
            settings: broker settings on top of ours.
            port: where the first broker listens; a free one, if not given.
        """
        self._directory = directory
        self._security = security or Plaintext()
        self._admin: AdminClient | None = None
        nodes = range(1, brokers + 1)
        client_ports = {node: port if port and node == 1 else free_port() for node in nodes}
        controller_ports = {node: free_port() for node in nodes}
        directory.mkdir(parents=True)
        self._brokers = {
            node: KafkaBroker(
                node,
                directory / f"broker-{node}",
                port=client_ports[node],
                settings=broker_settings(
                    node,
                    data=directory / f"broker-{node}" / "data",
                    client_port=client_ports[node],
                    internal_port=free_port(),
                    controller_ports=controller_ports,
                    client_protocol=self._security.protocol,
                )
                | self._security.broker_settings(directory)
                | dict(settings or {}),
            )
            for node in nodes
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def bootstrap_servers(self) -> str:
        """Every broker's address, as `bootstrap.servers` wants it."""
        return ",".join(f"127.0.0.1:{broker.port}" for broker in self._brokers.values())

    @property
    def client_settings(self) -> dict[str, str]:
        """What a librdkafka client needs to reach the cluster, security included; a new dictionary each time."""
        return {"bootstrap.servers": self.bootstrap_servers} | self._security.client_settings(self._directory)

    @property
    def admin(self) -> AdminClient:
        """An admin client of the cluster, made at the first use."""
        if self._admin is None:
            quick = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "log_level": 0}
            self._admin = AdminClient({**self.client_settings, **quick})
        return self._admin

    def start(self) -> None:
        """Format and start every broker and wait until all of them are in the cluster.

        Raises:
            BrokerFailed: a broker ended or was not ready in time; the message carries the end of its log.
        """
        self._security.prepare(self._directory)
        cluster_id = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # no leading dash
        formatting = [b.format(cluster_id, self._security.format_arguments()) for b in self._brokers.values()]
        for process, broker in zip(formatting, self._brokers.values(), strict=True):
            if process.wait(START_TIMEOUT_S):
                raise BrokerFailed(f"broker {broker.node_id} could not be formatted:\n{broker.log_tail()}")
        for broker in self._brokers.values():
            broker.start()
        try:
            self.wait_until_ready()
        except BrokerFailed:
            self.close()
            raise

    def close(self) -> None:
        """End every broker by force and remove the folder; nothing in it is wanted any more."""
        self._admin = None
        for broker in self._brokers.values():
            broker.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def wait_until_ready(self) -> None:
        """Wait until every running broker takes connections and is in sync with the leader of every partition it keeps.

        Raises:
            BrokerFailed: a broker ended by itself, or START_TIMEOUT_S went by; with the end of the logs.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            for broker in self._brokers.values():
                if not broker.is_running and not broker.was_ended:
                    raise BrokerFailed(f"broker {broker.node_id} ended by itself. Its log says:\n{broker.log_tail()}")
            running = {node: broker for node, broker in self._brokers.items() if broker.is_running}
            if all(broker.takes_connections() for broker in running.values()) and self._is_in_sync(set(running)):
                return
            time.sleep(0.02)
        raise BrokerFailed(f"the brokers were not ready within {START_TIMEOUT_S:.0f} s:\n{self.log_tail()}")

    def create_topic(self, name: str, *, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Create a topic, kept on every broker, and return its name when all brokers know it."""
        topic = NewTopic(name, partitions, len(self._brokers), config=dict(config or {}))
        self.admin.create_topics([topic], operation_timeout=30)[name].result(30)
        return name

    def stop(self, node: int = 1) -> None:
        """End one broker cleanly."""
        self._brokers[node].stop()

    def kill(self, node: int = 1) -> None:
        """End one broker with SIGKILL."""
        self._brokers[node].kill()

    def restart(self, node: int = 1) -> None:
        """Start a broker again that was stopped or killed, on its own data and port, and wait until it is back."""
        self._brokers[node].start()
        self.wait_until_ready()

    def pause(self, node: int = 1) -> None:
        """Freeze one broker: its connections stay open and nothing answers."""
        self._brokers[node].pause()

    def resume(self, node: int = 1) -> None:
        """Let a frozen broker go on."""
        self._brokers[node].resume()

    def log_tail(self) -> str:
        """Return the last lines of every broker's log."""
        return "\n".join(f"--- broker {b.node_id}\n{b.log_tail()}" for b in self._brokers.values())

    def _is_in_sync(self, nodes: set[int]) -> bool:
        try:
            cluster = self.admin.list_topics(timeout=1)
        except KafkaException:
            return False
        partitions = [p for topic in cluster.topics.values() for p in topic.partitions.values()]
        return nodes <= set(cluster.brokers) and all(
            p.leader >= 0 and nodes & set(p.replicas) <= set(p.isrs) for p in partitions
        )


def unique_name(stem: str) -> str:
    """Return a name for a topic, group or transactional id that nobody used before: tests share one broker."""
    return f"{stem}-{uuid.uuid4().hex[:10]}"
