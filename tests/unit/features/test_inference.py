from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.errors import TableError
from features.inference import infer, infer_events
from features.schema import Field, FieldType, NullPolicy, Roles
from features.tables import read_batch

ROWS = 40
LABELS = ["fraud"] * 4 + ["ok"] * (ROWS - 4)


def a_table(folder: Path, columns: dict[str, Any], *, suffix: str = ".csv") -> Path:
    """Return a file with these columns; a label ``y`` is added where there is none."""
    frame = pd.DataFrame({"y": LABELS, **columns})
    path = folder / f"events{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


PROPOSALS: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("whole numbers", list(range(ROWS)), {"type": FieldType.LONG}),
    ("zeros and ones", [0, 1] * 20, {"type": FieldType.LONG}),
    ("fractions", [i / 2 for i in range(ROWS)], {"type": FieldType.DOUBLE}),
    ("mixed numbers", [1, 2.5] * 20, {"type": FieldType.DOUBLE}),
    ("truth values", [True, False] * 20, {"type": FieldType.BOOLEAN}),
    ("categories", ["a", "b"] * 20, {"type": FieldType.STRING}),
    ("lists", ["[1, 2]", "[3, 4.5]"] * 20, {"type": FieldType.DOUBLE, "length": 2}),
    ("nulls in fractions", [0.5, 1.5, None, 2] * 10, {"type": FieldType.DOUBLE, "null": NullPolicy.KEEP}),
    ("nulls in text", ["a", "b", None, "a"] * 10, {"type": FieldType.STRING, "null": NullPolicy.KEEP}),
    ("stray text", ["N/A", *range(1, ROWS)], {"type": FieldType.LONG}),
]


@pytest.mark.parametrize(("values", "expected"), [pytest.param(v, e, id=name) for name, v, e in PROPOSALS])
def test_a_column_is_proposed_as_what_it_looks_like(
    tmp_path: Path, values: list[Any], expected: dict[str, Any]
) -> None:
    """The first schema of a newcomer fits the file at hand."""
    (field,) = infer(a_table(tmp_path, {"x": values}), label="y").schema.fields
    assert field == Field(**{"name": "x", "source": "x", **expected})


@pytest.mark.parametrize(
    ("cells", "kind", "default"),
    [(["1", "", "3"], FieldType.LONG, 0), (["true", "", "false"], FieldType.BOOLEAN, False)],
)
def test_an_empty_cell_where_null_cannot_be_kept_has_a_default(
    tmp_path: Path, cells: list[str], kind: FieldType, default: Any
) -> None:
    """Integers and truth values have no null, so one is proposed and said."""
    inferred = infer(a_table(tmp_path, {"x": (cells * ROWS)[:ROWS]}), label="y")
    (field,) = inferred.schema.fields
    assert (field.type, field.null, field.default) == (kind, NullPolicy.DEFAULT, default)
    assert any("is empty" in note for note in inferred.notes)


LEFT_OUT: list[tuple[str, str, list[Any]]] = [
    ("constant", "same value everywhere", [3] * ROWS),
    ("empty", "no values", [None] * ROWS),
    ("names", "text of its own", [f"card-{i}" for i in range(ROWS)]),
    ("uneven lists", "not all of one length", ["[1]", "[1, 2]"] * 20),
    ("huge integers", "beyond 64 bits", [2**70 + i for i in range(ROWS)]),
]


@pytest.mark.parametrize(("why", "values"), [pytest.param(w, v, id=name) for name, w, v in LEFT_OUT])
def test_a_column_of_no_use_is_left_out_with_a_note(tmp_path: Path, why: str, values: list[Any]) -> None:
    """A person sees which columns are not proposed, and why."""
    inferred = infer(a_table(tmp_path, {"x": values, "n": range(ROWS)}), label="y")
    assert inferred.schema.names == ("n",)
    assert [note for note in inferred.notes if "'x'" in note and why in note]


@pytest.mark.parametrize(
    ("labels", "task", "positive"),
    [
        (LABELS, "classification", "fraud"),
        (["ok"] * 4 + ["fraud"] * 36, "classification", "ok"),
        ([0] * 10 + [1] * 30, "classification", None),
        ([True] * 10 + [False] * 30, "classification", None),
        (["a", "b", "c", "d"] * 10, "classification", None),
        ([i * 1.5 for i in range(ROWS)], "regression", None),
        ([f"class {i}" for i in range(ROWS)], "classification", None),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_label_decides_the_task(
    tmp_path: Path, labels: list[Any], task: str, positive: str | None, suffix: str
) -> None:
    """Sorted classes would silently invert a score, so the rarer of two is proposed and said."""
    inferred = infer(a_table(tmp_path, {"y": labels, "n": range(ROWS)}, suffix=suffix), label="y")
    assert (inferred.task, inferred.positive) == (task, positive)
    assert sum(inferred.classes.values()) == (ROWS if task == "classification" else 0)
    assert any("positive is" in note for note in inferred.notes) == (positive is not None)


def test_roles_are_not_proposed_as_fields_and_their_faults_are_noted(tmp_path: Path) -> None:
    """Ids, keys and times are no features; what is odd about them is said before the first event."""
    columns = {"i": ["a", "a"] + ["b"] * 38, "k": range(ROWS), "n": range(ROWS)}
    columns["t"] = ["2024-01-01 00:00Z"] + ["2024-01-01 00:00"] * 39
    inferred = infer(a_table(tmp_path, columns), label="y", id="i", key="k", time="t")
    assert inferred.schema.names == ("n",)
    notes = "\n".join(inferred.notes)
    assert "not unique" in notes
    assert "no zone" in notes


def test_the_proposal_reads_the_file_it_was_made_from(tmp_path: Path) -> None:
    """What is proposed can be trained on at once: names are distinct, paths are the columns."""
    columns = {"mean radius": range(ROWS), "mean-radius": [0.5, 1] * 20, "pay.amount": [1.5, None] * 20}
    path = a_table(tmp_path, columns)
    inferred = infer(path, label="y")
    assert inferred.schema.names == ("mean_radius", "mean_radius_2", "pay_amount")
    table = read_batch(path, inferred.schema)
    assert (len(table.batch), len(table.rejections)) == (ROWS, 0)


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ("no column y; there are a, b", "a,b\n1,2\n"),
        ("no rows", "y,a\n"),
        ("no rows", ""),
        ("empty everywhere", "y,a\n,1\n,2\n"),
        ("no column can be a feature", "y,a\n1,2\n0,2\n"),
    ],
)
def test_a_file_nothing_can_be_learnt_from_is_refused(tmp_path: Path, message: str, content: str) -> None:
    """A person hears in one line what the file lacks."""
    path = tmp_path / "events.csv"
    path.write_text(content)
    with pytest.raises(TableError, match=message):
        infer(path, label="y")


