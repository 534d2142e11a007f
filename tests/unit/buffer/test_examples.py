from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from buffer.cursor import Cursor
from buffer.delta_tables import DeltaTables
from buffer.errors import BufferingError, TableRefused
from buffer.examples import ExampleQuery, ExampleStream, open_examples
from buffer.table import Stretch
from features.schema import FeatureSchema, Field, FieldType
from tests.unit.buffer.examples_oracle import Missing, expected_rows, judge_all
from tests.unit.buffer.histories import (
    SCHEMA,
    Event,
    History,
    Label,
    Score,
    append,
    at,
    fill,
    random_history,
    tables_in,
)

NOW = 40


def query(**changes: Any) -> ExampleQuery:
    """Return a query at the end of every made-up history."""
    return ExampleQuery(**{"as_of_ms": ms(NOW), **changes})


def ms(seconds: int) -> int:
    """Return epoch milliseconds."""
    return int(at(seconds).timestamp() * 1000)


def rows_of(stream: ExampleStream) -> list[dict[str, Any]]:
    """Return all examples of a stream."""
    found: list[dict[str, Any]] = pa.Table.from_batches(stream, schema=stream.schema).to_pylist()
    return found


def one_event(folder: Path, *labels: Label, event: Event | None = None) -> list[dict[str, Any]]:
    """Return the examples of one event, written at 5 with time 5, and these labels."""
    tables = tables_in(folder)
    event = event or Event("pay", 0, 0, 5, "e", time=5)
    fill(tables, History(events=[event], labels=list(labels)))
    return rows_of(open_examples(tables, query()))


def label(offset: int, value: str | None, *, time: int = 9, written: int = 9) -> Label:
    """Return a row of the labels table about the one event."""
    return Label("labels", 0, offset, written, "e", time=time, label=value)


@pytest.mark.parametrize("seed", range(12))
def test_examples_equal_what_loops_over_the_rows_say(tmp_path: Path, seed: int) -> None:
    """Late, doubled, corrected, retracted, early, orphaned, inline and tied labels; repeated ids; weights; scores."""
    history = random_history(random.Random(seed))
    missing = Missing("ok", delay=25, now=NOW) if seed % 2 else None
    asked = query(missing="ok", max_delay=timedelta(seconds=25)) if missing else query()
    tables = tables_in(tmp_path)
    fill(tables, history, commits=3)
    stream = open_examples(tables, asked)
    found = rows_of(stream)
    assert found == expected_rows(history, judge_all(history, missing))
    assert stream.counts.examples == len(found)


@pytest.mark.parametrize("seed", range(8))
def test_increments_give_what_became_an_example_since_the_cursor(tmp_path: Path, seed: int) -> None:
    """An increment is what has a label now and had none at the cursor, in the order in which it came to be known."""
    rng = random.Random(seed)
    whole = random_history(rng)
    tables, known, cursor = tables_in(tmp_path), History(), None
    before: set[tuple[str, int, int]] = set()
    for cut in (1, 2, 3, 4):
        grow(tables, known, whole, rng, is_last=cut == 4)
        missing = Missing("ok", delay=5, now=cut * 8)
        stream = open_examples(
            tables, query(as_of_ms=ms(cut * 8), since=cursor, missing="ok", max_delay=timedelta(seconds=5))
        )
        judged = judge_all(known, missing)
        fresh = {place: judgement for place, judgement in judged.items() if place not in before}
        assert rows_of(stream) == expected_rows(known, fresh)
        before, cursor = set(judged), Cursor.from_json(stream.cursor.to_json())


def grow(tables: DeltaTables, known: History, whole: History, rng: random.Random, *, is_last: bool) -> None:
    """Append what comes next of each table: some rows, of each its own number."""
    for table in tables:
        there, rows = known.rows(table.name), whole.rows(table.name)
        end = len(rows) if is_last else rng.randint(len(there), len(rows))
        fresh = rows[len(there) : end]
        append(table, fresh)
        there.extend(fresh)


