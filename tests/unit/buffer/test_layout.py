from __future__ import annotations

import pytest

from buffer.errors import TableRefused
from buffer.layout import RESERVED, features_schema
from features.schema import FeatureSchema, Field, FieldType


def schema_of(*names: str) -> FeatureSchema:
    """Return a schema of doubles of these names."""
    return FeatureSchema(tuple(Field(name, FieldType.DOUBLE, f"at.{name}") for name in names))


@pytest.mark.parametrize("name", [*sorted(RESERVED), "Event_ID"])
def test_a_field_cannot_have_the_name_of_a_column_of_ours(name: str) -> None:
    """An example would have two columns of one name; the line says what to change."""
    with pytest.raises(TableRefused, match=f"features.fields: {name} would be a column .* another 'name'"):
        features_schema(schema_of("amount", name))


def test_fields_must_differ_in_more_than_upper_and_lower_case() -> None:
    """The tables do not tell them apart, and would say so in words of their own at the first commit."""
    with pytest.raises(TableRefused, match=r"features.fields: amount, Amount differ in upper and lower case only"):
        features_schema(schema_of("amount", "other", "Amount"))


def test_a_field_of_any_other_name_is_a_column() -> None:
    """Dots and blanks are names to the tables as any."""
    columns = features_schema(schema_of("payment.amount", "last name"))

    assert columns.names[-2:] == ["payment.amount", "last name"]