def test_a_file_in_another_encoding_is_told_from_an_empty_one(tmp_path: Path) -> None:
    """Spreadsheets like to save in the country's own encoding: the line says so, and what to do."""
    path = tmp_path / "events.csv"
    path.write_bytes("y,town\n1,Köln\n0,München\n".encode("latin-1"))
    with pytest.raises(TableError, match="line 2: it is not UTF-8; save the file as UTF-8"):
        infer(path, label="y")


def test_a_time_that_no_line_has_is_refused(tmp_path: Path) -> None:
    """A service file by which every event would be a dead letter is not ready to use."""
    path = a_table(tmp_path, {"x": range(ROWS), "day": ["2025-01-01"] * ROWS})
    with pytest.raises(TableError, match="in no event can the time be read: time \\(day\\)"):
        infer(path, label="y", time="day")


def proposed(values: list[Any], *, roles: Roles | None = None) -> dict[str, Field]:
    """Return the fields proposed for events with these values at ``pay.x``, beside a number of their own."""
    events = [{"pay": {"x": value}, "n": number} for number, value in enumerate(values)]
    return {field.source: field for field in infer_events(events, roles or Roles(), origin="topic t").schema.fields}


def test_values_of_events_are_taken_for_what_they_are() -> None:
    """The stream coerces nothing, so a text of digits is text, and a nested value is known by its path."""
    assert proposed(["1", "2"] * 5)["pay.x"] == Field("pay_x", FieldType.STRING, "pay.x")
    assert proposed([1, 2.5] * 5)["pay.x"] == Field("pay_x", FieldType.DOUBLE, "pay.x")
    assert proposed(["", "a"] * 5)["pay.x"].null is NullPolicy.REJECT


@pytest.mark.parametrize("values", [["a", True] * 5, ["a", 1] * 5, [True, 1] * 5, [{"y": 1}, 2] * 5, [b"a", b"b"]])
def test_values_of_several_types_are_no_field(values: list[Any]) -> None:
    """Half of the events would be dead letters by either type."""
    assert "pay.x" not in proposed(values)


def test_events_need_no_label() -> None:
    """Labels come later; what that means for training is said."""
    inferred = infer_events([{"x": 1}, {"x": 2}], Roles(), origin="topic t")
    assert (inferred.task, inferred.classes, inferred.positive) == ("classification", {}, None)
    assert any("labels.inline" in note for note in inferred.notes)


def test_a_name_that_avro_does_not_allow_is_a_feature_and_is_said() -> None:
    """JSON takes any name; who changes the format later should know what stands in the way."""
    inferred = infer_events([{"sku-code": 1}, {"sku-code": 2}], Roles(), origin="topic t")
    assert [(f.name, f.source) for f in inferred.schema.fields] == [("sku_code", "sku-code")]
    assert "'sku-code': Avro does not allow such names; with them events must be JSON" in inferred.notes


@pytest.mark.parametrize("wrapper", ["", "payload"])
def test_of_a_change_data_envelope_the_new_row_is_taken(wrapper: str) -> None:
    """The row before and the connector's own fields describe the log, not the event."""
    changes: list[dict[str, Any]] = [{"before": None, "after": {"x": x}, "op": "c", "ts_ms": x} for x in range(5)]
    changes.append({"before": {"x": 1}, "after": None, "op": "d", "ts_ms": 9})
    events = [{wrapper: change} for change in changes] if wrapper else changes
    inferred = infer_events(events, Roles(), origin="topic t")
    path = f"{wrapper}.after.x" if wrapper else "after.x"
    assert [(f.source, f.null) for f in inferred.schema.fields] == [(path, NullPolicy.REJECT)]
    assert any("envelope" in note for note in inferred.notes)


def test_a_path_that_no_event_has_is_named_with_those_there_are() -> None:
    """A misspelt path is found before the service is started."""
    with pytest.raises(TableError, match=r"topic t: no column pay\.id; there are pay\.x, n"):
        proposed([1, 2], roles=Roles(id="pay.id"))
