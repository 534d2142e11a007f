"""Labelled examples in a file for a notebook or another tool: whole or not there, safe to open in a spreadsheet."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from service.buffer_query import Wanted, example_query, query_limits
from service.buffer_tables import build_tables
from service.errors import ServiceError, UsageError
from service.progress import progress
from service.settings import Settings
from service.units import readable_size

if TYPE_CHECKING:
    import pyarrow as pa

    from buffer.cursor import Cursor
    from buffer.examples import ExampleStream

_ENDINGS: Final = (".parquet", ".csv")
_FORMULA: Final = r"^[=+\-@\t\r\n]"  # what a spreadsheet may run
_NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"  # a label such as -1.5 is no formula


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What to write, and where.

    Attributes:
        file: Ends in .parquet or .csv.
        wanted: Which examples.
        cursor_out: Where to write the cursor that the next export begins at.
        sample: At most so many, drawn at random.
        seed: Of the draw.
    """

    file: Path
    wanted: Wanted
    cursor_out: Path | None = None
    sample: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an unknown kind of file, and a cursor in its place or past examples that nobody was given."""
        if self.file.suffix.lower() not in _ENDINGS:
            raise UsageError(f"{self.file}: the name must end in .parquet or .csv")
        if self.cursor_out is not None and self.cursor_out.absolute() == self.file.absolute():
            raise UsageError(f"--cursor-out: {self.file} is where the examples go; name another file")
        if self.cursor_out is not None and (self.sample is not None or self.wanted.end is not None):
            raise UsageError(
                "--cursor-out: not together with --sample or --to: what they leave out would never be given;"
                " export everything and draw from the file"
            )


class ExampleWriter(Protocol):
    """Writes batches to a file; pyarrow's own writers are such."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Write some examples."""
        ...

    def close(self) -> None:
        """Write what the file ends with."""
        ...


def export_examples(settings: Settings, order: ExportOrder, *, now_ms: int, say: Callable[[str], None]) -> int:
    """Write the examples and then the cursor, and return how many there are.

    Killed at any moment, the file is the old one or the new one, or not there; between file and cursor it means that
    the next export gives the same examples once more.

    Raises:
        BufferingError: The tables are not there yet, or cannot be read now.
        ServiceError: The file cannot be written.
        UsageError: A moment or the cursor is none.
    """
    tables = build_tables(settings)
    from buffer.examples import open_examples
    from buffer.sampling import Reservoir

    sample = None if order.sample is None else Reservoir(order.sample, order.seed)
    query = example_query(settings, _begun(order, say), now_ms=now_ms, sample=sample)
    with open_examples(tables, query, limits=query_limits(settings)) as stream:
        _write(stream, order.file)
        counts = stream.counts
        if order.cursor_out is not None:
            _write_cursor(stream.cursor, order.cursor_out)
    changed = counts.corrected_after + counts.retracted_after
    say(f"{counts.examples:,} examples, {readable_size(order.file.stat().st_size)}: {order.file}")
    if changed:
        say(f"{changed:,} events given before have another label now, or none; they are not given again")
    return counts.examples


def _begun(order: ExportOrder, say: Callable[[str], None]) -> Wanted:
    """Return what is wanted; of a chain whose cursor is kept in one file, the first export has none yet."""
    wanted = order.wanted
    if wanted.since is None or wanted.since != order.cursor_out or wanted.since.exists():
        return wanted
    say(f"{wanted.since} is not there yet: everything is exported")
    return Wanted(start=wanted.start, end=wanted.end)


def _write(stream: ExampleStream, path: Path) -> None:
    with _replacing(path) as aside, progress("Exporting", unit="examples", total=stream.counts.examples) as bar:
        writer = _writer(aside, path.suffix.lower(), stream.schema)
        try:
            for batch in stream:
                writer.write_batch(batch)
                bar.advance(batch.num_rows)
        finally:
            writer.close()


def _write_cursor(cursor: Cursor, path: Path) -> None:
    with _replacing(path) as aside:
        aside.write_text(json.dumps(cursor.to_json(), indent=1) + "\n", encoding="utf-8")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a name to write to: it takes the place of the file when the block ends well, and goes when it does not."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder: name a file in it")
        aside.touch()  # Python says in two words why it cannot
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.replace(path)
    except OSError as error:
        raise ServiceError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    finally:
        aside.unlink(missing_ok=True)


def _writer(path: Path, ending: str, schema: pa.Schema) -> ExampleWriter:
    if ending == ".csv":
        return _CsvWriter(path, schema)
    import pyarrow.parquet as pq

    writer: ExampleWriter = pq.ParquetWriter(path, schema, compression="zstd")
    return writer


class _CsvWriter:
    """Writes texts that no spreadsheet takes for a formula, and sequences as JSON."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow as pa
        import pyarrow.csv as pc

        self._schema = pa.schema(
            [pa.field(field.name, pa.string() if pa.types.is_list(field.type) else field.type) for field in schema]
        )
        self._writer = pc.CSVWriter(path, self._schema)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        import pyarrow as pa

        columns = [_safe(column) for column in batch.columns]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _safe(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(column.type):
        return pa.array([None if items is None else _json_list(items) for items in column.to_pylist()], pa.string())
    if not pa.types.is_string(column.type):
        return column
    runs = pc.and_(pc.match_substring_regex(column, _FORMULA), pc.invert(pc.match_substring_regex(column, _NUMBER)))
    return pc.if_else(runs, pc.binary_join_element_wise(pa.scalar("'"), column, ""), column)


def _json_list(items: list[Any]) -> str:
    """Return a sequence as JSON, which has no NaN: null."""
    return json.dumps([None if item != item else item for item in items])  # noqa: PLR0124
