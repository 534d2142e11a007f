from __future__ import annotations

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features import parquet_file
from features.cells import MAX_CELL_CHARS
from features.checked_rows import checked_rows
from features.errors import TableError
from features.rejection import Reason
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from features.tables import open_table, read_batch

S = FeatureSchema((Field("s", FieldType.STRING, "s", null=NullPolicy.KEEP),))


def written(folder: Path, columns: Any, **options: Any) -> Path:
    """Return a Parquet file of these columns."""
    path = folder / "a.parquet"
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
    return path


def rejected(path: Path, schema: FeatureSchema) -> list[tuple[int, Reason]]:
    """Return the lines that do not fit, and why."""
    return [(problem.line, problem.reason) for problem in read_batch(path, schema).rejections]


@pytest.mark.parametrize("repeats", [1, 50])
def test_texts_come_out_of_their_dictionaries_as_they_went_in(tmp_path: Path, repeats: int) -> None:
    """Whether a text stands once or often, in a column or in a struct, it is itself, and null is null."""
    texts = [None if i % 7 == 0 else f"é{i}" for i in range(100)] * repeats
    path = written(tmp_path, {"s": texts, "in": [{"s": text} if text else None for text in texts]})
    inner = FeatureSchema((Field("s", FieldType.STRING, "in.s", null=NullPolicy.KEEP),))
    assert read_batch(path, S).batch.columns["s"].tolist() == texts
    assert read_batch(path, inner).batch.columns["s"].tolist() == texts


