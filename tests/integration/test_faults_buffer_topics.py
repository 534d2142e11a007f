"""Topics that are deleted and made again: nothing of the new one is skipped, nothing of the old one forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.buffered import BufferBench
from tests.e2e.project import ended
from tests.faults.buffer_collect import read_log
from tests.support.kafka import KafkaCluster

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("chunks", [3, 16], ids=["fewer", "more"])
@pytest.mark.parametrize("worker", ["stopped", "running"])
def test_recreated_topic_is_read_from_its_beginning(
    chunks: int, worker: str, kafka: KafkaCluster, tmp_path: Path
) -> None:
    """Offsets of the deleted topic mean nothing in the new one, whether it has fewer records or more."""
    bench = BufferBench(kafka, tmp_path / "work", partitions=1)
    process = bench.project.start_buffering("0")
    with ended(process):
        bench.publish(6)
        bench.wait_until_settled()
        bench.past.append(read_log(bench.client, bench.topic("labels")))
        if worker == "stopped":
            assert process.stop() == 0
        bench.recreate("labels")
        bench.publish(chunks)
        if worker == "stopped":
            process.start()
        assert bench.violations() == ""
        assert len(bench.table("labels").rows["record_topic_id"].unique()) == 2
