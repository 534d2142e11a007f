from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.avro_codec import AvroCodec
from features.encoding import AvroEventEncoder
from features.errors import CodecError, EncodeError
from features.schema import FeatureSchema, Field, FieldType, Roles


def record(name: str, **fields: Any) -> dict[str, Any]:
    """Return a record schema."""
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields.items()]}


def a_long(logical: str, kind: str = "long") -> dict[str, Any]:
    """Return an integer with a logical type."""
    return {"type": kind, "logicalType": logical}


WRITTEN: list[tuple[Any, FieldType, Any]] = [
    ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, FieldType.DOUBLE, 12.25),
    ({"type": "fixed", "name": "D", "size": 8, "logicalType": "decimal", "precision": 9}, FieldType.DOUBLE, -3.0),
    (a_long("date", "int"), FieldType.LONG, 86_400_000 * 19_000),
    (a_long("timestamp-micros"), FieldType.LONG, 1_700_000_000_123),
    (a_long("timestamp-nanos"), FieldType.DOUBLE, 1_700_000_000_123.0),
    (a_long("local-timestamp-micros"), FieldType.LONG, 1_700_000_000_123),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, FieldType.STRING, "B"),
    (["null", "double"], FieldType.DOUBLE, 1.5),
]


@pytest.mark.parametrize(("kind", "type_", "value"), WRITTEN)
def test_what_is_written_by_a_users_schema_is_read_as_what_it_was(kind: Any, type_: FieldType, value: Any) -> None:
    """A schema with clocks and decimals of its own takes our plain values, and gives them back."""
    schema = FeatureSchema((Field("x", type_, "in.x"),))
    avro = record("Outer", **{"in": record("Inner", x=kind)})
    written = AvroEventEncoder(avro, schema).encode({"in": {"x": value}})
    assert AvroCodec(avro).decode([written], schema).batch.columns["x"].tolist() == [value]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_rounded_to_its_scale_or_refused(value: float) -> None:
    """A number too large for the precision is told, whatever it is; nothing else is raised."""
    money = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
    schema = FeatureSchema((Field("x", FieldType.DOUBLE, "x"),))
    encoder = AvroEventEncoder(record("R", x=money), schema)
    if abs(value) < 9_999:
        read = AvroCodec(record("R", x=money)).decode([encoder.encode({"x": value})], schema)
        assert abs(read.batch.columns["x"][0] - value) <= 0.005 + 1e-9
    elif abs(value) > 10_000:
        with pytest.raises(EncodeError):
            encoder.encode({"x": value})


def test_an_encoder_follows_the_names_of_other_schemas_and_puts_its_prefix_first() -> None:
    """A schema kept in pieces is written like the whole."""
    money = record("bank.Money", units="long")
    avro = record("Event", paid=["null", "bank.Money"], id=a_long("uuid", "string"))
    schema = FeatureSchema((Field("u", FieldType.LONG, "paid.units"),), Roles(id="id"))
    encoder = AvroEventEncoder(avro, schema, references=[money], prefix=b"\x00\x00\x00\x00\x07")
    assert encoder.encode({"paid": {"units": 2}, "id": 12}) == b"\x00\x00\x00\x00\x07\x02\x04\x0412"


def test_a_schema_that_wants_more_than_the_events_have_is_refused_by_name() -> None:
    """Otherwise every row would be refused on its own, without the one cause being named."""
    schema = FeatureSchema((Field("x", FieldType.DOUBLE, "in.x"),))
    avro = record("R", **{"in": record("I", x="double", y="long"), "z": "string", "may": ["null", "long"]})
    avro["fields"].append({"name": "defaulted", "type": "long", "default": 1})
    with pytest.raises(CodecError, match=r"wants in\.y, z, which has no default"):
        AvroEventEncoder(avro, schema)
