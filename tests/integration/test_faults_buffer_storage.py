"""A buffer whose storage fills up, hangs or was torn by a crash: nothing is lost, and it goes on by itself."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.e2e.buffered import TABLES, BufferBench, gauge
from tests.e2e.project import ServiceProcess, ended, wait_until
from tests.support.kafka import KafkaCluster
from tests.support.volumes import disk_volume, memory_volume

pytestmark = pytest.mark.kafka

FULL_S = 8.0  # longer than the session of a member that sends no heartbeat
HANGING_S = 34.0  # longer than the longest allowed time between two polls


def bench_on(volume: Path, kafka: KafkaCluster, folder: Path) -> BufferBench:
    """Return a service with its tables on a volume, whose members may not stop polling for long."""
    bench = BufferBench(kafka, folder, uri=str(volume / "buffer"), flush_max_records=1000)
    bench.project.configure(
        {
            "kafka": {"consumer": {"max.poll.interval.ms": 31_500}},  # the least that goes with this timeout
            "transaction": {"timeout": "1s"},
        }
    )
    return bench


def is_held(worker: ServiceProcess) -> bool:
    """Return whether a worker reads nothing more because so much waits for the tables."""
    return 1.0 in gauge(worker, "tidemill_buffer_held").values()


def assert_never_left_the_group(worker: ServiceProcess, rebalances: dict[str, float]) -> None:
    """See that the worker lives, and that no partition has come or gone."""
    assert worker.is_running
    assert gauge(worker, "tidemill_rebalances_total") == rebalances


def test_f30_full_disk_means_pause_and_goes_on_when_there_is_space(kafka: KafkaCluster, tmp_path: Path) -> None:
    """With no byte left nothing is lost, nobody leaves the group, and freed space is all it takes."""
    with memory_volume(tmp_path / "volume", megabytes=16) as volume:
        bench = bench_on(volume.folder, kafka, tmp_path / "work")
        worker = bench.project.start_buffering("0")
        with ended(worker), bench.loading():
            bench.wait_for_more(500)
            before = gauge(worker, "tidemill_rebalances_total")
            volume.fill()
            wait_until(lambda: is_held(worker), what="reading is held")
            assert 1.0 in gauge(worker, "tidemill_waiting").values()
            time.sleep(FULL_S)
            taken = bench.taken()
            time.sleep(1)
            assert bench.taken() == taken
            assert_never_left_the_group(worker, before)
            volume.free()
            bench.wait_for_more(500)
            assert_never_left_the_group(worker, before)
        worker.start()
        with ended(worker):
            assert bench.violations() == ""


def test_f31_hanging_storage_means_pause_and_goes_on_when_it_answers(kafka: KafkaCluster, tmp_path: Path) -> None:
    """While every write hangs the worker keeps polling and its place in the group; then it goes on."""
    with disk_volume(tmp_path / "volume", megabytes=32) as volume:
        bench = bench_on(volume.folder, kafka, tmp_path / "work")
        worker = bench.project.start_buffering("0")
        with ended(worker):
            with bench.loading():
                bench.wait_for_more(500)
                before = gauge(worker, "tidemill_rebalances_total")
                volume.freeze()
                wait_until(lambda: is_held(worker), what="reading is held")
                time.sleep(HANGING_S)
                assert_never_left_the_group(worker, before)
                volume.thaw()
                bench.wait_for_more(500)
                assert_never_left_the_group(worker, before)
            assert bench.violations() == ""


def test_f5_worker_frozen_in_the_middle_of_an_append_writes_nothing_when_it_wakes_up(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    """The append of a zombie meets a table that another has moved on: refused, dropped, never doubled."""
    with disk_volume(tmp_path / "volume", megabytes=32) as volume:
        bench = bench_on(volume.folder, kafka, tmp_path / "work")
        zombie = bench.project.start_buffering("zombie")
        with ended(zombie):
            with bench.loading():
                bench.wait_for_more(300)
                volume.freeze()
                time.sleep(2)  # several times the interval of its flushes: one of them hangs
                zombie.pause()
                volume.thaw()
            successor = bench.project.start_buffering("successor")
            with ended(successor):
                bench.wait_until_settled()
                zombie.resume()
                wait_until(lambda: overtaken(zombie) > 0, what="the zombie's append is refused")
                bench.publish(10)
                assert bench.violations() == ""
                assert zombie.is_running


def overtaken(worker: ServiceProcess) -> float:
    """Return how many appends of a worker were refused because the table stood elsewhere."""
    flushes = gauge(worker, "tidemill_buffer_flushes_total")
    return sum(count for labels, count in flushes.items() if 'outcome="overtaken"' in labels)


def test_f33_torn_files_of_a_crash_are_not_seen(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Half a Parquet file and half a commit that never got its name do not count, and their records come again."""
    bench = BufferBench(kafka, tmp_path / "work")
    worker = bench.project.start_buffering("0")
    with ended(worker):
        bench.publish(10)
        bench.wait_until_settled()
        worker.kill()
        for table in TABLES:
            tear(bench.folder / table)
        bench.publish(10)
        worker.start()
        assert bench.violations() == ""


def tear(table: Path) -> None:
    """Leave behind what a writer leaves that dies in a flush: a truncated file, and a commit under a passing name."""
    whole = next(table.glob("record_day=*/*.parquet"))
    shutil.copy(whole, torn := whole.with_name(f"torn-{whole.name}"))
    with torn.open("r+b") as file:
        file.truncate(torn.stat().st_size // 2)
    last = max((table / "_delta_log").glob("*.json"))
    following = f"{int(last.stem) + 1:020d}.json"
    half = last.read_bytes()[: last.stat().st_size // 2]
    (table / "_delta_log" / f"{following}#1").write_bytes(half)  # as the store of files names what it writes
    (table / "_delta_log" / "_commit_torn.json.tmp").write_bytes(half)
