from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from buffer.errors import Overtaken, TableUnavailable
from buffer.layout import LABELS_SCHEMA
from buffer.table import Stretch
from tests.support.buffer_delta import (
    DAY,
    a_prepared_table,
    a_table,
    advance,
    append,
    label_rows,
    offsets_in,
    once,
    source,
)


def test_zombie_that_went_on_elsewhere_is_fenced(tmp_path: Path) -> None:
    """Its commit of p1 refreshes what it knows, so the store alone would take its stale rows of p0."""
    a, b = a_prepared_table(tmp_path), a_table(tmp_path)
    append(a, 0, None, 3)
    append(b, 0, 3, 6)
    append(a, 1, None, 4)
    with pytest.raises(Overtaken):
        append(a, 0, 3, 8)
    assert offsets_in(b) == {0: [0, 1, 2, 3, 4, 5], 1: [0, 1, 2, 3]}


def test_zombie_between_check_and_commit_is_fenced(tmp_path: Path) -> None:
    """The check holds for the snapshot of the commit: whoever comes in between makes the commit fail."""
    b = a_prepared_table(tmp_path)
    a = a_table(tmp_path, reached=once("before_commit", lambda: append(b, 0, None, 5)))
    with pytest.raises(Overtaken):
        append(a, 0, None, 3)
    assert offsets_in(b) == {0: [0, 1, 2, 3, 4]}


def compact(folder: Path) -> None:
    """Make one file of many."""
    a_table(folder).handle().optimize.compact()


def drop_first_day(folder: Path) -> None:
    """Delete what is there."""
    a_table(folder).handle().delete(f"record_day = '{DAY}'")


def append_elsewhere(folder: Path) -> None:
    """Append to another partition."""
    append(a_table(folder), 1, None, 1)


def clean_log(folder: Path) -> None:
    """Go on, and keep only the newest checkpoint of the log."""
    table = a_table(folder)
    for expected in range(3):
        append(table, 2, expected or None, expected + 1)
    handle = table.handle()
    handle.create_checkpoint()
    for commit in sorted((folder / "_delta_log").glob("*.json"))[:-1]:
        commit.unlink()


@pytest.mark.parametrize("meanwhile", [compact, drop_first_day, append_elsewhere, clean_log])
def test_append_gets_through_what_does_not_concern_it(tmp_path: Path, meanwhile: Callable[[Path], None]) -> None:
    """Compaction, a retention delete, another partition's rows, a cleaned log: it looks again, and commits."""
    table = a_table(tmp_path, reached=once("before_commit", partial(meanwhile, tmp_path)))
    table.prepare()
    for expected in range(2):
        append(a_table(tmp_path), 5, expected or None, expected + 1)
    append(table, 0, None, 3)
    assert offsets_in(table)[0] == [0, 1, 2]
    assert dict(table.positions([source(0), source(5)])) == {source(0): 3, source(5): 2}


def test_append_goes_on_beside_a_newer_service(tmp_path: Path) -> None:
    """A rolling upgrade adds a column between check and commit: the older writer's rows have null there."""
    newer = a_table(tmp_path, schema=LABELS_SCHEMA.append(pa.field("channel", pa.string())))
    older = a_table(tmp_path, reached=once("before_commit", newer.prepare))
    older.prepare()
    append(older, 0, None, 2)
    append(older, 0, 2, 3)
    assert newer.snapshot().dataset().to_table(columns=["channel"])["channel"].to_pylist() == [None] * 3


def test_append_gives_up_when_others_are_always_first(tmp_path: Path) -> None:
    """A bounded number of attempts, each with a longer pause, and then the caller decides."""
    pauses: list[float] = []
    table = a_table(tmp_path, attempts=3, sleep=pauses.append, reached=lambda _: None, rng=random.Random(1))
    table.prepare()
    append(table, 9, None, 1)
    busy = a_table(tmp_path, attempts=3, sleep=pauses.append, reached=Flapping(tmp_path), rng=random.Random(1))
    with pytest.raises(TableUnavailable, match="other writers were first 3 times"):
        append(busy, 0, None, 1)
    assert (len(pauses), 0 not in offsets_in(table)) == (3, True)


class Flapping:
    """Adds a column before every commit."""

    def __init__(self, folder: Path) -> None:
        """Remember where."""
        self.folder, self.schema = folder, LABELS_SCHEMA

    def __call__(self, step: str) -> None:
        """Add the next column."""
        if step == "before_commit":
            self.schema = self.schema.append(pa.field(f"column_{len(self.schema)}", pa.string()))
            a_table(self.folder, schema=self.schema).prepare()


def test_writers_that_reopen_after_refusals_write_everything_once(tmp_path: Path) -> None:
    """Three writers of the same two partitions, each with an object of its own and a new one after every refusal."""
    a_prepared_table(tmp_path)

    def write(seed: int) -> None:
        rng, table, unfinished = random.Random(seed), a_table(tmp_path), {0, 1}
        while unfinished:
            partition = rng.choice(sorted(unfinished))
            try:
                if not advance(table, partition, by=rng.randint(1, 9), upto=60):
                    unfinished.discard(partition)
            except (Overtaken, TableUnavailable):
                table = a_table(tmp_path)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    assert offsets_in(a_table(tmp_path)) == {0: list(range(60)), 1: list(range(60))}


def test_compaction_and_retention_beside_writers_lose_nothing(tmp_path: Path) -> None:
    """What is kept of today is exact while another object compacts and drops yesterday all the time."""
    table = a_prepared_table(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        for number in range(12):
            cares = pool.submit(compact if number % 2 else partial(append_and_drop_old_day, number), tmp_path)
            append(table, 0, number * 5 or None, number * 5 + 5)
            cares.result()
    assert offsets_in(table)[0] == list(range(60))


def append_and_drop_old_day(number: int, folder: Path) -> None:
    """Append a row of another partition and of long ago, and delete that day."""
    table, old = a_table(folder), DAY.replace(year=2020)
    table.append(
        label_rows(9, [number], days=[old]), [Stretch(source(9), None if number == 0 else number - 1, number + 1)]
    )
    table.handle().delete(f"record_day = '{old}'")
