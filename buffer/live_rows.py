"""The rows of a table at the version an object of it stands at, all or of one day, as queries read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from buffer.layout import DAY
from buffer.table import TableName

_LOCAL = "file://"


@dataclass(frozen=True, slots=True)
class LiveRows:
    """A ``Snapshot`` of the version at hand, so that what is read and what is then replaced are the same.

    Attributes:
        name: Which table.
        table: The object, which must not move on meanwhile.
        day: Only this day; None for all.
    """

    name: TableName
    table: DeltaTable
    day: date | None = None

    @property
    def version(self) -> int:
        """Return the version the object stands at."""
        return self.table.version()

    @property
    def files(self) -> tuple[str, ...] | None:
        """Return the paths of the Parquet files, None where they are not local."""
        if not self.table.table_uri.startswith(_LOCAL):
            return None
        uris = self.table.file_uris(file_pruning_predicate=self._filters())
        return tuple(unquote(uri.removeprefix(_LOCAL)) for uri in uris)

    def dataset(self) -> ds.Dataset:
        """Return the rows as an Arrow dataset."""
        return self.table.to_pyarrow_dataset(file_pruning_predicate=self._filters())

    @property
    def schema(self) -> pa.Schema:
        """Return the columns of the table, also those that none of the files has."""
        return pa.schema(self.table.schema().to_arrow())

    def _filters(self) -> list[tuple[str, str, str]] | None:
        return None if self.day is None else [(DAY, "=", self.day.isoformat())]
