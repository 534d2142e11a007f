from __future__ import annotations

from typing import Any

import pytest

from features.encoding import build_encoder
from features.errors import CodecError, EncodeError
from features.formats import build_codec
from features.schema import FeatureSchema, Field, FieldType, Roles

SCHEMA = FeatureSchema((Field("n", FieldType.INT, "n"),), Roles(time="t"))


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("json", {"n": float("inf")}),
        ("json", {"n": [{"m": float("-inf")}]}),
        ("json", {"n": object()}),
        ("json", {"n": "\ud800"}),
        ("avro", {"t": 0}),
        ("avro", {"n": 2**31, "t": 0}),
        ("avro", {"n": "1", "t": 0}),
        ("avro", {"n": True, "t": 0}),
        ("avro", {"n": 1, "t": "noon"}),
        ("avro", {"n": 1, "t": None}),
    ],
)
def test_an_event_that_does_not_fit_is_refused(name: str, event: dict[str, Any]) -> None:
    """A publisher learns what is wrong in one line; nothing half-written leaves it."""
    with pytest.raises(EncodeError) as refused:
        build_encoder(name, schema=SCHEMA).encode(event)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("unit", ["millis", "micros"])
def test_times_are_counted_as_the_given_schema_counts(unit: str) -> None:
    """A schema of the users' own, with another clock, is written and read in that clock."""
    clock = {"type": "long", "logicalType": f"timestamp-{unit}"}
    avro = {
        "type": "record",
        "name": "r",
        "fields": [{"name": "n", "type": "int"}, {"name": "t", "type": ["null", clock]}],
    }
    value = build_encoder("avro", schema=SCHEMA, avro_schema=avro).encode({"n": 1, "t": "1970-01-01T00:00:07Z"})
    times = build_codec("avro", avro_schema=avro, schema=SCHEMA).decode([value], SCHEMA).batch.times
    assert times is not None
    assert times.tolist() == [7000]


def test_encoding_leaves_the_event_as_it_was() -> None:
    """A publisher can send one event twice."""
    event = {"n": 1, "t": "1970-01-01T00:00:07Z"}
    build_encoder("avro", schema=SCHEMA).encode(event)
    assert event == {"n": 1, "t": "1970-01-01T00:00:07Z"}


def test_an_unknown_format_is_named() -> None:
    """A misspelt format is refused with the known ones."""
    with pytest.raises(CodecError, match="'jsn' is not known; use one of json, avro"):
        build_encoder("jsn", schema=SCHEMA)
    with pytest.raises(CodecError, match="'jsn' is not known; use one of json, avro"):
        build_codec("jsn", avro_schema=None, schema=SCHEMA)


def test_an_invalid_avro_schema_is_refused() -> None:
    """A schema that is none is refused before the first event."""
    with pytest.raises(CodecError, match="not valid"):
        build_encoder("avro", schema=SCHEMA, avro_schema={"type": "record"})
