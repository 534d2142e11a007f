"""A process that fills a table up to a mark, to be killed: ``buffer_writer FOLDER UPTO STEP PARTITION...``.

It begins where the table says, as a worker does, and kills itself where STEP is reached (``-``: nowhere).
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from buffer.errors import Overtaken, TableUnavailable
from tests.support.buffer_delta import a_table, advance


def fill(folder: Path, *, upto: int, fatal_step: str, partitions: list[int]) -> None:
    """Append to the partitions, a few rows at a time in any order, until all stand at the mark."""

    def reached(step: str) -> None:
        if step == fatal_step:
            os.kill(os.getpid(), signal.SIGKILL)

    rng = random.Random()
    table = a_table(folder, reached=reached, sleep=time.sleep)
    table.prepare()
    unfinished = set(partitions)
    while unfinished:
        partition = rng.choice(sorted(unfinished))
        try:
            if not advance(table, partition, by=rng.randint(1, 9), upto=upto):
                unfinished.discard(partition)
        except (Overtaken, TableUnavailable):
            continue


if __name__ == "__main__":
    fill(Path(sys.argv[1]), upto=int(sys.argv[2]), fatal_step=sys.argv[3], partitions=[int(p) for p in sys.argv[4:]])