def test_a_bomb_of_texts_is_read_in_pieces_by_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that is stored once and stands in every row must not be written out for all of them at once."""
    monkeypatch.setattr(parquet_file, "MAX_PIECE_BYTES", 1 << 20)
    text = "x" * 100_000
    path = written(tmp_path, {"s": pa.DictionaryArray.from_arrays(np.zeros(100, np.int32), [text])})
    pieces = [len(rows.batch) for rows in checked_rows(open_table(path), S, chunk_rows=10_000)]
    assert (path.stat().st_size < 200_000, sum(pieces), max(pieces)) == (True, 100, 11)


def test_a_text_beyond_the_limit_costs_its_row(tmp_path: Path) -> None:
    """A cell has one limit in every format, and its neighbours in the piece are kept with their numbers."""
    path = written(tmp_path, {"s": ["a", "x" * (MAX_CELL_CHARS + 1), "b"]})
    (rows,) = checked_rows(open_table(path), S, chunk_rows=10)
    assert (rows.batch.rows.tolist(), rows.numbers.tolist(), rows.count) == ([1, 3], [0, 2], 3)
    assert [(p.line, p.reason) for p in rows.problems] == [(2, Reason.TOO_LARGE)]


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_ROWS", 99, "100 rows; at most 99"),
        ("MAX_UNPACKED_BYTES", 50, "unpacks to more than"),
        ("MAX_GROUP_VALUES", 199, "200 values of v.list.element in a row group"),
        ("MAX_COLUMNS", 1, "2 columns; at most 1"),
    ],
)
def test_a_file_that_claims_too_much_is_refused_by_its_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, message: str
) -> None:
    """What run lengths blow up is refused before it is unpacked."""
    path = written(tmp_path, {"s": ["a"] * 100, "v": [[1.0, 2.0]] * 100})
    monkeypatch.setattr(parquet_file, limit, value)
    schema = FeatureSchema((*S.fields, Field("v", FieldType.DOUBLE, "v", length=2)))
    with pytest.raises(TableError, match=message):
        read_batch(path, schema)


def test_columns_of_extension_types_are_refused_and_uuids_are_not(tmp_path: Path) -> None:
    """A type that some code would have to rebuild is not read; an id that is a UUID is a text."""
    name = {b"ARROW:extension:name": b"acme.secret", b"ARROW:extension:metadata": b""}
    fields = [pa.field("s", pa.string(), metadata=name), pa.field("l", pa.list_(pa.json_())), pa.field("u", pa.uuid())]
    uuid = UUID(int=7)
    documents = pa.ListArray.from_arrays([0, 1], pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}"])))
    columns = [pa.array(["a"]), documents, pa.array([uuid.bytes], pa.uuid())]
    path = written(tmp_path, pa.Table.from_arrays(columns, schema=pa.schema(fields)))
    with pytest.raises(TableError, match=r"column s is of the extension type acme\.secret"):
        read_batch(path, S)
    with pytest.raises(TableError, match=r"column l is of the extension type arrow\.json"):
        read_batch(path, FeatureSchema((Field("l", FieldType.DOUBLE, "l", length=1),)))
    assert read_batch(path, FeatureSchema((), Roles(id="u"))).batch.ids == [str(uuid)]


def test_rich_types_are_mapped_or_turned_away_row_by_row(tmp_path: Path) -> None:
    """A decimal is a double, an instant its milliseconds; a map, a list in a list and a date of no calendar are not."""
    instant = datetime(2026, 1, 2, tzinfo=UTC)
    path = written(
        tmp_path,
        {
            "d": pa.array([Decimal("1.25"), None], pa.decimal128(30, 2)),
            "t": pa.array([int(instant.timestamp() * 1e9) + 5] * 2, pa.timestamp("ns", tz="Asia/Tokyo")),
            "far": pa.array([10**18, 0], pa.timestamp("us", tz="UTC")),
            "m": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
            "ll": [[[1.0]], [[2.0]]],
        },
    )
    d = FeatureSchema((Field("d", FieldType.DOUBLE, "d", null=NullPolicy.KEEP),), Roles(time="t"))
    batch = read_batch(path, d).batch
    assert (batch.columns["d"].tolist()[0], batch.times.tolist()) == (1.25, [int(instant.timestamp() * 1000)] * 2)  # type: ignore[union-attr]
    assert rejected(path, FeatureSchema((Field("m", FieldType.DOUBLE, "m"),))) == [
        (1, Reason.WRONG_TYPE),
        (2, Reason.WRONG_TYPE),
    ]
    nested = FeatureSchema((Field("ll", FieldType.DOUBLE, "ll", length=1),))
    assert rejected(path, nested) == [(1, Reason.WRONG_TYPE), (2, Reason.WRONG_TYPE)]
    assert rejected(path, FeatureSchema((), Roles(time="far"))) == [(1, Reason.OUT_OF_RANGE)]


def test_int96_has_no_zone_and_is_no_event_time(tmp_path: Path) -> None:
    """The old timestamps of Spark and Impala say no zone; a guess would shift history by hours."""
    times = pa.array([datetime(2026, 1, 1)], pa.timestamp("ns"))  # noqa: DTZ001 - without a zone on purpose
    path = written(tmp_path, {"t": times}, use_deprecated_int96_timestamps=True)
    (problem,) = read_batch(path, FeatureSchema((), Roles(time="t"))).rejections
    assert (problem.reason, "has no zone" in problem.detail) == (Reason.WRONG_TYPE, True)


def test_text_that_is_not_utf8_costs_its_row(tmp_path: Path) -> None:
    """One writer that took Latin-1 for text does not cost the file."""
    raw = pa.array([b"a", b"\xff", b"c"], pa.binary())
    column = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    assert rejected(written(tmp_path, {"s": column}), S) == [(2, Reason.UNDECODABLE)]


def test_parquet_cut_off_or_damaged_inside_is_refused(tmp_path: Path) -> None:
    """What the footer promises and the pages do not hold is a line, not a crash."""
    path = written(tmp_path, {"s": [f"t{i}" for i in range(10_000)]}, compression="zstd")
    whole = path.read_bytes()
    for content in (whole[:-10], whole[: len(whole) // 2], whole[:200] + bytes(1000) + whole[1200:]):
        path.write_bytes(content)
        with pytest.raises(TableError, match=r"cannot be read|that can be read"):
            read_batch(path, S)


def test_parquet_packed_again_is_refused_with_the_mend(tmp_path: Path) -> None:
    """It has to be read from its end, which a packed file does not allow."""
    path = tmp_path / "a.parquet.gz"
    path.write_bytes(gzip.compress(written(tmp_path, {"s": ["a"]}).read_bytes()))
    with pytest.raises(TableError, match="unpack the gzip around it"):
        read_batch(path, S)
