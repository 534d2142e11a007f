"""A version of a Delta table, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

from buffer.delta_errors import TableAbsent, translated
from buffer.errors import VersionGone
from buffer.table import TableName


class DeltaSnapshot:
    """Implements ``buffer.snapshot.Snapshot``."""

    def __init__(self, name: TableName, *, uri: str, table: DeltaTable, folder: Path | None) -> None:
        """Take a table object that nobody else moves on.

        Raises:
            VersionGone: Its files were cleaned away.
        """
        self.name = name
        self._uri = uri
        self._table = table
        self._version: int = table.version()
        self._files = None if folder is None else _present_files(table, folder=folder, uri=uri)

    @property
    def version(self) -> int:
        """Return the version."""
        return self._version

    @property
    def files(self) -> tuple[str, ...] | None:
        """Return the paths of the Parquet files, None where they are not local."""
        return self._files

    def dataset(self) -> ds.Dataset:
        """Return the rows as an Arrow dataset."""
        with translated(self._uri):
            return self._table.to_pyarrow_dataset()


def open_version(uri: str, *, version: int, options: Mapping[str, str]) -> DeltaTable:
    """Return the table at a version.

    Raises:
        VersionGone: It is no longer kept, or not there yet.
        TableUnavailable: Not now.
        TableRefused: Never.
    """
    with translated(uri):
        newest = DeltaTable(uri, storage_options=dict(options))
        if version == newest.version():
            return newest
        if not 0 <= version < newest.version():
            raise VersionGone(f"{uri}: there is no version {version}, the newest is {newest.version()}")
    try:
        with translated(uri):
            return DeltaTable(uri, version=version, storage_options=dict(options))
    except TableAbsent as error:
        raise _gone(uri, version) from error


def _present_files(table: DeltaTable, *, folder: Path, uri: str) -> tuple[str, ...]:
    actions = pa.table(table.get_add_actions())
    paths = [folder / path for path in actions["path"].to_pylist()]
    if not all(path.exists() for path in paths):
        raise _gone(uri, table.version())
    return tuple(map(str, paths))


def _gone(uri: str, version: int) -> VersionGone:
    return VersionGone(
        f"{uri}: version {version} is no longer kept; take a newer one, or raise buffer.keep_versions for the next time"
    )