@pytest.mark.parametrize("seed", range(6))
def test_a_chain_of_cursors_gives_every_example_once(tmp_path: Path, seed: int) -> None:
    """Where nothing is retracted the increments together are the whole, none twice, wherever they are cut."""
    rng = random.Random(seed)
    whole = random_history(rng, retractions=False)
    tables, known, cursor, given = tables_in(tmp_path), History(), None, []
    for is_last in (False, False, False, False, True):
        grow(tables, known, whole, rng, is_last=is_last)
        stream = open_examples(tables, query(since=cursor))
        cursor = stream.cursor
        given += [place(row) for row in rows_of(stream)]
    assert sorted(given) == sorted(judge_all(whole))
    assert rows_of(open_examples(tables, query(since=cursor))) == []


def place(row: dict[str, Any]) -> tuple[object, ...]:
    """Return the identity of an example."""
    return (row["record_topic_id"], row["record_partition"], row["record_offset"])


def test_a_correction_after_the_cursor_is_counted_and_not_given_again(tmp_path: Path) -> None:
    """What was learnt is not unlearnt: another label of a given event is a number, a retraction likewise."""
    tables = tables_in(tmp_path)
    fill(tables, History(events=[Event("pay", 0, 0, 5, "e", time=5)], labels=[label(0, "ok")]))
    first = open_examples(tables, query())
    first.close()
    append(tables.labels, [label(1, "fraud", time=10)])
    with open_examples(tables, query(since=first.cursor)) as corrected:
        assert (corrected.counts.examples, corrected.counts.corrected_after) == (0, 1)
    append(tables.labels, [label(2, None, time=11)])
    with open_examples(tables, query(since=first.cursor)) as retracted:
        assert (retracted.counts.examples, retracted.counts.retracted_after) == (0, 1)
    append(tables.labels, [label(3, "ok", time=12)])
    again = open_examples(tables, query(since=retracted.cursor))
    assert [row["label"] for row in rows_of(again)] == ["ok"]


def test_a_missing_label_that_comes_after_all_is_a_correction(tmp_path: Path) -> None:
    """An event given as the missing class and labelled otherwise later is not an example once more."""
    tables = tables_in(tmp_path)
    fill(tables, History(events=[Event("pay", 0, 0, 5, "e", time=5)]))
    asked = query(missing="ok", max_delay=timedelta(seconds=1))
    first = open_examples(tables, asked)
    assert [(row["label"], row["label_source"]) for row in rows_of(first)] == [("ok", "missing")]
    append(tables.labels, [label(0, "fraud")])
    with open_examples(tables, replace(asked, since=first.cursor)) as later:
        assert (later.counts.examples, later.counts.corrected_after) == (0, 1)
    assert [row["label"] for row in rows_of(open_examples(tables, asked))] == ["fraud"]


def test_a_longer_delay_takes_no_missing_label_back(tmp_path: Path) -> None:
    """Else the event would be given once more when the longer delay is over."""
    tables = tables_in(tmp_path)
    fill(tables, History(events=[Event("pay", 0, 0, 5, "e", time=5)]))
    given, cursor = 0, None
    for delay, now in ((1, 10), (20, 11), (20, 40)):
        asked = query(as_of_ms=ms(now), missing="ok", max_delay=timedelta(seconds=delay), since=cursor)
        with open_examples(tables, asked) as stream:
            given, cursor = given + stream.counts.examples, stream.cursor
            assert stream.counts.retracted_after == 0
    assert given == 1


def test_a_topic_made_again_has_scores_of_its_own(tmp_path: Path) -> None:
    """Its records have the places, and with them the ids, of those of before; the event time tells them apart."""
    times = {"old": 5, "new": 9}
    tables = tables_in(tmp_path)
    for number, (topic, time) in enumerate(times.items()):
        event = Event("pay", 0, 0, time, "pay/0/0", time=time, inline="ok").columns() | {"record_topic_id": topic}
        score = Score("scores", 0, number, time, "pay/0/0", ("pay", 0, 0), version=topic).columns()
        for table, row in ((tables.features, event), (tables.scores, score | {"event_time": at(time)})):
            rows = pa.Table.from_pylist([row], schema=table.schema)
            table.append(rows, [Stretch(topic, None, 1)])
    found = {row["record_topic_id"]: row["live_version"] for row in rows_of(open_examples(tables, query()))}
    assert found == {"old": "old", "new": "new"}


