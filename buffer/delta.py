"""A buffer table in Delta format, on a folder or an object store."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction, write_deltalake

from buffer.delta_durable import make_durable
from buffer.delta_errors import CommitConflict, TableAbsent, translated
from buffer.delta_rows import aligned, writer_properties
from buffer.delta_schema import create_table, missing_columns, refuse_occupied
from buffer.delta_snapshot import DeltaSnapshot, open_version
from buffer.errors import BufferingError, Overtaken, TableRefused, TableUnavailable
from buffer.table import Stretch, TableName

_LONGEST_USE: Final = 25  # commits seen by one object: it gets slower with each, 5 times after 600
_FIRST_PAUSE: Final = 0.02  # seconds: about one commit
_LONGEST_PAUSE: Final = 1.0  # seconds
_REFUSED: Final = frozenset("%[]^|\\\x7f").union(map(chr, range(32)))  # in a path


def _ignore(step: str) -> None:
    """Do nothing at a step."""


class DeltaBufferTable:
    """Implements ``buffer.table.BufferTable``.

    Opening a table costs as much as a commit, so one object is kept and moved on for a while. After an error it is
    thrown away: nobody promises what it stands at then. Not for two threads at once.
    """

    def __init__(  # noqa: PLR0913 - each is a knob
        self,
        name: TableName,
        uri: str,
        *,
        schema: pa.Schema,
        options: Mapping[str, str],
        keep_versions: timedelta,
        attempts: int = 12,
        rng: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
        reached: Callable[[str], None] = _ignore,
    ) -> None:
        """Open nothing yet.

        Args:
            name: Which of the three it is.
            uri: A folder, or the address of an object store.
            schema: The columns it has to have.
            options: Of the object store, as deltalake names them.
            keep_versions: How long old files and the log are kept; a property of the table when it is made.
            attempts: How often an append or a step of ``prepare`` is tried against other writers.
            rng: Where the pauses between attempts come from.
            sleep: How it pauses.
            reached: Told ``before_check``, ``before_commit`` and ``after_commit`` in each attempt of an append.

        Raises:
            TableRefused: The address is none.
        """
        self.name = name
        self.schema = schema
        self.folder = _local_folder(uri)
        self.uri = uri.rstrip("/") if self.folder is None else self.folder.as_uri()
        self.keep_versions = keep_versions
        self._options = dict(options)
        self._attempts = attempts
        self._rng = rng or random.Random()  # noqa: S311 - spreads out writers, keeps no secret
        self._sleep = sleep
        self._reached = reached
        self._table: DeltaTable | None = None
        self._opened_at = 0

    def prepare(self) -> None:
        """Make the table, or check it and add the columns it lacks; others may do the same at the same time.

        Raises:
            TableRefused: It holds something else, or a column of another type.
            TableUnavailable: Not now.
        """
        for attempt in range(self._attempts):
            try:
                return self._prepare_once()
            except CommitConflict:
                self._table = None
                self._pause(attempt)
        raise TableUnavailable(f"{self.uri}: other writers were first {self._attempts} times; try again")

    def _prepare_once(self) -> None:
        try:
            table = self._current()
        except TableAbsent:
            if self.folder is not None:
                refuse_occupied(self.folder)
            create_table(self.uri, self.schema, options=self._options, keep_versions=self.keep_versions)
            return
        missing = missing_columns(self.uri, table=table, wanted=self.schema)
        if missing:
            self._table = None
            with translated(self.uri):
                table.alter.add_columns(missing)

    def positions(self, app_ids: Collection[str]) -> Mapping[str, int]:
        """Return where the table stands now; a source it has nothing of is absent."""
        return self._standing(self._current(), app_ids)

    def append(self, rows: pa.Table, stretches: Sequence[Stretch]) -> None:
        """Commit rows and positions together, or nothing; see the port."""
        app_ids = [stretch.app_id for stretch in stretches]
        if not app_ids or len(set(app_ids)) < len(app_ids):
            raise ValueError(f"one stretch for each source, got {app_ids}")
        for attempt in range(self._attempts):
            try:
                version = self._commit(rows, stretches)
            except CommitConflict:
                self._pause(attempt)
            except TableUnavailable:
                if not self._has_landed(stretches):
                    raise
                return  # the commit was made and what came behind it failed
            else:
                self._finish(version)
                return
        raise TableUnavailable(f"{self.uri}: other writers were first {self._attempts} times; flush less often")

    def _commit(self, rows: pa.Table, stretches: Sequence[Stretch]) -> int:
        table = self._current()
        self._reached("before_check")
        standing = self._standing(table, [stretch.app_id for stretch in stretches])
        overtaken = [s.app_id for s in stretches if standing.get(s.app_id) != s.expected]
        if overtaken:
            raise Overtaken(overtaken)
        schema = pa.schema(table.schema().to_arrow())
        fitting = aligned(rows, schema, uri=self.uri)
        self._reached("before_commit")
        self._table = None
        with translated(self.uri):
            write_deltalake(
                table,
                fitting,
                mode="append",
                writer_properties=writer_properties(schema),
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(stretch.app_id, stretch.next) for stretch in stretches]
                ),
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
            )
        self._table = table
        return table.version()

    def _finish(self, version: int) -> None:
        self._reached("after_commit")
        if self.folder is not None:
            with translated(self.uri):
                make_durable(self.folder, version)

    def snapshot(self, version: int | None = None) -> DeltaSnapshot:
        """Return the newest version, or a certain one.

        Raises:
            VersionGone: It is no longer kept.
            TableUnavailable: Not now, or there is no table yet.
            TableRefused: Never.
        """
        table = self.handle() if version is None else open_version(self.uri, version=version, options=self._options)
        return DeltaSnapshot(self.name, uri=self.uri, table=table, folder=self.folder)

    def handle(self) -> DeltaTable:
        """Return a new table object at the newest version.

        Raises:
            TableUnavailable: Not now, or there is no table yet.
            TableRefused: Never.
        """
        with translated(self.uri):
            return DeltaTable(self.uri, storage_options=self._options)

    def _current(self) -> DeltaTable:
        """Return the kept object at the newest version."""
        kept, self._table = self._table, None
        if kept is None or kept.version() - self._opened_at >= _LONGEST_USE:
            kept = self.handle()
            self._opened_at = kept.version()
        else:
            with translated(self.uri):
                kept.update_incremental()
        self._table = kept
        return kept

    def _standing(self, table: DeltaTable, app_ids: Collection[str]) -> dict[str, int]:
        with translated(self.uri):
            found = {app_id: table.transaction_version(app_id) for app_id in app_ids}
        return {app_id: version for app_id, version in found.items() if version is not None}

    def _has_landed(self, stretches: Sequence[Stretch]) -> bool:
        """Return whether the table stands behind the rows; positions move only together with rows."""
        try:
            standing = self.positions([stretch.app_id for stretch in stretches])
        except BufferingError:
            return False
        return all(standing.get(stretch.app_id) == stretch.next for stretch in stretches)

    def _pause(self, attempt: int) -> None:
        self._sleep(self._rng.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)))


def _local_folder(uri: str) -> Path | None:
    parts = urlsplit(uri)
    if parts.scheme and parts.scheme != "file":
        return None
    folder = Path(unquote(parts.path) if parts.scheme else uri).expanduser().absolute()
    refused = next((character for character in str(folder) if character in _REFUSED), None)
    if refused is not None:
        said = f"the table library cannot use a path with {refused!r} in it; choose another for buffer.uri"
        raise TableRefused(f"{str(folder)!r}: {said}")
    return folder
