from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.avro_codec import AvroCodec
from features.avro_reader import build_reader
from features.avro_types import load_writer_schema
from features.errors import CodecError
from features.rejection import Reason
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from tests.unit.features.assertions import only_rejection
from tests.unit.features.avro_strategies import damaged_schemas, record, written
from tests.unit.features.strategies import SCHEMA, doubles, text

X = FeatureSchema((Field("x", FieldType.DOUBLE, "x"),))
HUGE = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # the largest long


ENUM = {"type": "enum", "name": "e", "symbols": ["a", "b"]}
MALFORMED: list[tuple[str, Any, bytes]] = [
    ("truncated double", "double", b"\x00" * 7),
    ("truncated varint", "long", b"\x80"),
    ("trailing bytes", "double", b"\x00" * 9),
    ("varint of 11 bytes", "long", b"\x80" * 10 + b"\x01"),
    ("varint of 70 bits", "long", b"\xff" * 9 + b"\x7f"),
    ("int of 33 bits", "int", b"\x80\x80\x80\x80\x20"),
    ("boolean of 2", "boolean", b"\x02"),
    ("negative union index", ["long", "double"], b"\x01" + b"\x00" * 8),
    ("negative union index alone", ["long", "double"], b"\x01"),
    ("union index too large alone", ["long", "double"], b"\x04"),
    ("negative index, nullable", ["null", "double"], b"\x01" + b"\x00" * 8),
    ("union index too large", ["null", "double"], b"\x04"),
    ("negative enum index", ENUM, b"\x01"),
    ("enum index too large", ENUM, b"\x04"),
    ("text that is not UTF-8", "string", b"\x02\xff"),
    ("text longer than the record", "string", b"\x20a"),
    ("negative length", "string", b"\x01a"),
    ("huge length", "bytes", HUGE),
    ("huge array", {"type": "array", "items": "long"}, HUGE),
    ("huge array of doubles", {"type": "array", "items": "double"}, HUGE),
    ("huge negative block", {"type": "array", "items": "long"}, b"\xff" * 9 + b"\x01\x02\x00"),
    ("array without end", {"type": "array", "items": "long"}, b"\x02\x02"),
    ("huge map", {"type": "map", "values": "long"}, HUGE),
]


@pytest.mark.parametrize(("kind", "value"), [pytest.param(k, v, id=name) for name, k, v in MALFORMED])
@pytest.mark.parametrize("records", [1, 100])
@pytest.mark.parametrize("path", ["x", "absent"])
def test_malformed_bytes_are_undecodable(path: str, records: int, kind: Any, value: bytes) -> None:
    """Bytes that the writer schema cannot have made are never read as an event, alone or among many, wanted or not."""
    schema = FeatureSchema((Field("x", FieldType.DOUBLE, path),))
    decoded = AvroCodec(record(("x", kind))).decode([value] * records, schema)
    assert [rejection.reason for rejection in decoded.rejections] == [Reason.UNDECODABLE] * records


REFUSED_SCHEMAS: list[tuple[str, Any]] = [
    ("recursive", record(("next", ["null", "r"]))),
    ("recursive", record(("a", {"type": "array", "items": record(("b", ["null", "r"]), name="s")}))),
    ("no size", record(("a", {"type": "array", "items": "null"}))),
    ("no size", record(("a", {"type": "map", "values": "null"}))),
    ("no size", record(("a", {"type": "array", "items": record(("n", "null"), name="s")}))),
    ("no size", record(("a", {"type": "array", "items": {"type": "fixed", "name": "f", "size": 0}}))),
    ("must be a record", {"type": "array", "items": "long"}),
    ("not valid", record(("a", "nonsense"))),
    ("not valid", {"type": "record", "name": "r", "fields": [{"name": "a"}]}),
    ("not valid", {"type": "record", "name": "r", "fields": [{"name": "a"}], "__fastavro_parsed": True}),
    ("two fields of one name", record(("a", "int"), ("a", "long"))),
    ("has no size", record(("a", {"type": "array", "items": {"type": "fixed", "name": "f", "size": -1}}))),
    ("has no size", record(("a", {"type": "fixed", "name": "f", "size": "4"}))),
    ("decimal whose scale", record(("a", {"type": "bytes", "logicalType": "decimal", "scale": 10**9}))),
    ("decimal whose scale", record(("a", {"type": "bytes", "logicalType": "decimal", "scale": None}))),
    ("not valid", {"type": "record", "name": "r", "fields": 5}),
    ("not valid", record(("a", {"type": "enum", "name": "e", "symbols": ["A", "\ud800"]}))),
    ("not valid", record(("a", {"type": "enum", "name": "e", "symbols": 7}))),
]


@pytest.mark.parametrize(("message", "schema"), REFUSED_SCHEMAS)
def test_a_dangerous_writer_schema_is_refused(message: str, schema: dict[str, Any]) -> None:
    """A schema by which a few bytes could exhaust memory or the stack is refused before any byte is read."""
    with pytest.raises(CodecError, match=message):
        AvroCodec(schema)


