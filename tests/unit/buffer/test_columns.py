"""Rows of the features table become what a model is given, whatever was added to the schema since."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from buffer.columns import read_back
from features.schema import FeatureSchema, Field, FieldType, NullPolicy


def rows(**columns: object) -> pa.Table:
    """Return rows e0, e1, ... 1500 ms apart with these columns."""
    count = len(next(iter(columns.values())))  # type: ignore[arg-type]
    times = pa.array([1_500_000 * n for n in range(count)], pa.timestamp("us", tz="UTC"))
    return pa.table({"event_id": [f"e{n}" for n in range(count)], "event_time": times, **columns})


def a_field(name: str, kind: FieldType = FieldType.DOUBLE, **more: object) -> Field:
    """Return a field that lies within ``payment``."""
    return Field(name, kind, source=f"payment.{name}", **more)  # type: ignore[arg-type]


def test_read_back_gives_columns_ids_and_times_in_milliseconds() -> None:
    """A row comes back as the columns it was written from."""
    schema = FeatureSchema((a_field("amount"), a_field("country", FieldType.STRING)))
    batch = read_back(rows(amount=[1.5, 2.0], country=["de", "fr"]), schema).batch
    assert batch.columns["amount"].tolist() == [1.5, 2.0]
    assert batch.columns["country"].tolist() == ["de", "fr"]
    assert (batch.ids, batch.times.tolist() if batch.times is not None else None) == (["e0", "e1"], [0, 1500])


def test_read_back_leaves_out_rows_older_than_a_field_that_rejects_null() -> None:
    """A row without a required field is no example; it is counted by the field."""
    schema = FeatureSchema((a_field("amount"), a_field("age", FieldType.INT)))
    back = read_back(rows(amount=[1.0, 2.0, None], age=pa.array([None, 7, None], pa.int32())), schema)
    assert back.batch.rows.tolist() == [1]
    assert back.batch.columns["age"].dtype == np.int32
    assert back.lacking == {"amount": 1, "age": 1}


def test_read_back_fills_nulls_by_the_policy_of_the_field() -> None:
    """Default and keep mean the same for an old row as for an event without the field."""
    schema = FeatureSchema(
        (
            a_field("country", FieldType.STRING, null=NullPolicy.DEFAULT, default="unknown"),
            a_field("note", FieldType.STRING, null=NullPolicy.KEEP),
            a_field("risk", FieldType.FLOAT, null=NullPolicy.KEEP),
        )
    )
    table = rows(country=pa.array(["de", None]), note=pa.array([None, "x"]), risk=pa.array([0.5, None], pa.float32()))
    columns = read_back(table, schema).batch.columns
    assert columns["country"].tolist() == ["de", "unknown"]
    assert columns["note"].tolist() == [None, "x"]
    assert np.array_equal(columns["risk"], np.array([0.5, np.nan], np.float32), equal_nan=True)


def test_read_back_treats_a_column_the_table_lacks_as_null() -> None:
    """A field of a newer service file that no worker has added yet is null in every row."""
    schema = FeatureSchema((a_field("amount"), a_field("age", FieldType.INT, null=NullPolicy.DEFAULT, default=3)))
    assert read_back(rows(amount=[1.0, 2.0]), schema).batch.columns["age"].tolist() == [3, 3]


def test_read_back_takes_only_sequences_of_the_length() -> None:
    """A sequence written under another length is not what the model learnt from."""
    schema = FeatureSchema((a_field("last", length=2),))
    back = read_back(rows(last=pa.array([[1.0, 2.0], [3.0], None, [4.0, 5.0]])), schema)
    assert back.batch.columns["last"].tolist() == [[1.0, 2.0], [4.0, 5.0]]
    assert back.lacking == {"last": 2}
