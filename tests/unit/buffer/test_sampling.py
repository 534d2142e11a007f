from __future__ import annotations

import hashlib
import math
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from buffer.delta_tables import DeltaTables
from buffer.duck import DuckSession
from buffer.errors import BufferingError
from buffer.examples import ExampleQuery, open_examples
from buffer.sampling import Decay, Latest, Reservoir, Sample
from tests.unit.buffer.histories import Event, History, at, fill, tables_in

ROWS = 40
SEEDS = 600
DAY = 86_400


def tables_of(folder: Path, *, commits: int = 1) -> DeltaTables:
    """Return tables of so many labelled events, one a day."""
    events = [Event("pay", n % 3, n, 5, f"e{n}", time=n * DAY, inline="ok") for n in range(ROWS)]
    tables = tables_in(folder)
    fill(tables, History(events=events), commits=commits)
    return tables


def taken(tables: DeltaTables, sample: Sample) -> list[int]:
    """Return the offsets of a sample."""
    now = int(at(ROWS * DAY).timestamp() * 1000)
    stream = open_examples(tables, ExampleQuery(as_of_ms=now, sample=sample))
    offsets: list[int] = pa.Table.from_batches(stream, schema=stream.schema)["record_offset"].to_pylist()
    return offsets


@pytest.mark.parametrize("sample", [Reservoir(7, seed=3), Decay(timedelta(days=5), 7, seed=3), Latest(7)])
def test_a_sample_does_not_depend_on_how_the_files_lie(tmp_path: Path, sample: Sample) -> None:
    """The same seed takes the same examples after compaction, from other files, on another day's run."""
    one, many = tables_of(tmp_path / "one"), tables_of(tmp_path / "many", commits=9)
    first = taken(one, sample)
    assert len(first) == 7
    assert taken(many, sample) == first
    many.features.handle().optimize.compact()
    assert taken(many, sample) == first


def test_another_seed_takes_other_examples(tmp_path: Path) -> None:
    """Otherwise every training would see the same history."""
    tables = tables_of(tmp_path)
    assert taken(tables, Reservoir(7, seed=1)) != taken(tables, Reservoir(7, seed=2))
    decay = timedelta(days=50)
    assert taken(tables, Decay(decay, 7, seed=1)) != taken(tables, Decay(decay, 7, seed=2))


def test_the_latest_are_those_that_came_to_be_known_last(tmp_path: Path) -> None:
    """All were written at once here, so the place decides."""
    expected = sorted(range(ROWS), key=lambda n: (n % 3, n))[-5:]
    assert taken(tables_of(tmp_path), Latest(5)) == expected


def shares(sample_of: Any, wanted: int) -> list[float]:
    """Return how often each of 40 daily examples is taken over many seeds."""
    taken_by: Counter[int] = Counter()
    with DuckSession() as session:
        session.run(
            "CREATE TEMP TABLE e AS SELECT 'id' record_topic_id, 0 record_partition, range record_offset,"  # noqa: S608
            f" make_timestamptz(range * {DAY * 1_000_000}) event_time FROM range({ROWS})"
        )
        for seed in range(SEEDS):
            order = sample_of(seed).order(as_of_ms=ROWS * DAY * 1000)
            drawn = session.rows(f"SELECT record_offset FROM e ORDER BY {order} LIMIT {wanted}")  # noqa: S608
            taken_by.update(row[0] for row in drawn)
    return [taken_by[n] / SEEDS for n in range(ROWS)]


def test_a_reservoir_takes_each_example_as_often() -> None:
    """Each of 40 is in a sample of 10 in a quarter of the seeds, within five standard deviations."""
    assert all(
        abs(share - 0.25) < 5 * math.sqrt(0.25 * 0.75 / SEEDS) for share in shares(lambda s: Reservoir(10, s), 10)
    )


def test_a_decay_halves_the_chance_with_each_half_life() -> None:
    """Of a sample of one, ten days older means half as likely, when that is the half-life."""
    found = shares(lambda s: Decay(timedelta(days=10), 1, s), 1)
    weights = [2 ** ((n - ROWS) / 10) for n in range(ROWS)]
    for decade in range(4):
        expected = sum(weights[decade * 10 : decade * 10 + 10]) / sum(weights)
        share = sum(found[decade * 10 : decade * 10 + 10])
        assert abs(share - expected) < 5 * math.sqrt(expected * (1 - expected) / SEEDS)


def test_the_draw_is_the_digest_of_seed_and_place(tmp_path: Path) -> None:
    """It is promised to stay, whatever the version of the database: by MD5, spelled out here once more."""

    def draw(n: int) -> int:
        place = f"3/id-of-pay/{n % 3}/{n}".encode()
        return int.from_bytes(hashlib.md5(place, usedforsecurity=False).digest()[8:], "little")

    expected = sorted(range(ROWS), key=draw)[:7]
    assert sorted(taken(tables_of(tmp_path), Reservoir(7, seed=3))) == sorted(expected)


def test_very_old_examples_can_still_be_drawn(tmp_path: Path) -> None:
    """A weight below all doubles is small, not zero: a sample as large as the history is the history."""
    assert len(taken(tables_of(tmp_path), Decay(timedelta(milliseconds=1), ROWS))) == ROWS


def test_impossible_samples_are_refused() -> None:
    """A negative number or half-life is a slip."""
    with pytest.raises(BufferingError, match="-1 examples"):
        Reservoir(-1)
    with pytest.raises(BufferingError, match="half-life"):
        Decay(timedelta(0), 1)
