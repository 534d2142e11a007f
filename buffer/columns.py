"""From rows of the features table back to the columns that a model is given."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.batch import Column, FeatureBatch
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What some rows gave.

    Attributes:
        batch: The rows that a model can be given; ``batch.rows`` are their positions among the rows.
        lacking: How many of the others had null in a field by its name: rows written before the field existed, where
            its policy is to reject null. A row counts for the first field it lacks.
    """

    batch: FeatureBatch
    lacking: dict[str, int]


def read_back(rows: pa.Table, schema: FeatureSchema) -> ReadBack:
    """Return the columns of the schema's fields, the event ids and the event times.

    A null stands where a row is older than the field (or the table lacks it as yet): the field's policy says what
    becomes of it, as in an event that does not carry the field. Values were checked when they came in.

    Args:
        rows: Rows with ``event_id``, ``event_time`` and the fields as columns, as the features table has them.
        schema: The fields wanted; the batch's schema has them without roles but id and time.
    """
    kept = np.ones(rows.num_rows, dtype=np.bool_)
    lacking: dict[str, int] = {}
    columns: dict[str, Column] = {}
    for field in schema.fields:
        columns[field.name], present = _column(rows, field)
        if field.null is NullPolicy.REJECT and not present.all():
            lacking[field.name] = int((kept & ~present).sum())
            kept &= present
    at = np.flatnonzero(kept)
    ids = rows.column("event_id").take(pa.array(at)).to_pylist()
    times = rows.column("event_time").cast(pa.int64()).to_numpy()[at] // 1000  # microseconds to milliseconds
    batch = FeatureBatch(
        schema=replace(schema, roles=Roles(id="event_id", time="event_time")),
        rows=at,
        columns={name: column[at] for name, column in columns.items()},
        ids=ids,
        times=times,
    )
    return ReadBack(batch, {name: count for name, count in lacking.items() if count})


def _column(rows: pa.Table, field: Field) -> tuple[Column, npt.NDArray[np.bool_]]:
    """Return a field's column with its policy's value where there is null, and where there was none."""
    if field.name not in rows.column_names:
        absent = np.zeros(rows.num_rows, dtype=np.bool_)
        return _filled(rows.num_rows, field), absent
    values = rows.column(field.name).combine_chunks()
    if field.length is not None:
        return _sequences(values, field)
    present: npt.NDArray[np.bool_] = pc.is_valid(values).to_numpy(zero_copy_only=False)
    column = _filled(len(values), field)
    found = values.drop_null()
    column[present] = found.to_pylist() if field.type is FieldType.STRING else found.to_numpy(zero_copy_only=False)
    return column, present


def _sequences(values: pa.ListArray, field: Field) -> tuple[Column, npt.NDArray[np.bool_]]:
    """Return the sequences of the field's length; one of another length was written under another definition."""
    fits = pc.fill_null(pc.equal(pc.list_value_length(values), field.length), fill_value=False)
    present: npt.NDArray[np.bool_] = fits.to_numpy(zero_copy_only=False)
    column = _filled(len(values), field)
    column[present] = values.filter(fits).flatten().to_numpy(zero_copy_only=False).reshape(-1, field.length)
    return column, present


def _filled(count: int, field: Field) -> Column:
    """Return a column of what stands for null: the default, NaN or None; zeros where such a row is left out."""
    shape = (count,) if field.length is None else (count, field.length)
    if field.null is NullPolicy.DEFAULT:
        return np.full(shape, field.default, dtype=field.type.dtype)
    if field.type is FieldType.STRING:
        return np.full(shape, None, dtype=np.object_)
    if field.type in (FieldType.DOUBLE, FieldType.FLOAT):
        return np.full(shape, np.nan, dtype=field.type.dtype)
    return np.zeros(shape, dtype=field.type.dtype)