def test_a_retracted_label_is_not_a_missing_one(tmp_path: Path) -> None:
    """Somebody said that the truth is not known, which is more than nobody having said anything."""
    tables = tables_in(tmp_path)
    fill(tables, History(events=[Event("pay", 0, 0, 5, "e", time=5)], labels=[label(0, "ok"), label(1, None)]))
    with open_examples(tables, query(missing="ok", max_delay=timedelta(seconds=1))) as stream:
        assert stream.counts.examples == 0


def test_a_topic_label_of_the_events_own_time_beats_the_inline_one(tmp_path: Path) -> None:
    """The inline label counts as of the event's time and gives way at equal time, not before."""
    event = Event("pay", 0, 0, 5, "e", time=5, inline="fraud")
    assert [r["label"] for r in one_event(tmp_path / "a", label(0, "ok", time=5), event=event)] == ["ok"]
    assert [r["label"] for r in one_event(tmp_path / "b", label(0, "ok", time=4), event=event)] == ["fraud"]
    assert one_event(tmp_path / "c", label(0, None, time=5), event=event) == []


def test_a_window_is_closed_at_its_start_and_open_at_its_end(tmp_path: Path) -> None:
    """Two windows that touch have no example in common and lose none."""
    tables = tables_in(tmp_path)
    history = History(events=[Event("pay", 0, n, 5, f"e{n}", time=n, inline="ok") for n in range(6)])
    fill(tables, history)
    found = rows_of(open_examples(tables, query(from_ms=ms(2), to_ms=ms(4))))
    assert [row["event_time"] for row in found] == [at(2), at(3)]


def test_a_frozen_version_keeps_its_examples(tmp_path: Path) -> None:
    """What comes later, and compaction, change nothing about the versions that a model names."""
    history = random_history(random.Random(3))
    tables = tables_in(tmp_path)
    fill(tables, history, commits=4)
    first = open_examples(tables, query())
    expected = rows_of(first)
    for table in tables:
        table.handle().optimize.compact()
    assert rows_of(open_examples(tables, query())) == expected
    append(tables.labels, [Label("labels", 7, 0, 39, "e1", time=39, label="late")])
    assert rows_of(open_examples(tables, query(versions=first.versions))) == expected
    assert rows_of(open_examples(tables, query())) != expected


def test_only_the_fields_asked_for_are_read(tmp_path: Path) -> None:
    """Each model has its own subset, in its own order; a field that is no column is refused by name."""
    tables = tables_in(tmp_path)
    fill(tables, random_history(random.Random(1)))
    with open_examples(tables, query(fields=("Last amounts",))) as stream:
        assert stream.schema.names[:2] == ["Last amounts", "event_id"]
    with pytest.raises(TableRefused, match="no column colour"):
        open_examples(tables, query(fields=("colour",)))


NAMES = ("source", "source_offset", "scored_at", "record", "known_at", "k", "f", 'a "b"', "select", "it's")


def test_a_field_may_be_called_like_anything_of_the_query(tmp_path: Path) -> None:
    """Names of steps, of their columns and of columns of another table are no reason to refuse a field."""
    schema = FeatureSchema(tuple(Field(name, FieldType.DOUBLE, "path") for name in NAMES))
    tables = tables_in(tmp_path, schema)
    event = Event("pay", 0, 0, 5, "e", time=5, inline="ok").columns()
    row = {name: value for name, value in event.items() if name not in SCHEMA.names}
    values = {name: float(number) for number, name in enumerate(NAMES)}
    rows = pa.Table.from_pylist([row | values], schema=tables.features.schema)
    tables.features.append(rows, [Stretch("source", None, 1)])
    (found,) = rows_of(open_examples(tables, query()))
    assert {name: found[name] for name in NAMES} == values


def test_tables_without_rows_have_no_examples(tmp_path: Path) -> None:
    """The first look comes before the first event."""
    stream = open_examples(tables_in(tmp_path), query())
    assert rows_of(stream) == []
    assert stream.schema.names[: len(SCHEMA.names)] == list(SCHEMA.names)
    assert stream.cursor.features == {}


def test_a_stream_is_read_once(tmp_path: Path) -> None:
    """A second reading would silently be empty."""
    stream = open_examples(tables_in(tmp_path), query())
    rows_of(stream)
    with pytest.raises(BufferingError, match="once"):
        rows_of(stream)
