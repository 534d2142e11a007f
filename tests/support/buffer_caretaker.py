"""A process that maintains the tables of a folder, to be killed: ``python -m tests.support.buffer_caretaker FOLDER``.

It goes on for ever. With ``no-room`` it runs once, may write no file of more than a few bytes, and prints its report.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from buffer.maintenance import maintain
from tests.support.buffer_care import LATER, a_policy, three_tables

_FEW_BYTES = 100


def go_on(folder: Path) -> None:
    """Maintain again and again."""
    tables = three_tables(folder)
    print("begun", flush=True)
    while True:
        maintain(tables, a_policy(share=0.5), LATER)


def run_without_room(folder: Path) -> None:
    """Maintain once while nothing can be written."""
    tables = three_tables(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FEW_BYTES, _FEW_BYTES))
    for step in maintain(tables, a_policy(), LATER).steps:
        sys.stderr.write(f"{step.detail}\n")
        print(step.table, step.step, step.outcome)


if __name__ == "__main__":
    if sys.argv[2:] == ["no-room"]:
        run_without_room(Path(sys.argv[1]))
    else:
        go_on(Path(sys.argv[1]))
