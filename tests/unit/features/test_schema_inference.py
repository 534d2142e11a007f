from __future__ import annotations

import json
from typing import Any

import pytest

from features.errors import CodecError, TableError
from features.registry import RegisteredSchema
from features.schema import Field, FieldType, NullPolicy, Roles
from features.schema_inference import infer_schema

INSTANT = {"type": "long", "logicalType": "timestamp-micros"}


def record(name: str, **fields: Any) -> dict[str, Any]:
    """Return a record schema."""
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields.items()]}


def schema(*references: dict[str, Any], **fields: Any) -> RegisteredSchema:
    """Return a registered record with these fields and a number of its own."""
    return RegisteredSchema(
        json.dumps(record("Event", sure="double", **fields)), references=tuple(map(json.dumps, references))
    )


def proposed(kind: Any, **lengths: int) -> tuple[Field | None, str]:
    """Return what is proposed for a value ``x`` of this type, and the notes about it."""
    inferred = infer_schema(schema(x=kind), Roles(), origin="s", lengths=lengths)
    field = next((f for f in inferred.schema.fields if f.source == "x"), None)
    return field, "\n".join(note for note in inferred.notes if "'x'" in note)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *[(kind.value, (kind, NullPolicy.REJECT)) for kind in FieldType],
        (["null", "double"], (FieldType.DOUBLE, NullPolicy.KEEP)),
        (["string", "null"], (FieldType.STRING, NullPolicy.KEEP)),
        (["null", "long"], (FieldType.LONG, NullPolicy.REJECT)),
        (["null", "int", "double"], (FieldType.DOUBLE, NullPolicy.KEEP)),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, (FieldType.STRING, NullPolicy.REJECT)),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9}, (FieldType.DOUBLE, NullPolicy.REJECT)),
        ({"type": "int", "logicalType": "date"}, (FieldType.LONG, NullPolicy.REJECT)),
        (INSTANT, (FieldType.LONG, NullPolicy.REJECT)),
        ({"type": "int", "logicalType": "unknown"}, (FieldType.INT, NullPolicy.REJECT)),
    ],
)
def test_a_value_is_proposed_as_the_type_it_is_read_as(kind: Any, expected: tuple[FieldType, NullPolicy]) -> None:
    """What the writer says is enough to score; a null that no type can keep is refused and said."""
    field, notes = proposed(kind)
    assert field is not None
    assert (field.type, field.null) == expected
    assert ("may be null" in notes) == (isinstance(kind, list))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("bytes", "raw bytes"),
        ("null", "always null"),
        ({"type": "fixed", "name": "F", "size": 4}, "raw bytes"),
        ({"type": "string", "logicalType": "uuid"}, "names an event"),
        ({"type": "map", "values": "double"}, r"x.KEY"),
        (["string", "double"], "several types"),
        ({"type": "array", "items": "double"}, "--length x=N"),
        ({"type": "array", "items": record("Item", a="double")}, "other things than single values"),
    ],
)
def test_a_value_that_is_no_feature_is_left_out_with_a_note(kind: Any, why: str) -> None:
    """A person sees what is not proposed, and what to do where something can be done."""
    field, notes = proposed(kind)
    assert (field, why in notes) == (None, True)


def test_an_array_is_a_field_once_its_length_is_told() -> None:
    """The schema does not know how many items there are."""
    field, _ = proposed({"type": "array", "items": ["null", "float"]}, x=3)
    assert field == Field("x", FieldType.FLOAT, "x", length=3, null=NullPolicy.KEEP)
    with pytest.raises(TableError, match="no array"):
        proposed("double", x=3)


def test_nested_records_and_those_of_other_schemas_are_reached_by_path() -> None:
    """A null record makes null of all that is in it."""
    inner = record("bank.Money", units="long", currency="string")
    inferred = infer_schema(schema(inner, paid=["null", "bank.Money"]), Roles(), origin="s")
    found = {f.source: (f.name, f.null) for f in inferred.schema.fields}
    assert found["paid.units"] == ("paid_units", NullPolicy.REJECT)
    assert found["paid.currency"] == ("paid_currency", NullPolicy.KEEP)


def test_of_a_change_data_envelope_the_new_row_is_taken() -> None:
    """Debezium's ``after`` is null in deletes only, so its values are not taken for nullable."""
    row = record("Row", id="long", amount="double")
    envelope = schema(before=["null", row], after=["null", "Row"], op="string", ts_ms=["null", "long"])
    inferred = infer_schema(envelope, Roles(id="after.id"), origin="s")
    assert [(f.source, f.null) for f in inferred.schema.fields] == [("after.amount", NullPolicy.REJECT)]
    assert any("envelope" in note for note in inferred.notes)


def test_the_label_decides_the_task_as_far_as_its_type_tells() -> None:
    """A label may be missing; a text needs its positive class named, and a whole number may be a quantity."""
    tasks = {kind: infer_schema(schema(y=kind), Roles(label="y"), origin="s") for kind in ("double", "string", "long")}
    assert [tasks[kind].task for kind in tasks] == ["regression", "classification", "classification"]
    assert "model.positive" in tasks["string"].notes[0]
    assert "labels.inline" in infer_schema(schema(), Roles(), origin="s").notes[0]
    assert tasks["double"].schema.names == ("sure",)


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        (Roles(id="amont"), "did you mean amount"),
        (Roles(key="wholly_else"), "there are sure, amount, at"),
        (Roles(time="amount"), "the time 'amount' is double"),
        (Roles(time="at"), "local-timestamp"),
    ],
)
def test_a_role_that_the_schema_cannot_fill_is_named(roles: Roles, said: str) -> None:
    """A misspelt path is found before the service is started."""
    local = {"type": "long", "logicalType": "local-timestamp-millis"}
    with pytest.raises(TableError, match=said):
        infer_schema(schema(amount="double", at=local), roles, origin="s")


@pytest.mark.parametrize(
    ("registered", "why"),
    [
        (RegisteredSchema("syntax = 3", kind="PROTOBUF"), "only Avro"),
        (RegisteredSchema("{"), "not the schema of an Avro record"),
        (RegisteredSchema('{"type": "record", "name": "\ud800"}'), "not the schema of an Avro record"),
        (RegisteredSchema('"string"'), "events have named fields"),
        (RegisteredSchema(json.dumps(record("Loop", next=["null", "Loop"]))), "recursive"),
    ],
)
def test_a_schema_that_cannot_be_decoded_by_is_refused(registered: RegisteredSchema, why: str) -> None:
    """A service made from it would bury every event."""
    with pytest.raises(CodecError, match=why):
        infer_schema(registered, Roles(), origin="s")
