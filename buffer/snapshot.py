"""One version of a table, frozen: what queries and training read."""

from __future__ import annotations

from typing import Protocol

import pyarrow.dataset as ds

from buffer.table import TableName


class Snapshot(Protocol):
    """The rows of a table at one version; what is appended later is not in it."""

    @property
    def name(self) -> TableName:
        """Return which table."""
        ...

    @property
    def version(self) -> int:
        """Return the version, which names the rows for as long as ``buffer.keep_versions``."""
        ...

    @property
    def files(self) -> tuple[str, ...] | None:
        """Return the paths of the Parquet files, None where they are not local; ``record_day`` is in the path only."""
        ...

    def dataset(self) -> ds.Dataset:
        """Return the rows as an Arrow dataset, wherever they are."""
        ...
