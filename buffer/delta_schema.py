"""The table itself: made when it is not there, given the columns it lacks, refused when it is something else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable
from deltalake import Field as DeltaField
from deltalake import Schema as DeltaSchema

from buffer.delta_errors import translated
from buffer.errors import TableRefused
from buffer.layout import DAY

_STATISTICS: Final = "record_partition,record_offset,record_time,sample_weight"
_CHECKPOINT_COMMITS: Final = 50  # a checkpoint costs what reading its commits one by one would cost some fifty times


def table_properties(schema: pa.Schema, *, keep_versions: timedelta) -> Mapping[str, str]:
    """Return the properties a new table gets.

    Only columns that say nothing about people have statistics: what stands in the log stays there when rows are
    forgotten. Positions of sources never expire (there is no ``setTransactionRetentionDuration``).
    """
    kept = f"interval {int(keep_versions.total_seconds())} seconds"
    present = [name for name in _STATISTICS.split(",") if name in schema.names]
    return {
        "delta.dataSkippingStatsColumns": ",".join(present),
        "delta.checkpointInterval": str(_CHECKPOINT_COMMITS),
        "delta.logRetentionDuration": kept,
        "delta.deletedFileRetentionDuration": kept,
    }


def create_table(uri: str, schema: pa.Schema, *, options: Mapping[str, str], keep_versions: timedelta) -> None:
    """Make an empty table.

    Raises:
        CommitConflict: Another process made it meanwhile.
        TableRefused: The folder holds something else, or cannot be written.
        TableUnavailable: Not now.
    """
    with translated(uri):
        DeltaTable.create(
            uri,
            schema=schema,
            partition_by=[DAY],
            configuration=table_properties(schema, keep_versions=keep_versions),
            storage_options=dict(options),
        )


def refuse_occupied(folder: Path) -> None:
    """Refuse to make a table among files that are none of it.

    Raises:
        TableRefused: The folder holds files and no table.
    """
    try:
        others = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise TableRefused(f"{folder}: this is a file; buffer.uri must name a folder") from error
    except PermissionError as error:
        raise TableRefused(f"{folder}: access is denied; give this user the right to read and write there") from error
    if others and "_delta_log" not in others:
        raise TableRefused(f"{folder}: holds {others[0]} and no table; give buffer.uri a folder of its own")


def missing_columns(uri: str, *, table: DeltaTable, wanted: pa.Schema) -> list[DeltaField]:
    """Return the columns the table has to get.

    Raises:
        TableRefused: It cannot become the table that is wanted.
    """
    if table.metadata().partition_columns != [DAY]:
        raise TableRefused(f"{uri}: this table is not partitioned by {DAY}, so it is not ours; correct buffer.uri")
    present = {field.name.casefold(): field for field in table.schema().fields}
    missing = []
    for field in DeltaSchema.from_arrow(wanted).fields:
        there = present.get(field.name.casefold())
        if there is None:
            missing.append(field)
        elif there.name != field.name:
            raise TableRefused(
                f"{uri}: the table has a column {there.name!r}, and {field.name!r} differs from it in case only;"
                " give the field another 'name'"
            )
        elif there.type != field.type:
            raise TableRefused(
                f"{uri}: column {field.name!r} is {_shown(there)} in the table and {_shown(field)} in the service file;"
                " give the field another 'name', or its old type"
            )
    required = [field.name for field in missing if not field.nullable]
    if required:
        raise TableRefused(f"{uri}: this table lacks {', '.join(required)}, so it is not ours; correct buffer.uri")
    return missing


def _shown(field: DeltaField) -> str:
    return str(pa.field(field.to_arrow()).type)
