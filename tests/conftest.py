"""What every test may ask for: real Kafka clusters, shared by the whole session, and a schema registry of its own."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.support.kafka import KafkaCluster
from tests.support.kafka_security import ScramOverTls
from tests.support.registry import HttpRegistry


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One broker. Shared: use `unique_name` for topics and groups, and leave the broker running."""
    with KafkaCluster(tmp_path_factory.mktemp("kafka") / "cluster") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def kafka3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Three brokers, everything kept three times. A test that ends one restarts it."""
    with KafkaCluster(tmp_path_factory.mktemp("kafka3") / "cluster", brokers=3) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def kafka_secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One broker that lets in only clients with `client_settings`: SASL/SCRAM-SHA-512 over TLS."""
    with KafkaCluster(tmp_path_factory.mktemp("kafka-secure") / "cluster", security=ScramOverTls()) as cluster:
        yield cluster


@pytest.fixture
def registry() -> Iterator[HttpRegistry]:
    """A schema registry over HTTP, empty and this test's own: it may be stopped, held or made to answer nonsense."""
    with HttpRegistry() as started:
        yield started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the brokers' logs under a failed test that used them."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for name in ("kafka", "kafka3", "kafka_secure"):
            cluster = item.funcargs.get(name)
            if isinstance(cluster, KafkaCluster):
                report.sections.append((f"log of {name}", cluster.log_tail()))
    return report
