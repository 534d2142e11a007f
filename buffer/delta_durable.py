"""A commit that also survives the loss of power, on a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import unquote


def make_durable(folder: Path, version: int) -> None:
    """Put the files of a commit on the disk.

    The library leaves them to the operating system, which may keep the small log file and lose the rows it names.
    Positions stand in the same commit, so such rows would never be read again.

    Raises:
        OSError: The disk refuses; the commit itself is made.
    """
    log = folder / "_delta_log"
    commit = log / f"{version:020d}.json"
    try:
        written = [folder / unquote(path) for path in _added(commit)]
    except FileNotFoundError:
        return  # so many commits later that the log was cleaned; they cannot be newer than what is on the disk
    for path in (*written, *{file.parent for file in written}, folder, commit, log):
        _sync(path)


def _added(commit: Path) -> list[str]:
    actions = [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines() if line]
    return [action["add"]["path"] for action in actions if "add" in action]


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return  # compacted and cleaned away meanwhile
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
