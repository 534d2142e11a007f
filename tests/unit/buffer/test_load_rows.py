from __future__ import annotations

from pathlib import Path

import pytest

from buffer.load_rows import EventRows, Horizon, LabelRows, LoadSource, MadeRows
from features.checked_rows import checked_rows
from features.labels import ClassRules
from features.rejection import Reason
from features.schema import FeatureSchema, Field, FieldType, Roles
from features.tables import open_table

DAY = 86_400_000
NOW = 20_000 * DAY + 5
SOURCE = LoadSource("h.csv", "ab" * 32)
HORIZON = Horizon(NOW, NOW - 180 * DAY)
RULES = ClassRules(mapping={"CB": "fraud", "OK": "ok"})
X = (Field("x", FieldType.DOUBLE, "x"),)


def made(folder: Path, content: str, schema: FeatureSchema, kind: type[EventRows | LabelRows]) -> MadeRows:
    """Return what a small file becomes."""
    path = folder / "h.csv"
    path.write_text(content)
    (piece,) = checked_rows(open_table(path), schema, chunk_rows=100)
    return kind(SOURCE, rules=RULES, horizon=HORIZON).make(piece)


def test_an_event_is_a_row_that_names_its_file_and_its_place(tmp_path: Path) -> None:
    """Partition and day are those of the event's time, the offset is the row's number, bad rows counted."""
    schema = FeatureSchema(X, Roles(id="i", key="k", time="t", label="y"))
    rows = made(tmp_path, f"i,k,t,y,x\na,c,{NOW - DAY},CB,1\nb,c,{NOW},OK,?\nd,,{NOW},,2\n", schema, EventRows)
    assert (rows.numbers.tolist(), rows.end, [p.line for p in rows.problems]) == ([0, 2], 3, [3])
    first, second = rows.rows.to_pylist()
    assert (first["record_topic"], first["record_topic_id"], first["record_partition"]) == (
        "h.csv",
        f"sha256:{'ab' * 32}",
        0,
    )
    assert (first["record_offset"], first["record_key"], first["inline_label"], first["x"]) == (0, b"c", "fraud", 1.0)
    assert (first["record_time"], first["record_day"]) == (first["event_time"], first["event_time"].date())
    assert (second["record_offset"], second["record_key"], second["inline_label"]) == (2, None, None)


def test_events_without_ids_and_times_are_told_apart_and_are_of_now(tmp_path: Path) -> None:
    """Two files of one name must not share ids: the inline label of one would be that of the other's event."""
    rows = made(tmp_path, "x\n1\n2\n", FeatureSchema(X), EventRows).rows.to_pylist()
    assert [row["event_id"] for row in rows] == ["h.csv/abababababababab/0", "h.csv/abababababababab/1"]
    assert {int(row["record_time"].timestamp() * 1000) for row in rows} == {NOW}


@pytest.mark.parametrize("kind", [EventRows, LabelRows])
def test_what_is_too_old_or_labelled_wrongly_is_left_out(tmp_path: Path, kind: type[EventRows | LabelRows]) -> None:
    """A row that would be dropped at once, and a label of no class, are named by their lines to be mended."""
    roles = Roles(id="i", time="t", label="y")
    schema = FeatureSchema(X if kind is EventRows else (), roles)
    content = f"i,t,y,x\na,{NOW - 181 * DAY},OK,1\nb,{NOW},maybe,1\nc,{-(2**62)},OK,1\nd,{NOW - 179 * DAY},OK,1\n"
    rows = made(tmp_path, content, schema, kind)
    assert [(p.line, p.reason) for p in rows.problems] == [(line, Reason.OUT_OF_RANGE) for line in (2, 3, 4)]
    assert (rows.rows["event_id"].to_pylist(), rows.numbers.tolist()) == (["d"], [3])


def test_labels_are_rows_keyed_by_their_event_and_an_empty_one_retracts(tmp_path: Path) -> None:
    """A file of labels means what the same records on the topic mean."""
    schema = FeatureSchema((), Roles(id="i", time="t", label="y"))
    rows = made(tmp_path, f"i,t,y\na,{NOW},CB\nb,{NOW - 1},\n", schema, LabelRows).rows.to_pylist()
    assert [(r["event_id"], r["record_key"], r["label"], r["refused"]) for r in rows] == [
        ("a", b"a", "fraud", None),
        ("b", b"b", None, None),
    ]
    assert [int(r["label_time"].timestamp() * 1000) for r in rows] == [NOW, NOW - 1]


def test_rows_since_a_position_keep_their_numbers(tmp_path: Path) -> None:
    """A load that goes on appends the rows behind the position, and no other."""
    rows = made(tmp_path, "x\n1\n?\n3\n4\n", FeatureSchema(X), EventRows)
    later = rows.since(2)
    assert (later.first, later.count, later.numbers.tolist()) == (2, 2, [2, 3])
    assert later.rows["x"].to_pylist() == [3.0, 4.0]
    assert rows.since(0) is rows
