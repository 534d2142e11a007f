from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from buffer.errors import TableRefused, TableUnavailable
from tests.support.buffer_delta import a_prepared_table, a_table, append, offsets_in, once, source


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk_is_waited_for_and_loses_nothing(small_disk: Path) -> None:
    """The same append succeeds, once, when there is space again."""
    table = a_prepared_table(small_disk / "labels")
    append(table, 0, None, 3)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:  # noqa: PT012 - writes until it raises
        while True:
            file.write(bytes(4096))
    with pytest.raises(TableUnavailable, match="No space left on device"):
        append(table, 0, 3, 2000)
    ballast.unlink()
    append(table, 0, 3, 2000)
    assert offsets_in(table) == {0: list(range(2000))}


def test_disk_full_behind_the_commit_is_no_failure(tmp_path: Path) -> None:
    """A checkpoint may fail when the rows are there already; saying otherwise would seek back for nothing."""
    table = a_prepared_table(tmp_path)
    checkpoint = tmp_path / "_delta_log" / f"{49:020d}.checkpoint.parquet"
    for number in range(48):
        append(table, 0, number or None, number + 1)
    checkpoint.mkdir()  # so that the checkpoint at this version cannot be written
    append(table, 0, 48, 49)
    assert dict(table.positions([source(0)])) == {source(0): 49}
    assert checkpoint.is_dir()


def test_denied_access_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Nothing but a person's hand ends it, so it must not look like something that passes."""
    folder = tmp_path / "labels"
    a_prepared_table(folder)
    table = a_table(folder, reached=once("before_commit", lambda: lock(folder)))
    try:
        with pytest.raises(TableRefused, match=r"access is denied .* read and write there"):
            append(table, 0, None, 3)
    finally:
        unlock(folder)
    assert offsets_in(table) == {}


def lock(folder: Path) -> None:
    """Take away the right to write; root has it anyway, so root becomes nobody for a while."""
    folder.chmod(0o555)
    for parent in folder.parents[:3]:
        parent.chmod(0o755)
    if os.geteuid() == 0:
        os.seteuid(65_534)


def unlock(folder: Path) -> None:
    """Give it back."""
    if os.getuid() == 0:
        os.seteuid(0)
    folder.chmod(0o755)


def test_truncated_commit_is_refused_and_names_the_repair(tmp_path: Path) -> None:
    """Going on without it would number a second commit like it; the reason is one line and shows no row."""
    table = a_prepared_table(tmp_path)
    append(table, 0, None, 3)
    append(table, 0, 3, 6)
    newest = tmp_path / "_delta_log" / f"{2:020d}.json"
    newest.write_bytes(newest.read_bytes()[:300])
    with pytest.raises(TableRefused, match=r"log is damaged .*'A damaged log' in docs/buffer.md") as caught:
        a_table(tmp_path).positions([source(0)])
    assert "\n" not in str(caught.value)
    newest.unlink()
    append(a_table(tmp_path), 0, 3, 6)
    assert offsets_in(a_table(tmp_path)) == {0: [0, 1, 2, 3, 4, 5]}


def test_commit_that_a_power_cut_left_empty_is_as_if_never_made(tmp_path: Path) -> None:
    """Its rows and its position are gone together, so they are read again."""
    table = a_prepared_table(tmp_path)
    append(table, 0, None, 3)
    append(table, 0, 3, 6)
    (tmp_path / "_delta_log" / f"{2:020d}.json").write_bytes(b"")
    fresh = a_table(tmp_path)
    assert dict(fresh.positions([source(0)])) == {source(0): 3}
    append(fresh, 0, 3, 6)
    assert offsets_in(fresh) == {0: [0, 1, 2, 3, 4, 5]}


def test_absent_table_says_who_makes_it(tmp_path: Path) -> None:
    """A look at a buffer before the first run is no riddle."""
    with pytest.raises(TableUnavailable, match=r"no table .*'tidemill buffer run'"):
        a_table(tmp_path / "nothing").snapshot()
