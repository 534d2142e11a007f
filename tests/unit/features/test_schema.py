from __future__ import annotations

from typing import Any

import pytest

from features.errors import SchemaError
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles

REFUSED_FIELDS: list[tuple[str, dict[str, Any]]] = [
    ("non-empty", {"name": ""}),
    ("non-empty", {"source": "a..b"}),
    ("length must be", {"length": 0}),
    ("must hold numbers", {"type": FieldType.STRING, "length": 2}),
    ("go together", {"default": 1.0}),
    ("go together", {"null": NullPolicy.DEFAULT}),
    ("'null: keep' needs", {"type": FieldType.LONG, "null": NullPolicy.KEEP}),
    ("need a numeric type", {"type": FieldType.STRING, "minimum": 0}),
    ("must be finite", {"maximum": float("inf")}),
    ("is above max", {"minimum": 2, "maximum": 1}),
    ("is not a double", {"null": NullPolicy.DEFAULT, "default": "1"}),
    ("is not a long", {"type": FieldType.LONG, "null": NullPolicy.DEFAULT, "default": True}),
    ("outside its own range", {"null": NullPolicy.DEFAULT, "default": -1.0, "minimum": 0}),
    ("outside its own range", {"type": FieldType.INT, "null": NullPolicy.DEFAULT, "default": 2**31}),
    ("outside its own range", {"type": FieldType.FLOAT, "null": NullPolicy.DEFAULT, "default": 1e39}),
    ("outside its own range", {"null": NullPolicy.DEFAULT, "default": float("nan")}),
]


def a_field(**changes: Any) -> Field:
    """Return a plain double, changed as asked."""
    return Field(**{"name": "x", "type": FieldType.DOUBLE, "source": "x", **changes})


@pytest.mark.parametrize(("message", "changes"), REFUSED_FIELDS)
def test_field_refuses_a_contradiction(message: str, changes: dict[str, Any]) -> None:
    """A field that cannot work is refused when it is declared, not when the first event comes."""
    with pytest.raises(SchemaError, match=message):
        a_field(**changes)


@pytest.mark.parametrize(
    ("message", "sources", "roles"),
    [
        ("empty", [], Roles()),
        ("more than once", ["a", "a"], Roles()),
        ("must not be a feature", ["a"], Roles(label="a")),
        ("inside another field", ["a", "a.b"], Roles()),
    ],
)
def test_schema_refuses_a_contradiction(message: str, sources: list[str], roles: Roles) -> None:
    """A schema of nothing, with doubled or nested fields, or with its label among them cannot be built."""
    with pytest.raises(SchemaError, match=message):
        FeatureSchema(tuple(a_field(name=source, source=source) for source in sources), roles)


@pytest.mark.parametrize("roles", [{"id": "a..b"}, {"passthrough": ("",)}, {"passthrough": ("a.x", "b.x")}])
def test_roles_refuse_bad_paths(roles: dict[str, Any]) -> None:
    """A role's path has no empty step, and two values passed through never share a name."""
    with pytest.raises(SchemaError):
        Roles(**roles)


def test_subset_keeps_the_order_asked_for() -> None:
    """A model's columns come in the model's order, whatever the service's."""
    schema = FeatureSchema((a_field(name="a", source="a"), a_field(name="b", source="b")), Roles(id="i"))
    assert schema.subset(["b", "a"]).names == ("b", "a")
    assert schema.subset(["b"]).roles == schema.roles


def test_subset_of_no_field_is_refused() -> None:
    """A record may have roles alone; a model always has a field."""
    with pytest.raises(SchemaError, match="at least one field"):
        FeatureSchema((a_field(),), Roles(id="i")).subset([])


def test_subset_names_the_absent_field() -> None:
    """A model that needs a field the service lacks is refused with both sides named."""
    with pytest.raises(SchemaError, match="no such field: z; the service has x"):
        FeatureSchema((a_field(),)).subset(["z"])


def test_fingerprint_ignores_policies_and_sees_types() -> None:
    """A changed range does not orphan a model; a changed type does."""
    plain = FeatureSchema((a_field(),)).fingerprint
    assert FeatureSchema((a_field(minimum=0, source="y"),)).fingerprint == plain
    assert FeatureSchema((a_field(type=FieldType.FLOAT),)).fingerprint != plain
