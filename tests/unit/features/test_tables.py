from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.encoding import build_encoder
from features.errors import TableError
from features.json_codec import JsonCodec
from features.rejection import Reason
from features.rows import LineProblem
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from features.tables import EventChunk, read_batch, read_events
from tests.unit.features.assertions import assert_same_batch

X = FeatureSchema((Field("x", FieldType.DOUBLE, "x"), Field("s", FieldType.STRING, "s", null=NullPolicy.KEEP)))
FULL = FeatureSchema(
    (
        Field("amount", FieldType.DOUBLE, "payment.amount"),
        Field("n", FieldType.LONG, "n", null=NullPolicy.DEFAULT, default=0),
        Field("ok", FieldType.BOOLEAN, "ok"),
        Field("v", FieldType.DOUBLE, "v", length=2),
    ),
    Roles(id="payment.id", key="card", time="t", label="y", passthrough=("shop",)),
)
FULL_CSV = (
    "y,payment.id,card,t,shop,payment.amount,n,ok,v,unused\n"
    'fraud,a,c1,1970-01-01T00:00:01Z,"Ann, Bob",1.5,,True,"[1, 2]",zzz\n'
    'ok,b,c2,2000,,2,3,false,"[0.5,-1e3]",\n'
)


def a_file(folder: Path, content: str | bytes, name: str = "events.csv") -> Path:
    """Return a file with this content."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def all_of(chunks: Sequence[EventChunk]) -> tuple[list[Any], list[int], list[LineProblem]]:
    """Return events, lines and problems of all chunks."""
    return (
        [event for chunk in chunks for event in chunk.events],
        [line for chunk in chunks for line in chunk.lines],
        [problem for chunk in chunks for problem in chunk.problems],
    )


def test_csv_events_are_nested_and_typed(tmp_path: Path) -> None:
    """What is published from a file has the shape and the types that the schema declares, and no more."""
    events, lines, problems = all_of(list(read_events(a_file(tmp_path, FULL_CSV), FULL)))
    first = {"payment": {"amount": 1.5, "id": "a"}, "n": None, "ok": True, "v": [1.0, 2.0]}
    second = {"payment": {"amount": 2.0, "id": "b"}, "n": 3, "ok": False, "v": [0.5, -1000.0]}
    assert events == [
        {**first, "card": "c1", "t": 1000, "y": "fraud", "shop": "Ann, Bob"},
        {**second, "card": "c2", "t": 2000, "y": "ok", "shop": None},
    ]
    assert (lines, problems) == ([2, 3], [])


@pytest.mark.parametrize("name", ["events.csv", "events.parquet"])
def test_a_model_is_trained_on_what_the_stream_will_show(tmp_path: Path, name: str) -> None:
    """A row read for training, and the same row published and decoded, are one batch."""
    path = a_file(tmp_path, FULL_CSV) if name.endswith("csv") else a_parquet(tmp_path)
    trained = read_batch(path, FULL)
    (chunk,) = read_events(path, FULL)
    encoder = build_encoder("json", schema=FULL)
    streamed = JsonCodec().decode([encoder.encode(event) for event in chunk.events], FULL).batch
    assert len(streamed) == 2
    assert trained.batch.rows.tolist() == list(chunk.lines)
    trained.batch.rows[:] = [0, 1]
    assert_same_batch(trained.batch, streamed)


def a_parquet(folder: Path) -> Path:
    """Return the same events as ``FULL_CSV``, with a struct, lists and an instant."""
    table = pa.table(
        {
            "y": ["fraud", "ok"],
            "payment": [{"id": "a", "amount": 1.5}, {"id": "b", "amount": 2.0}],
            "card": [1, 2],
            "t": pa.array([1000, 2000], pa.timestamp("ms", tz="Europe/Berlin")),
            "shop": ["Ann, Bob", None],
            "n": [None, 3],
            "ok": [True, False],
            "v": [[1.0, 2.0], [0.5, -1000.0]],
        }
    )
    pq.write_table(table, folder / "events.parquet")
    return folder / "events.parquet"


BAD_LINES: list[tuple[str, bytes, Reason]] = [
    ("too few cells", b"1", Reason.UNDECODABLE),
    ("too many cells", b"1,a,b", Reason.UNDECODABLE),
    ("NUL byte", b"1,a\0b", Reason.UNDECODABLE),
    ("not UTF-8", b"1,\xff", Reason.UNDECODABLE),
    ("a letter after a quote", b'1,"a"b', Reason.UNDECODABLE),
    ("not a number", b"N/A,a", Reason.WRONG_TYPE),
    ("nan in letters", b"nan,a", Reason.WRONG_TYPE),
    ("inf in letters", b"inf,a", Reason.WRONG_TYPE),
    ("decimal comma", b'"1,5",a', Reason.WRONG_TYPE),
    ("underscore", b"1_000,a", Reason.WRONG_TYPE),
    ("digits of another script", "\u0661,a".encode(), Reason.WRONG_TYPE),
    ("beyond a double", b"1e309,a", Reason.NOT_FINITE),
    ("an integer no double can hold", b"9007199254740993,a", Reason.OUT_OF_RANGE),
    ("a number of 5,000 digits", b"9" * 5000 + b",a", Reason.WRONG_TYPE),
]


@pytest.mark.parametrize(("line", "reason"), [pytest.param(v, r, id=name) for name, v, r in BAD_LINES])
def test_a_bad_line_costs_itself_and_is_named_by_its_number(tmp_path: Path, line: bytes, reason: Reason) -> None:
    """Publishing and training turn away the same line, for the same reason, and keep the others."""
    path = a_file(tmp_path, b'x,s\n1,"a\nb"\n\n' + line + b"\n2,c\n")
    _, lines, problems = all_of(list(read_events(path, X)))
    table = read_batch(path, X)
    assert (lines, table.batch.rows.tolist()) == ([2, 6], [2, 6])
    assert [(problem.line, problem.reason) for problem in problems] == [(5, reason)]
    assert (list(table.rejections), table.n_rows) == (problems, 3)


REFUSED_FILES: list[tuple[str, bytes]] = [
    ("names 'x' more than once", b"x,s,x\n1,a,2\n"),
    ("separated by semicolons", b"x;s\n1;a\n"),
    ("separated by tabs", b"x\ts\n1\ta\n"),
    ("no column s; there are x, y", b"x,y\n1,2\n"),
    ("no column s; there are x, after.s; did you mean after.s?", b"x,after.s\n1,2\n"),
    ("line 3: a quote is opened and not closed", b'x,s\n1,a\n2,"b\n3,c\n'),
    ("line 2: a quote is opened and not closed", b'x,s\n2,"' + b"b\n" * 100_000),
    ("the header cannot be read", b"x,\0s\n1,a\n"),
    ("at most 10000", b",".join(b"c%d" % i for i in range(10_001))),
]


@pytest.mark.parametrize(("message", "content"), REFUSED_FILES)
def test_a_file_that_cannot_be_understood_is_refused(tmp_path: Path, message: str, content: bytes) -> None:
    """A file that would be misread as a whole is refused with the place and the mend."""
    path = a_file(tmp_path, content)
    with pytest.raises(TableError, match=message):
        read_batch(path, X)
    with pytest.raises(TableError, match=message):
        list(read_events(path, X))


@pytest.mark.parametrize("content", ["", "\n", "\ufeff", "x,s\n", "\ufeffx,s\r\n"])
def test_a_file_without_rows_is_no_error(tmp_path: Path, content: str) -> None:
    """An empty file and a header alone give nothing, and columns of the right type."""
    path = a_file(tmp_path, content)
    assert list(read_events(path, X)) == []
    table = read_batch(path, X)
    assert (len(table.batch), table.n_rows, table.batch.columns["x"].dtype) == (0, 0, np.dtype(float))


@pytest.mark.parametrize("content", ["\ufeffx,s\n1,é\n", "x,s\r\n1,é\r\n", "x , s\r1,é", '"x","s"\n"1","é"\n'])
def test_csv_is_read_as_other_programs_write_it(tmp_path: Path, content: str) -> None:
    """A byte-order mark, other line ends, spaces in the header and quotes change nothing."""
    batch = read_batch(a_file(tmp_path, content), X).batch
    assert (batch.columns["x"].tolist(), batch.columns["s"].tolist()) == ([1.0], ["é"])


def test_a_file_is_read_in_pieces(tmp_path: Path) -> None:
    """Memory is one piece, and pieces change nothing about the lines."""
    path = a_file(tmp_path, "x,s\n" + "".join(f"{i},a\n" if i % 3 else "?,a\n" for i in range(10)))
    chunks = list(read_events(path, X, chunk_rows=4))
    _, lines, problems = all_of(chunks)
    assert [len(c.lines) + len(c.problems) for c in chunks] == [4, 4, 2]
    assert sorted([*lines, *(p.line for p in problems)]) == list(range(2, 12))


def test_training_takes_nulls_and_ranges_as_the_stream_does(tmp_path: Path) -> None:
    """A null that the policy refuses, and a value out of its range, are not learnt from."""
    field = Field("x", FieldType.DOUBLE, "x", minimum=0)
    table = read_batch(a_file(tmp_path, "x,y\n1,a\n,b\n-1,c\n2,\n"), FeatureSchema((field,), Roles(label="y")))
    assert [(p.line, p.reason) for p in table.rejections] == [(3, Reason.MISSING), (4, Reason.OUT_OF_RANGE)]
    assert table.batch.labels == ["a", None]


def test_training_needs_the_label_and_not_the_id(tmp_path: Path) -> None:
    """A training file without ids or times is one; without labels it is none."""
    schema = FeatureSchema(X.fields, Roles(id="i", time="t", key="k", label="y", passthrough=("p",)))
    batch = read_batch(a_file(tmp_path, "x,s,y\n1,a,0\n"), schema).batch
    assert (batch.ids, batch.times, batch.labels, batch.passthrough) == (None, None, ["0"], None)
    with pytest.raises(TableError, match="no column y"):
        read_batch(a_file(tmp_path, "x,s\n1,a\n"), schema)
    with pytest.raises(TableError, match="no column i, k, t"):
        read_events(a_file(tmp_path, "x,s,y\n1,a,0\n"), schema)


def test_the_digest_is_of_the_file(tmp_path: Path) -> None:
    """A model names the very bytes it was trained on."""
    assert read_batch(a_file(tmp_path, "x,s\n1,a\n"), X).digest == hashlib.sha256(b"x,s\n1,a\n").hexdigest()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that is wrong is said to be, without a traceback's worth of words."""
    with pytest.raises(TableError, match=r"nowhere\.csv: cannot be opened: No such file"):
        read_batch(tmp_path / "nowhere.csv", X)


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1 and no more PAR1", b"x,s\n1,a\n"])
def test_a_broken_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is Parquet by name or first bytes, and is not, is refused in one line."""
    with pytest.raises(TableError, match="not a Parquet file") as refused:
        read_batch(a_file(tmp_path, content, "events.parquet"), X)
    assert "\n" not in str(refused.value)


def test_parquet_types_are_held_to_the_declared_ones(tmp_path: Path) -> None:
    """A column of another type, or an instant without zone as event time, is turned away row by row."""
    path = tmp_path / "events.parquet"
    times = pa.array([1, 2], pa.timestamp("us"))
    pq.write_table(pa.table({"x": [1.0, None], "s": [1, 2], "t": times}), path)
    as_text = read_batch(path, X)
    assert [(p.line, p.reason) for p in as_text.rejections] == [(1, Reason.WRONG_TYPE), (2, Reason.MISSING)]
    timed = FeatureSchema((Field("x", FieldType.DOUBLE, "x"),), Roles(time="t"))
    assert ["no zone" in p.detail for p in read_batch(path, timed).rejections] == [True, False]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_printed_in_a_file_is_that_number(tmp_path_factory: pytest.TempPathFactory, value: float) -> None:
    """Reading a CSV loses no bit of a double."""
    path = a_file(tmp_path_factory.getbasetemp(), f"x,s\n{value!r},a\n")
    assert read_batch(path, X).batch.columns["x"].tolist() == [value]