def test_a_schema_that_doubles_at_every_level_is_refused() -> None:
    """Named types used twice in each other grow as 2^n; that is seen without walking them."""
    kind: Any = record(("n", "null"), name="r0")
    for level in range(1, 40):
        kind = record(("a", kind), ("b", f"r{level - 1}"), name=f"r{level}")
    with pytest.raises(CodecError, match="expands to more than"):
        AvroCodec(kind)


@pytest.mark.parametrize("levels", [150, 495, 2_000])
@pytest.mark.parametrize(
    "around", [lambda kind: {"type": "array", "items": kind}, lambda kind: ["null", record(("a", kind))]]
)
def test_a_schema_nested_too_deeply_is_refused(around: Callable[[Any], Any], levels: int) -> None:
    """Depth of the schema is depth of the stack, by whatever types it comes about, and wherever it would be needed."""
    kind: Any = "double"
    for level in range(levels):
        kind = around(kind)
        if isinstance(kind, list):
            kind[1]["name"] = f"r{level}"
    with pytest.raises(CodecError, match="deep"):
        AvroCodec(record(("a", kind)))


@given(st.data())
def test_a_schema_with_anything_in_it_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever a stranger registers is no more than a schema that cannot be used."""
    schema = data.draw(damaged_schemas())
    try:
        codec = AvroCodec(schema)
    except CodecError as error:
        assert "\n" not in str(error)  # noqa: PT017 - it may be raised or not
    else:
        assert len(codec.decode([b"\0"] * 64, FeatureSchema((Field("x", FieldType.DOUBLE, "a"),))).rejections) <= 64


def logical(kind: str, name: str, **more: Any) -> dict[str, Any]:
    """Return a logical type."""
    return {"type": kind, "logicalType": name, **more}


AT = datetime(2024, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
MS = 1_704_067_201_500
PLAIN: list[tuple[FieldType, Any, Any, Any]] = [
    (FieldType.DOUBLE, "float", 0.5, 0.5),
    (FieldType.DOUBLE, "int", 3, 3.0),
    (FieldType.DOUBLE, ["null", logical("bytes", "decimal", precision=9, scale=2)], Decimal("-12.34"), -12.34),
    (FieldType.LONG, logical("int", "date"), date(2024, 1, 1), 1_704_067_200_000),
    (FieldType.LONG, logical("long", "timestamp-millis"), AT, MS),
    (FieldType.DOUBLE, logical("long", "timestamp-micros"), AT, float(MS)),
    (FieldType.LONG, logical("long", "local-timestamp-micros"), AT.replace(tzinfo=None), MS),
    (FieldType.LONG, logical("long", "unheard-of"), 5, 5),
    (FieldType.STRING, logical("string", "uuid"), str(UUID(int=1)), str(UUID(int=1))),
    (FieldType.STRING, ENUM, "b", "b"),
    (FieldType.STRING, ["null", "string"], "é", "é"),
    (FieldType.BOOLEAN, "boolean", True, True),
]


@pytest.mark.parametrize(("field_type", "kind", "value", "expected"), PLAIN)
def test_a_writer_type_becomes_the_feature_type(field_type: FieldType, kind: Any, value: Any, expected: Any) -> None:
    """Logical and nullable types, enums and narrow numbers reach the model as plain values."""
    schema = record(("x", kind))
    decoded = AvroCodec(schema).decode([written(schema, {"x": value})], FeatureSchema((Field("x", field_type, "x"),)))
    assert decoded.batch.columns["x"].tolist() == [expected]


@pytest.mark.parametrize("kind", ["bytes", {"type": "fixed", "name": "f", "size": 4}, "string", "boolean"])
def test_another_writer_type_is_a_wrong_type(kind: Any) -> None:
    """Bytes, text and truth values are not numbers, whatever they look like."""
    schema = record(("x", kind))
    value = {"string": "1234", "boolean": True}.get(kind if isinstance(kind, str) else "", b"1234")
    rejection = only_rejection(AvroCodec(schema).decode([written(schema, {"x": value})], X))
    assert rejection.reason is Reason.WRONG_TYPE


def test_a_decimal_beyond_a_double_is_not_finite() -> None:
    """A decimal of thousands of digits costs no time and is no number."""
    schema = record(("x", logical("bytes", "decimal", precision=4, scale=0)))
    value = written(record(("x", "bytes")), {"x": b"\x7f" * 500_000})
    assert only_rejection(AvroCodec(schema).decode([value], X)).reason is Reason.NOT_FINITE


def test_a_time_without_zone_is_no_event_time() -> None:
    """A local timestamp can be a feature but not the time of an event."""
    schema = record(("x", "double"), ("t", logical("long", "local-timestamp-millis")))
    value = written(schema, {"x": 1.0, "t": AT.replace(tzinfo=None)})
    rejection = only_rejection(AvroCodec(schema).decode([value], FeatureSchema(X.fields, Roles(time="t"))))
    assert (rejection.reason, "no zone" in rejection.detail) == (Reason.WRONG_TYPE, True)


def test_a_path_the_writer_does_not_have_is_a_null() -> None:
    """A field added to the service before its writers send it follows its null policy."""
    field = Field("y", FieldType.LONG, "new.y", null=NullPolicy.DEFAULT, default=4)
    decoded = AvroCodec(record(("x", "double"))).decode([b"\x00" * 8], FeatureSchema((field,)))
    assert decoded.batch.columns["y"].tolist() == [4]


KINDS = st.recursive(
    st.sampled_from(["boolean", "int", "long", "float", "double", "string", "bytes"]),
    lambda inner: (
        inner.map(lambda kind: {"type": "array", "items": kind})
        | inner.map(lambda kind: {"type": "map", "values": kind})
        | inner.map(lambda kind: kind if isinstance(kind, list) else ["null", kind])
    ),
    max_leaves=4,
)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return values that fastavro writes for a type."""
    if isinstance(kind, list):
        return st.none() | values_of(kind[1])
    if isinstance(kind, dict) and kind["type"] == "array":
        return st.lists(values_of(kind["items"]), max_size=4)
    if isinstance(kind, dict):
        return st.dictionaries(text, values_of(kind["values"]), max_size=3)
    return {
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "float": st.floats(width=32, allow_nan=False),
        "double": doubles,
        "string": text,
        "bytes": st.binary(max_size=8),
    }[kind]


