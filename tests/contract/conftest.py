"""The clusters that the broker contract is held against."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.clusters import Cluster, MemoryCluster

KAFKA = [pytest.param(name, marks=pytest.mark.kafka) for name in ("classic", "consumer")]


@pytest.fixture(params=["memory", *KAFKA])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Return the in-memory broker, then Apache Kafka with each of its group protocols."""
    if request.param == "memory":
        yield MemoryCluster()
        return
    from tests.support.clusters_kafka import RealCluster

    with ExitStack() as closing:
        yield RealCluster(request.getfixturevalue("kafka"), closing, protocol=request.param)
