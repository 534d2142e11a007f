"""How rows are written: aligned to the table as it is now, and compressed for what they are."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
from deltalake import ColumnProperties, WriterProperties

from buffer.errors import TableRefused

_FAMILIAR: Final = frozenset(  # columns of ours that repeat themselves
    {
        "record_topic",
        "record_topic_id",
        "record_partition",
        "inline_label",
        "prediction",
        "decision",
        "model_name",
        "model_version",
        "role",
        "source_topic",
        "source_partition",
        "label",
        "refused",
    }
)
_ASCENDING: Final = frozenset(
    {"record_offset", "record_time", "event_time", "scored_at", "source_offset", "label_time"}
)


def aligned(rows: pa.Table, schema: pa.Schema, *, uri: str) -> pa.Table:
    """Return the rows with exactly the table's columns; those they lack are null.

    Raises:
        TableRefused: A column is not in the table, has a type that does not fit, or a null where none may be.
    """
    if rows.schema == schema:
        _check_nulls(rows, uri)
        return rows
    present = set(rows.schema.names)
    unknown = sorted(present.difference(schema.names))
    if unknown:
        raise TableRefused(f"{uri}: the table has no column {', '.join(unknown)}; start again, which adds new columns")
    columns = [
        _fitted(rows[field.name], field, uri=uri) if field.name in present else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    fitted = pa.Table.from_arrays(columns, schema=schema)
    _check_nulls(fitted, uri)
    return fitted


def _fitted(column: pa.ChunkedArray, field: pa.Field, *, uri: str) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TableRefused(
            f"{uri}: column {field.name} is {field.type} in the table and {column.type} in the rows;"
            " give the field another 'name', or its old type"
        ) from error


def _check_nulls(rows: pa.Table, uri: str) -> None:
    """Find it here: the library's own report of it shows whole rows."""
    for field in rows.schema:
        if not field.nullable and rows[field.name].null_count:
            raise TableRefused(
                f"{uri}: column {field.name} must not be null, and is in {rows[field.name].null_count} rows"
            )


def writer_properties(schema: pa.Schema) -> WriterProperties:
    """Return how the columns are encoded.

    A dictionary of values that do not repeat is work for nothing (3.5 times the processor time for 29 doubles), so only
    text has one, and event ids do not.
    """
    columns = {}
    for field in schema:
        if field.name in _ASCENDING and (pa.types.is_timestamp(field.type) or pa.types.is_integer(field.type)):
            columns[field.name] = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")
        elif field.name in _FAMILIAR or (pa.types.is_string(field.type) and field.name != "event_id"):
            columns[field.name] = ColumnProperties(dictionary_enabled=True)
    return WriterProperties(
        compression="ZSTD",
        compression_level=1,
        default_column_properties=ColumnProperties(dictionary_enabled=False),
        column_properties=columns,
    )
