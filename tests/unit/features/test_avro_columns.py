from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import avro_codec, avro_columns
from features.avro_codec import AvroCodec
from features.avro_columns import ColumnReader
from features.avro_types import load_writer_schema
from features.batch import Decoded
from features.rejection import Reason
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from tests.unit.features.assertions import assert_same_outcome
from tests.unit.features.avro_strategies import damaged, feature_schemas, record, values_of, writer_schemas, written

COPIES = 64  # enough records for the columnar reader, and for its loops over items


def decoded_carefully(codec: AvroCodec, values: Sequence[bytes | None], schema: FeatureSchema) -> Decoded:
    """Return the outcome of reading record by record."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(avro_codec, "MIN_COLUMNAR_RECORDS", len(values) + 1)
        return codec.decode(values, schema)


@given(st.data())
def test_columns_are_what_the_careful_reader_gives(data: st.DataObject) -> None:
    """Whatever the schemas and the bytes, good or bad, reading many records at once changes no outcome."""
    writer = data.draw(writer_schemas)
    schema = data.draw(feature_schemas(writer))
    records = [written(writer, event) for event in data.draw(st.lists(values_of(writer), min_size=1, max_size=4))]
    values: list[bytes | None] = [*records * COPIES, None]
    for value in data.draw(st.lists(st.sampled_from(records), max_size=4)):
        values.insert(data.draw(st.integers(0, len(values))), data.draw(damaged(value)))
    codec = AvroCodec(writer)
    decoded, expected = codec.decode(values, schema), decoded_carefully(codec, values, schema)
    assert_same_outcome(decoded, expected)
    assert repr(decoded.batch.passthrough) == repr(expected.batch.passthrough)  # 1 is not 1.0, nor true


@given(st.data())
def test_good_records_are_read_in_columns(data: st.DataObject) -> None:
    """A record written by the book is not odd: only what is damaged or too large costs the careful reader."""
    writer = data.draw(writer_schemas)
    drawn = data.draw(feature_schemas(writer))
    schema = FeatureSchema(tuple(replace(f, length=None) for f in drawn.fields), drawn.roles)
    (event,) = data.draw(st.lists(values_of(writer), min_size=1, max_size=1))
    value = written(writer, event)
    reader = ColumnReader(*load_writer_schema(writer), schema)
    _, odd = reader.read([value] * COPIES, np.full(COPIES, len(value)))
    assert odd.size == 0


def test_a_batch_read_in_parts_is_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a large batch is divided shows in no column, not even where one part holds nothing but nulls."""
    monkeypatch.setattr(avro_columns, "BYTES_IN_ONE_GO", 1)
    monkeypatch.setattr(avro_columns, "MIN_RECORDS_IN_ONE_GO", 50)
    writer = record(("n", ["null", "long"]), ("s", ["null", "string"]), ("v", {"type": "array", "items": "double"}))
    fields = (
        Field("n", FieldType.LONG, "n", null=NullPolicy.DEFAULT, default=-1),
        Field("s", FieldType.STRING, "s", null=NullPolicy.KEEP),
        Field("v", FieldType.DOUBLE, "v", length=2),
    )
    schema = FeatureSchema(fields, Roles(id="n", passthrough=("n", "v")))
    events = [
        {"n": i if i > 70 else None, "s": "é" if i < 60 else None, "v": [i] * (3 if i == 130 else 2)}
        for i in range(180)
    ]
    values = [written(writer, event) for event in events]
    codec = AvroCodec(writer)
    assert_same_outcome(codec.decode(values, schema), decoded_carefully(codec, values, schema))


def test_arrays_none_of_which_is_long_enough_are_turned_away() -> None:
    """A batch that has fewer bytes than one array should have is a batch like any other."""
    schema = FeatureSchema((Field("v", FieldType.DOUBLE, "v", length=65_536),))
    writer = record(("v", {"type": "array", "items": "double"}))
    codec, values = AvroCodec(writer), [written(writer, {"v": [1.0]})] * COPIES
    decoded = codec.decode(values, schema)
    assert {rejection.reason for rejection in decoded.rejections} == {Reason.WRONG_LENGTH}
    assert_same_outcome(decoded, decoded_carefully(codec, values, schema))


@pytest.mark.parametrize(
    ("kind", "value"), [("float", b"\x01\x00\xa0\x7f"), ("double", b"\x01" + b"\x00" * 5 + b"\xf4\x7f")]
)
@pytest.mark.parametrize("length", [None, 1])
def test_a_signalling_nan_is_a_null_like_any_other(kind: str, value: bytes, length: int | None) -> None:
    """Bits that processors complain of are read in silence."""
    schema = FeatureSchema((Field("x", FieldType.FLOAT, "x", length=length, null=NullPolicy.KEEP),))
    writer = record(("x", kind if length is None else {"type": "array", "items": kind}))
    encoded = value if length is None else b"\x02" + value + b"\x00"
    assert np.isnan(AvroCodec(writer).decode([encoded] * COPIES, schema).batch.columns["x"]).all()


@pytest.mark.parametrize(
    ("unscaled", "scale"), [(446_673_754_019_253_275, 2), (-(2**70) - 1, 3), (7_544_232_101_987_515, 23)]
)
@pytest.mark.parametrize("width", [None, 10, 12])
def test_a_decimal_is_rounded_once(width: int | None, unscaled: int, scale: int) -> None:
    """A decimal beyond what a double holds exactly is the nearest double, not the quotient of two rounded numbers."""
    raw = unscaled.to_bytes(max(width or 0, 9 if abs(unscaled) >= 2**63 else 8), "big", signed=True)
    shape = {"type": "bytes"} if width is None else {"type": "fixed", "name": "f", "size": len(raw)}
    logical = {**shape, "logicalType": "decimal", "precision": 23, "scale": scale}
    value = raw if width is not None else bytes([2 * len(raw)]) + raw
    schema = FeatureSchema((Field("x", FieldType.DOUBLE, "x"),))
    column = AvroCodec(record(("x", logical))).decode([value] * COPIES, schema).batch.columns["x"]
    assert column.tolist() == [unscaled / 10**scale] * COPIES


def test_texts_with_line_ends_are_cut_where_they_end() -> None:
    """Short texts are cut apart at line ends of our own; one that has its own is cut by its length."""
    writer = record(("id", "string"))
    wanted = ["a", "c", "b\n", "\n", "é\nü", "\n\n"] * COPIES
    codec = AvroCodec(record(("id", "string"), ("x", "double")))
    values = [written(writer, {"id": text}) + bytes(8) for text in wanted]
    schema = FeatureSchema((Field("x", FieldType.DOUBLE, "x"),), Roles(id="id"))
    assert list(codec.decode(values, schema).batch.ids or ()) == wanted
