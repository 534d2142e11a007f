"""Small volumes of a test's own that fill up or stop answering; only root may make them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallVolume:
    """A mounted folder of a few megabytes."""

    def __init__(self, folder: Path) -> None:
        """Take a folder where a volume is mounted."""
        self.folder = folder

    def fill(self) -> None:
        """Leave no byte free."""
        block = b"\0" * 65_536
        with (self.folder / "ballast").open("ab", buffering=0) as ballast:
            while block:
                try:
                    ballast.write(block)
                except OSError:  # no space for so much: what is left goes in smaller pieces
                    block = block[: len(block) // 2]

    def free(self) -> None:
        """Give back what ``fill`` took."""
        (self.folder / "ballast").unlink()

    def freeze(self) -> None:
        """Let every write hang, as a server of files that does not answer does; reads go on."""
        _run("fsfreeze", "--freeze", str(self.folder))

    def thaw(self) -> None:
        """Let the writes go on; one that is not frozen stays as it is."""
        subprocess.run(["fsfreeze", "--unfreeze", self.folder], capture_output=True, check=False)


@contextmanager
def memory_volume(folder: Path, *, megabytes: int) -> Iterator[SmallVolume]:
    """Mount a volume in memory; skip the test where that is not allowed."""
    _need_root()
    folder.mkdir(parents=True)
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    try:
        yield SmallVolume(folder)
    finally:
        _run("umount", str(folder))


@contextmanager
def disk_volume(folder: Path, *, megabytes: int) -> Iterator[SmallVolume]:
    """Mount a volume with a file system of its own, which can be frozen; skip the test where that is not possible."""
    _need_root()
    missing = [tool for tool in ("mkfs.ext4", "fsfreeze") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    folder.mkdir(parents=True)
    image = folder.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(megabytes * 1024 * 1024)
    _run("mkfs.ext4", "-q", "-F", str(image))
    _mount("-o", "loop", str(image), str(folder))
    volume = SmallVolume(folder)
    try:
        yield volume
    finally:
        volume.thaw()
        _run("umount", str(folder))


def _need_root() -> None:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a volume that fills up or hangs")


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine mounts no such volume: {done.stderr.strip()}")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