@given(st.data())
def test_what_is_well_formed_is_read_as_fastavro_reads_it(data: st.DataObject) -> None:
    """Strictness changes what is refused, never what a good record says."""
    kinds = data.draw(st.lists(KINDS, max_size=5))
    schema = record(*((f"f{i}", kind) for i, kind in enumerate(kinds)))
    value = written(schema, {f"f{i}": data.draw(values_of(kind)) for i, kind in enumerate(kinds)})
    event, end = build_reader(*load_writer_schema(schema))(value, 0)
    assert event == fastavro.schemaless_reader(io.BytesIO(value), fastavro.parse_schema(schema), None)
    assert end == len(value)


@given(st.data())
def test_every_row_has_exactly_one_outcome(data: st.DataObject) -> None:
    """No bytes raise under any schema, and no record is lost or counted twice."""
    kinds = data.draw(st.lists(KINDS, min_size=1, max_size=4))
    codec = AvroCodec(record(*((f"f{i}", kind) for i, kind in enumerate(kinds))))
    values = data.draw(st.lists(st.none() | st.binary(max_size=40), max_size=5))
    decoded = codec.decode(values, SCHEMA)
    rows = [*decoded.batch.rows.tolist(), *(rejection.row for rejection in decoded.rejections)]
    assert sorted(rows) == list(range(len(values)))


def test_named_types_and_blocks_with_sizes_are_followed() -> None:
    """A type used by name and an array written in sized blocks, as Java writes them, are read."""
    point = record(("a", "long"), name="point")
    schema = record(("p", point), ("q", "point"), ("v", {"type": "array", "items": "double"}))
    sized_block = b"\x01\x10" + b"\x00" * 8 + b"\x00"
    wanted = FeatureSchema((Field("q", FieldType.LONG, "q.a"), Field("v", FieldType.DOUBLE, "v", length=1)))
    batch = AvroCodec(schema).decode([b"\x02\x04" + sized_block], wanted).batch
    assert (batch.columns["q"].tolist(), batch.columns["v"].tolist()) == ([2], [[0.0]])


def test_types_of_other_schemas_are_found_by_name() -> None:
    """A schema kept in pieces, as registries keep it, reads like the whole; a missing piece is refused."""
    money = record(("units", "long"), name="bank.money")
    leg = record(("paid", "bank.money"), name="bank.leg")
    whole = record(("leg", "bank.leg"), ("fee", "bank.money"))
    wanted = FeatureSchema((Field("p", FieldType.LONG, "leg.paid.units"), Field("f", FieldType.LONG, "fee.units")))
    batch = AvroCodec(whole, references=[money, leg]).decode([b"\x04\x06"], wanted).batch
    assert (batch.columns["p"].tolist(), batch.columns["f"].tolist()) == ([2], [3])
    with pytest.raises(CodecError, match=r"not valid.*bank\.money"):
        AvroCodec(whole, references=[leg])


def test_a_danger_in_a_referenced_schema_is_refused() -> None:
    """What is refused in a schema is refused in the pieces it names."""
    piece = record(("a", {"type": "array", "items": "null"}), name="piece")
    with pytest.raises(CodecError, match="no size"):
        AvroCodec(record(("p", "piece")), references=[piece])
