"""Buffering workers that are killed, frozen, moved about: every committed record stands in its table once.

`FAULT_SEEDS` says how many seeds the random ones run with; `make faults` gives them many.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.buffered import BufferBench, gauge
from tests.e2e.project import ended, wait_until
from tests.support.kafka import KafkaCluster

pytestmark = pytest.mark.kafka

SEEDS = range(int(os.environ.get("FAULT_SEEDS", "1")))
KILLS = 6
STEPS = (
    "before_append_features",
    "before_check_labels",
    "before_commit",
    "before_commit_labels",
    "after_commit",
    "after_commit_scores",
    "after_append_features",
    "before_group_commit",
)
ASSIGNED = "Partitions assigned"


@pytest.mark.parametrize("seed", SEEDS)
def test_f1_workers_killed_at_random_moments(seed: int, kafka: KafkaCluster, tmp_path: Path) -> None:
    """SIGKILL in the middle of anything loses no row and doubles none."""
    bench, chance = BufferBench(kafka, tmp_path / "work"), random.Random(seed)
    workers = [bench.project.start_buffering("0"), bench.project.start_buffering("1")]
    with ended(*workers):
        with bench.loading():
            bench.wait_for_more(1)
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.1, 2.5))  # the fault's own schedule
                victim = chance.choice(workers)
                victim.kill()
                victim.start()
            bench.wait_for_more(1000)
        assert bench.violations() == ""
        assert all(worker.is_running for worker in workers)


def test_f32_worker_killed_at_each_step_of_a_flush(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Whatever a flush had done when it was killed, its successor knows from the table alone."""
    bench = BufferBench(kafka, tmp_path / "work")
    worker = bench.project.start_buffering("0", TIDEMILL_FAILPOINT="before_append_scores:2")
    with ended(worker):
        with bench.loading():
            for step in STEPS:
                assert worker.wait() == -signal.SIGKILL
                worker.environment["TIDEMILL_FAILPOINT"] = f"{step}:2"
                worker.start()
            assert worker.wait() == -signal.SIGKILL
            worker.environment.clear()
            worker.start()
            bench.wait_for_more(300)
        assert bench.violations() == ""


def test_f5_frozen_worker_that_wakes_up_drops_the_rows_that_another_took(kafka: KafkaCluster, tmp_path: Path) -> None:
    """A zombie with rows in hand, its session over and its partitions given away, writes none of them."""
    bench = BufferBench(kafka, tmp_path / "work")
    zombie = bench.project.start_buffering("zombie", TIDEMILL_BUFFER__FLUSH_INTERVAL="2s")
    with ended(zombie):
        bench.publish(10)
        bench.wait_for_more(1)
        successor = bench.project.start_buffering("successor")
        with ended(successor), bench.loading():
            successor.wait_for_log(ASSIGNED)
            bench.wait_for_more(500)
            before = gauge(successor, "tidemill_rebalances_total")
            zombie.pause()  # between two of its flushes: there are rows in its hands
            wait_until(lambda: gauge(successor, "tidemill_rebalances_total") != before, what="the successor took over")
            bench.wait_for_more(1500)
            zombie.resume()
            bench.wait_for_more(1500)
            assert zombie.is_running
        assert bench.violations() == ""


def test_f7_workers_come_and_go_one_to_three_to_one_and_roll(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Every rebalance hands each partition on at what the table says."""
    bench = BufferBench(kafka, tmp_path / "work")
    first = bench.project.start_buffering("0")
    with ended(first), bench.loading():
        first.wait_for_log(ASSIGNED)
        others = [bench.project.start_buffering("1"), bench.project.start_buffering("2")]
        with ended(*others):
            for worker in others:
                worker.wait_for_log(ASSIGNED)
            bench.wait_for_more(500)
            for worker in (first, *others):  # a rolling restart: the next only when the last is back
                seen = worker.log.count(ASSIGNED)
                assert worker.stop() == 0
                worker.start()
                worker.wait_for_log(ASSIGNED, count=seen + 1)
            bench.wait_for_more(500)
            assert [worker.stop() for worker in others] == [0, 0]
        bench.wait_for_more(500)
    first.start()
    with ended(first):
        assert bench.violations() == ""


def test_idle_topic_that_ends_in_markers_is_neither_lag_nor_a_stall(kafka: KafkaCluster, tmp_path: Path) -> None:
    """A quiet topic whose last offset is a transaction marker costs no restart, and its lag is zero."""
    bench = BufferBench(kafka, tmp_path / "work", partitions=1)
    worker = bench.project.start_buffering("0")
    with ended(worker):
        bench.publish(5)  # the fifth is aborted: records that nobody sees, and a marker behind them
        assert bench.violations() == ""
        time.sleep(4)  # longer than anything here may take for a stall
        assert worker.is_running
        assert set(gauge(worker, "tidemill_lag_records").values()) == {0.0}
        assert set(gauge(worker, "tidemill_buffer_lag_records").values()) == {0.0}
        assert set(gauge(worker, "tidemill_partition_stalled").values()) <= {0.0}
        assert worker.log.count(ASSIGNED) == 1
        bench.publish(2)
        assert bench.violations() == ""


def test_second_worker_of_one_partition_is_idle_until_the_first_is_gone(kafka: KafkaCluster, tmp_path: Path) -> None:
    """A worker without a partition waits in good health, and takes over where the table stands."""
    bench = BufferBench(kafka, tmp_path / "work", partitions=1)
    workers = [bench.project.start_buffering(str(number)) for number in range(4)]  # three partitions in all
    with ended(*workers):
        with bench.loading():
            bench.wait_for_more(500)
            for worker in workers[:2]:
                worker.kill()
            bench.wait_for_more(1000)
        assert bench.violations() == ""
        assert all(worker.is_running for worker in workers[2:])
