from __future__ import annotations

import fastavro
import pytest

from features.avro_schema import feature_record_schema
from features.errors import CodecError
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from tests.unit.features.strategies import SCHEMA

ANY = ["null", "boolean", "long", "double", "string"]


def test_the_event_schema_says_what_the_service_expects() -> None:
    """Paths are nested records; only what may be null is nullable; the roles are there."""
    schema = feature_record_schema(SCHEMA, name="fraud-eu")
    fields = {field["name"]: field["type"] for field in schema["fields"]}
    assert schema["name"] == "fraud_eu"
    assert [field["name"] for field in fields["payment"]["fields"]] == ["amount", "ratio", "id"]
    assert fields["payment"]["fields"][1]["type"] == ["null", "float"]
    assert fields["last"] == ["null", {"type": "array", "items": ["null", "double"]}]
    assert fields["at"] == {"type": "long", "logicalType": "timestamp-millis"}
    assert (fields["card"], fields["is_fraud"]) == (["null", "string"], ANY)
    fastavro.parse_schema(schema)


def test_a_nullable_field_defaults_to_null() -> None:
    """A writer may leave out what the service does not insist on."""
    field = Field("x", FieldType.LONG, "a.x", null=NullPolicy.DEFAULT, default=1)
    (outer,) = feature_record_schema(FeatureSchema((field,)))["fields"]
    assert outer["default"] is None
    assert outer["type"][1]["fields"] == [{"name": "x", "type": ["null", "long"], "default": None}]


def test_records_of_one_name_at_two_places_do_not_clash() -> None:
    """A step that occurs twice is two Avro types."""
    fields = tuple(Field(s, FieldType.LONG, s) for s in ("a.x.n", "b.x.n", "x.n"))
    fastavro.parse_schema(feature_record_schema(FeatureSchema(fields)))


def test_a_role_that_is_a_field_has_the_fields_type() -> None:
    """What the model needs of a value counts; a role reads it in any type."""
    schema = FeatureSchema((Field("n", FieldType.LONG, "n"),), Roles(id="n", time="n", passthrough=("n",)))
    assert feature_record_schema(schema)["fields"] == [{"name": "n", "type": "long"}]


@pytest.mark.parametrize(
    ("message", "sources"),
    [
        ("no Avro name", [("mean radius", FieldType.DOUBLE)]),
        ("two types", [("x", FieldType.LONG), ("x", FieldType.DOUBLE)]),
    ],
)
def test_what_avro_cannot_say_is_refused(message: str, sources: list[tuple[str, FieldType]]) -> None:
    """A path that is no Avro name, or two types at one place, are refused with the way out."""
    fields = tuple(Field(f"f{i}", kind, source) for i, (source, kind) in enumerate(sources))
    with pytest.raises(CodecError, match=message):
        feature_record_schema(FeatureSchema(fields))
