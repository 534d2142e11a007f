"""DuckDB over frozen versions of the tables: one connection a query, bounded memory, no network."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from buffer.errors import BufferingError, TableUnavailable, VersionGone
from buffer.layout import DAY
from buffer.snapshot import Snapshot

DEFAULT_MEMORY = 512 * 1024 * 1024  # as buffer.query_memory
DEFAULT_THREADS = 2  # each holds buffers of its own: more of them need more memory than the limit says
BATCH_ROWS = 20_000
_MISREAD = frozenset("*?=")  # in a folder's name: a pattern, or a column that would hide a field of that name


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one query may use.

    Attributes:
        memory: Bytes, after which it goes on in temporary files; the process takes about 200 MiB more.
        threads: Threads.
        folder: Where the folder of temporary files is made; None: where the system has such files (``TMPDIR``).
    """

    memory: int = DEFAULT_MEMORY
    threads: int = DEFAULT_THREADS
    folder: Path | None = None


class DuckSession:
    """One connection with its temporary files; both are gone once it is closed. For one thread.

    Every method raises ``BufferingError`` with one line for a person: ``VersionGone`` where a file of the version
    is gone, ``TableUnavailable`` where the disk or the storage does not answer now.
    """

    def __init__(self, limits: QueryLimits | None = None) -> None:
        limits = limits or QueryLimits()
        try:
            self._folder = tempfile.mkdtemp(prefix="tidemill-query-", dir=limits.folder)
        except OSError as reason:
            raise TableUnavailable(f"no folder for temporary files can be made: {reason}") from reason
        self._attached: list[Snapshot] = []
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{limits.memory}B",
                "threads": str(limits.threads),
                "temp_directory": self._folder,
                "preserve_insertion_order": "false",
                "autoinstall_known_extensions": "false",  # an extension is code from the network
                "autoload_known_extensions": "false",
                "python_enable_replacements": "false",  # a name in SQL is never a variable of ours
            },
        )
        self._connection.execute("SET TimeZone = 'UTC'")

    def attach(self, snapshot: Snapshot) -> frozenset[str]:
        """Make the rows known under the table's name and return the names of their columns."""
        self._attached.append(snapshot)
        schema = snapshot.dataset().schema
        with self._told():
            files = snapshot.files
            if files is not None and not files:
                self._connection.register(snapshot.name, schema.empty_table())
            elif files is None or any(map(_is_misread, files)):
                self._keep_filters()
                self._connection.register(snapshot.name, snapshot.dataset())
            else:
                self._view(snapshot.name, files, schema)
        return frozenset(schema.names)

    def register(self, name: str, table: pa.Table) -> None:
        """Make a small table known by name."""
        self._connection.register(name, table)

    def run(self, sql: str) -> None:
        """Run a statement."""
        with self._told():
            self._connection.execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return all rows of a small result."""
        with self._told():
            return self._connection.execute(sql).fetchall()

    def batches(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield a result of any size with these names and types; nothing else may be asked for until it is read."""
        with self._told():
            reader = self._connection.sql(sql).to_arrow_reader(BATCH_ROWS)
            for batch in reader:
                columns = [
                    column.cast(field.type) if column.type != field.type else column
                    for column, field in zip(batch.columns, schema, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def close(self) -> None:
        """Give back the memory and remove the temporary files; more than once does no harm."""
        self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep_filters(self) -> None:
        """Let Arrow only read: it cannot compare texts and bytes of files that a delete has rewritten."""
        disabled = self._connection.execute("SELECT current_setting('disabled_optimizers')").fetchall()[0][0]
        names = dict.fromkeys([*filter(None, disabled.split(",")), "filter_pushdown", "join_filter_pushdown"])
        self._connection.execute(f"SET disabled_optimizers = '{','.join(names)}'")

    def _view(self, name: str, files: Sequence[str], schema: pa.Schema) -> None:
        listed = ", ".join(map(text, files))
        source = f"read_parquet([{listed}], hive_partitioning=true, hive_types={{'{DAY}': DATE}}, union_by_name=true)"
        written = {row[0] for row in self._connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}  # noqa: S608
        if not written.issuperset(schema.names):  # a column younger than every file
            columns = quoted(f"columns of {name}")
            self._connection.register(f"columns of {name}", schema.empty_table())
            source = f"(SELECT * FROM {columns} UNION ALL BY NAME SELECT * FROM {source})"  # noqa: S608
        self._connection.execute(f"CREATE TEMP VIEW {quoted(name)} AS SELECT * FROM {source}")  # noqa: S608

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (duckdb.Error, pa.ArrowException, OSError) as reason:
            raise self._explained(reason) from reason

    def _explained(self, reason: Exception) -> BufferingError:
        said = str(reason)
        first = next(iter(said.splitlines()), type(reason).__name__)
        if isinstance(reason, FileNotFoundError) or any(hint in said for hint in _GONE):
            versions = ", ".join(f"{snapshot.name} {snapshot.version}" for snapshot in self._attached)
            return VersionGone(
                f"a file of the tables is gone: a version asked for ({versions}) is older than buffer.keep_versions; "
                f"read a newer one ({first})"
            )
        if any(hint in said for hint in _FULL):
            return TableUnavailable(
                f"no room for the temporary files of the query in {Path(self._folder).parent}: free some, point TMPDIR "
                "to a larger disk, or give it more memory with buffer.query_memory"
            )
        if isinstance(reason, duckdb.OutOfMemoryException):
            return TableUnavailable(f"the query needs more memory than buffer.query_memory allows: raise it ({first})")
        if isinstance(reason, duckdb.IOException | OSError):
            return TableUnavailable(f"the tables cannot be read now: {first}")
        return BufferingError(f"the query of the tables failed: {first}")


_GONE = ("No files found", "No such file", "Object at location", "NoSuchKey")
_FULL = ("No space left", "max_temp_directory_size", "failed to offload")


def _is_misread(path: str) -> bool:
    """Return whether DuckDB would take the folder of the table, which holds those of the days, for more than a name."""
    return bool(_MISREAD.intersection(path.rpartition(f"/{DAY}=")[0]))


def quoted(name: str) -> str:
    """Return a name as SQL takes it, whatever is in it.

    >>> quoted('a "b" c')
    '"a ""b"" c"'
    """
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a text as SQL takes it.

    >>> print(text("it's"))
    'it''s'
    """
    return "'" + value.replace("'", "''") + "'"
