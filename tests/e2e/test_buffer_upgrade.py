from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.buffered import FIELDS, BufferBench
from tests.e2e.project import ended, wait_until
from tests.support.kafka import KafkaCluster

pytestmark = pytest.mark.kafka


def test_rolling_upgrade_under_load_adds_a_column_and_keeps_every_row(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Old and new workers run side by side; each row is there once, with the new field where a new worker read it."""
    bench = BufferBench(kafka, tmp_path / "work")
    old = [bench.project.start_buffering("old-0"), bench.project.start_buffering("old-1")]
    with ended(*old), bench.loading():
        bench.wait_for_more(1000)
        optional = {"name": "extra", "type": "double", "null": "keep"}
        bench.project.configure({"features": {"fields": [*FIELDS, optional]}})
        new = [bench.project.start_buffering("new-0")]
        with ended(*new):
            new[0].wait_for_log("Partitions assigned")
            bench.wait_for_more(1000)  # both kinds write
            assert old[0].stop() == 0
            new.append(bench.project.start_buffering("new-1"))
            with ended(new[1]):
                new[1].wait_for_log("Partitions assigned")
                assert old[1].stop() == 0
                bench.without = frozenset()  # all workers know it: now producers may send it
                bench.wait_for_more(1000)
                wait_until(lambda: bench.table("features").rows["extra"].notna().any(), what="a row with the new field")
    last = bench.project.start_buffering("last")
    with ended(last):
        assert bench.violations() == ""
