from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import TableError
from features.input_files import open_input
from producer.publishing import Event
from service.decoders import bare_avro
from service.errors import ServiceError
from service.label_records import label_record_schema
from service.publish_command import Piece
from service.publish_labels import LabelFile, label_encoder
from service.settings import Settings, settings_from
from tests.support.registry_fake import FakeRegistry

PATHS = {"id": "txn.ref", "label": "status", "time": "at"}
HEADER = "txn.ref,card,status,at\n"


def settings(*, folder: Path = Path(), features: dict[str, Any] | None = None, **sections: Any) -> Settings:
    """Return settings of a service whose labels have the paths above."""
    given = {"key": "card", "fields": [{"name": "x", "type": "double"}], **(features or {})}
    labels = {**PATHS, **sections.pop("labels", {})}
    return settings_from({"name": "fraud", "features": given, "labels": labels, **sections}, folder=folder)


def pieces(chosen: Settings, file: Path, *, chunk_rows: int = 100, after: int = 0) -> list[Piece]:
    """Return what a file of labels gives."""
    return list(LabelFile(chosen, open_input(file)).pieces(chunk_rows=chunk_rows, after=after))


def written(folder: Path, *rows: str) -> Path:
    """Write a file of labels."""
    file = folder / "labels.csv"
    file.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return file


def values(records: Sequence[Event]) -> list[Any]:
    """Return what JSON records say."""
    return [json.loads(record.value) for record in records]


def test_label_rows_become_records_of_the_users_own_shape(tmp_path: Path) -> None:
    """Nested as the paths say, the value as it is written, a time in epoch milliseconds, the events' own key."""
    [piece] = pieces(settings(), written(tmp_path, "t1,c9,CB_LOST,1970-01-01T00:00:01Z", "t2,,1,7"))
    assert values(piece.records) == [
        {"txn": {"ref": "t1"}, "status": "CB_LOST", "at": 1000},
        {"txn": {"ref": "t2"}, "status": "1", "at": 7},
    ]
    assert [record.key for record in piece.records] == [b"c9", b"t2"]


def test_empty_cell_retracts(tmp_path: Path) -> None:
    """A null on the topic takes the label back that was there before."""
    [piece] = pieces(settings(), written(tmp_path, "t1,,,7"))
    assert (values(piece.records)[0]["status"], piece.problems) == (None, [])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",c,ok,7", "'txn.ref' is empty"),
        ("t1,c,ok,", "'at' is empty"),
        ("t1,c,ok,2026-01-01", "has no zone"),
        ("t1,c,what,7", "none of the classes"),
        ("t1,c,nan,7", "is no class"),
        ("t1,c", "2 cells where the header has 4"),
    ],
)
def test_row_that_is_no_label_is_told_by_its_line_and_left_out(tmp_path: Path, row: str, said: str) -> None:
    """What the buffer would refuse on the topic does not get there."""
    [piece] = pieces(settings(labels={"map": {"CB": "fraud", "ok": "ok"}}), written(tmp_path, "t0,c,CB,7", row))
    assert ([record.line for record in piece.records], [problem.line for problem in piece.problems]) == ([2], [3])
    assert said in piece.problems[0].detail


def test_label_of_a_regression_must_be_a_number(tmp_path: Path) -> None:
    """The task decides what a label is, as it does on the topic."""
    [piece] = pieces(settings(model={"task": "regression"}), written(tmp_path, "t1,c,1.5,7", "t2,c,high,7"))
    assert [record.line for record in piece.records] == [2]
    assert "expected a number" in piece.problems[0].detail


def test_pieces_begin_behind_the_line_that_is_done(tmp_path: Path) -> None:
    """Whatever the size of the pieces is now and was then; bad rows have their place, too."""
    file = written(tmp_path, *(f"t{n},c,{'ok' if n % 3 else 'nan'},7" for n in range(10)))
    whole = [line for piece in pieces(settings(), file, chunk_rows=3) for line in lines(piece)]
    for after in range(2, 12):
        rest = [line for piece in pieces(settings(), file, chunk_rows=4, after=after) for line in lines(piece)]
        assert rest == [line for line in whole if line > after]


def lines(piece: Piece) -> list[int]:
    """Return the lines of a piece, good and bad; its last is the one it names."""
    found = sorted([*(record.line for record in piece.records), *(problem.line for problem in piece.problems)])
    assert found[-1] == piece.last
    return found


def test_labels_of_a_parquet_file_keep_their_type(tmp_path: Path) -> None:
    """A null retracts; a NaN is not a null."""
    columns = {"txn.ref": ["a", "b", "c"], "status": [1.0, None, float("nan")], "at": [1, 2, 3]}
    pq.write_table(pa.table(columns), tmp_path / "l.parquet")
    [piece] = pieces(settings(), tmp_path / "l.parquet")
    assert [value["status"] for value in values(piece.records)] == [1.0, None]
    assert [problem.line for problem in piece.problems] == [3]


def test_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    """The setting or the header is wrong, and a person sees which."""
    with pytest.raises(TableError, match=r"no column outcome; there are txn\.ref, card, status, at"):
        pieces(settings(labels={"label": "outcome"}), written(tmp_path, "t1,c,ok,7"))


@pytest.mark.parametrize(
    ("kind", "status"),
    [("string", "1"), (["null", "long"], 1), ("boolean", True), ("double", 1.0), (["null", "long", "string"], "1")],
)
def test_label_becomes_what_the_writers_schema_has_for_it(kind: Any, status: Any) -> None:
    """A file has words where the schema counts; the labels topic has the types its readers know."""
    schema = {"type": "record", "name": "Label", "fields": [{"name": "ref", "type": "string"}]}
    schema["fields"] = [{"name": "ref", "type": "string"}, {"name": "status", "type": kind}]
    registry = FakeRegistry()
    number = registry.add("fraud.labels-value", schema)
    chosen = settings(labels={"id": "ref", "time": None, "format": "avro"}, schema_registry={"url": "mock://labels"})
    value = label_encoder(chosen, registry).encode({"ref": "t1", "status": "true" if kind == "boolean" else "1"})
    assert value[:5] == bytes([0, 0, 0, 0, number])
    assert bare_avro(schema)(value[5:], ()) == {"ref": "t1", "status": status}


def test_bare_avro_is_written_by_the_schema_that_labels_are_read_by() -> None:
    """Without a registry and a file of its own the shape gives the schema."""
    chosen = settings(labels={"format": "avro"})
    value = label_encoder(chosen, None).encode({"txn": {"ref": "t1"}, "status": None, "at": 7})
    assert bare_avro(label_record_schema(chosen))(value, ()) == {"txn": {"ref": "t1"}, "status": None, "at": 7}


def test_label_encoder_names_the_command_that_registers_a_schema() -> None:
    """Publishing registers nothing on the side."""
    chosen = settings(labels={"format": "avro"}, schema_registry={"url": "mock://labels"})
    with pytest.raises(ServiceError, match=r"fraud\.labels-value is not in the registry.*topics create"):
        label_encoder(chosen, FakeRegistry())
