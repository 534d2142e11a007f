from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.buffer_delta import a_prepared_table, a_table, append, offsets_in, source


def writer(folder: Path, *partitions: int, upto: int, fatal_step: str = "-") -> subprocess.Popen[bytes]:
    """Start a process that fills the table."""
    command = [sys.executable, "-m", "tests.support.buffer_writer", str(folder), str(upto), fatal_step]
    return subprocess.Popen([*command, *map(str, partitions)])


@pytest.mark.parametrize(
    ("step", "expected"), [("before_check", {}), ("before_commit", {}), ("after_commit", {source(0): 5})]
)
def test_kill_at_a_step_leaves_all_of_an_append_or_nothing(tmp_path: Path, step: str, expected: dict[str, int]) -> None:
    """Rows and position are there together after the commit, and neither before it."""
    process = writer(tmp_path, 0, upto=5, fatal_step=step)
    assert process.wait() == -signal.SIGKILL
    stands = dict(a_table(tmp_path).positions([source(0)]))
    assert (bool(stands), sum(map(len, offsets_in(a_table(tmp_path)).values()))) == (
        bool(expected),
        stands.get(source(0), 0),
    )


def test_killed_processes_write_everything_once(tmp_path: Path) -> None:
    """Three processes on two partitions, killed at any moment and started again where the table says."""
    rng, upto, work = random.Random(7), 150, [(0, 1), (0, 1), (1,)]
    a_prepared_table(tmp_path)
    running = [writer(tmp_path, *partitions, upto=upto) for partitions in work]
    for _ in range(9):
        victim = rng.randrange(len(work))
        try:
            running[victim].wait(timeout=rng.uniform(0.1, 0.9))
        except subprocess.TimeoutExpired:
            running[victim].kill()
            running[victim].wait()
        running[victim] = writer(tmp_path, *work[victim], upto=upto)
    assert [process.wait() for process in running] == [0, 0, 0]
    assert offsets_in(a_table(tmp_path)) == {0: list(range(upto)), 1: list(range(upto))}


def test_half_a_row_file_of_a_killed_writer_is_not_looked_at(tmp_path: Path) -> None:
    """A file is part of the table by the log only."""
    table = a_prepared_table(tmp_path)
    append(table, 0, None, 3)
    whole = Path((table.snapshot().files or ())[0])
    whole.with_name("part-00000-killed.zstd.parquet").write_bytes(whole.read_bytes()[:100])
    (tmp_path / "_delta_log" / "00000000000000000002.json#1").write_text("{")
    append(a_table(tmp_path), 0, 3, 4)
    assert offsets_in(a_table(tmp_path)) == {0: [0, 1, 2, 3]}
