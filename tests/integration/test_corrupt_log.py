"""A damaged record batch in the log of a real broker: the worker stops there and says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.errors import SourceRefused
from tests.support.kafka import KafkaCluster
from tests.support.kafka_scoring import KafkaBench, Running, wait_until

pytestmark = pytest.mark.kafka

BEFORE, DAMAGED, AFTER = 30, 5, 400


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    """Return a broker of this test's own: its log is tampered with."""
    with KafkaCluster(tmp_path / "cluster") as cluster:
        yield cluster


def flip_a_byte(folder: Path, topic: str, value: bytes) -> None:
    """Change one bit of a value in the log of the first partition, as a failing disk does."""
    (segment,) = folder.glob(f"**/{topic}-0/00000000000000000000.log")
    data = bytearray(segment.read_bytes())
    data[data.index(value)] ^= 1
    segment.write_bytes(bytes(data))


def test_worker_stops_at_a_damaged_batch(cluster: KafkaCluster, tmp_path: Path) -> None:
    """All before it is scored, nothing behind it is committed, and one line says where and what to do."""
    bench = KafkaBench(cluster, partitions=1)
    for count, value in ((BEFORE, None), (DAMAGED, b"damaged-by-the-disk"), (AFTER, None)):
        bench.publish(count, value=value)
        bench.flush()
    cluster.stop()
    flip_a_byte(tmp_path, bench.inputs, b"damaged-by-the-disk")
    cluster.restart()
    worker = Running(bench.worker(member={"check.crcs": True}))  # as the service sets it
    wait_until(lambda: not worker.is_alive, "the end of the worker")
    assert isinstance(worker.failure, SourceRefused)
    assert f"topic {bench.inputs} partition 0: the record batch at offset {BEFORE} is damaged" in str(worker.failure)
    assert "--reset-offsets" in str(worker.failure)
    assert bench.committed() == BEFORE
