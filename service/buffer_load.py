"""What `buffer load` does, apart from its options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from buffer.errors import TableUnavailable
from buffer.load import FileLoad, FlushLimits, LoadCounts
from buffer.load_rows import EventRows, Horizon, LabelRows, LoadSource, MadeRows, RowMaker
from features.checked_rows import checked_rows, sources_of
from features.errors import TableError
from features.input_files import InputFile, open_input
from features.input_folders import find_files
from features.rows import LineProblem, TableFile
from features.schema import FeatureSchema
from features.tables import DEFAULT_CHUNK_ROWS, require_columns, table_of
from service.buffer_tables import build_tables
from service.errors import ServiceError, UsageError
from service.label_records import label_rules, label_schema
from service.progress import progress
from service.reject_file import NoRejects, RejectFile, Rejects
from service.settings import Settings
from service.units import milliseconds

if TYPE_CHECKING:
    from buffer.table import BufferTable

SHOWN_PROBLEMS = 5
MAX_PIECE_CELLS = 1 << 20  # of one piece: what a wide file is read in at once

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """What to load.

    Attributes:
        places: Files and folders.
        is_labels: Whether they are labels, not events.
        label: The column of the inline label, in place of ``labels.inline``.
        rejects: Where to write what is left out.
        is_dry: Whether the files are only read and checked.
    """

    places: Sequence[str]
    is_labels: bool = False
    label: str | None = None
    rejects: Path | None = None
    is_dry: bool = False


def load_files(settings: Settings, order: LoadOrder, *, now_ms: int, say: Say) -> int:
    """Load all files; return how many rows and whole files were left out, which are told.

    A file that cannot be read costs itself where there are others.

    Raises:
        UsageError: The options contradict each other.
        TableError: The only file cannot be read, or a folder has none.
        ServiceError: The table took no more, or the rejects cannot be written; says how to go on.
        BufferingError: The tables are refused.
    """
    _check(order)
    found = find_files(order.places)
    for line in found.left_out:
        say(line)
    loader = _Loader(settings, order, now_ms=now_ms, say=say)
    left_out = 0
    with _rejects(order, found.files) as rejects:
        for place in found.files:
            try:
                left_out += loader.load(place, rejects)
            except TableError as error:
                if len(found.files) == 1:
                    raise
                say(f"left out: {error}")
                left_out += 1
    return left_out


def _check(order: LoadOrder) -> None:
    if order.is_labels and order.label is not None:
        raise UsageError("--label names the label inside events; a file of labels has its own, see labels.label")


def _rejects(order: LoadOrder, files: Sequence[str]) -> AbstractContextManager[Rejects]:
    if order.rejects is None:
        return nullcontext(NoRejects())
    for file in files:
        if Path(file).absolute() == order.rejects.absolute():
            raise UsageError(f"--rejects {order.rejects}: that is a file to be loaded; name another")
    return RejectFile(order.rejects)


class _Loader:
    """Loads one file after the other into one table."""

    def __init__(self, settings: Settings, order: LoadOrder, *, now_ms: int, say: Say) -> None:
        self._settings = settings
        self._order = order
        self._say = say
        self._rules = label_rules(settings)
        self._horizon = Horizon(now_ms, now_ms - milliseconds(settings.buffer.retention))
        self._limits = FlushLimits(settings.buffer.flush_max_records, settings.buffer.flush_max_bytes)
        self._table: BufferTable | None = None
        if not order.is_dry:
            tables = build_tables(settings)
            tables.prepare()
            self._table = tables.labels if order.is_labels else tables.features

    def load(self, place: str, rejects: Rejects) -> int:
        """Return how many rows of a file were left out; 0 of one that an earlier run loaded, which told them."""
        source = open_input(place)
        table = table_of(source)
        schema = self._schema(table, place)
        known = LoadSource(source.name, source.digest())
        total = self._survey(source, table, schema)
        account = _Account(place, rejects, self._say)
        rows = _Rows(table, schema, _piece_rows(schema, self._limits), self._maker(known), account)
        if self._table is None:
            counts = _counted(rows.pieces(total))
            self._tell(f"{place}: would load {counts.loaded:,} rows", account)
            return account.left_out
        with _Telling(place):
            load = FileLoad(self._table, app_id=known.app_id, limits=self._limits, before_commit=source.check_unchanged)
        is_whole = load.position is not None and load.position >= total
        if is_whole and self._order.rejects is None:
            self._say(f"{place}: already loaded: {total:,} rows")
            return 0
        with _Telling(place):
            counts = load.load(rows.pieces(total))
        if is_whole:
            self._tell(f"{place}: already loaded: {total:,} rows", account)
            return 0
        there = f", {counts.there:,} were there already" if counts.there else ""
        self._tell(f"{place}: loaded {counts.loaded:,} rows{there}", account)
        return account.left_out

    def _schema(self, table: TableFile, place: str) -> FeatureSchema:
        """Return what is read of a file, and refuse one that lacks a column of it."""
        if self._order.is_labels:
            schema = label_schema(self._settings)
            roles = schema.roles
            require_columns(table, place, names=[roles.id, roles.label, roles.time])
            key = self._settings.features.key
            return replace(schema, roles=replace(roles, key=key if key in table.columns else None))
        schema = self._settings.feature_schema()
        label = self._order.label or (schema.roles.label if schema.roles.label in table.columns else None)
        schema = replace(schema, roles=replace(schema.roles, label=label, passthrough=()))
        roles = schema.roles
        require_columns(
            table, place, names=[*(f.source for f in schema.fields), roles.id, roles.key, roles.time, self._order.label]
        )
        return schema

    def _maker(self, known: LoadSource) -> RowMaker:
        kind = LabelRows if self._order.is_labels else EventRows
        return kind(known, rules=self._rules, horizon=self._horizon)

    def _survey(self, source: InputFile, table: TableFile, schema: FeatureSchema) -> int:
        """Return how many rows a file has.

        It is read to its end before the first row is committed: one that turns out to be damaged in its middle would
        be mended, have another digest, and be loaded from its first row again.
        """
        total = 0
        if table.columns:
            with progress(f"Checking {source.name}", unit="rows") as bar:
                for chunk in table.chunks(sources_of(schema), chunk_rows=_piece_rows(schema, self._limits)):
                    count = len(chunk.lines) + len(chunk.problems)
                    bar.advance(count)
                    total += count
        source.check_unchanged()
        return total

    def _tell(self, line: str, account: _Account) -> None:
        where = "--rejects FILE writes all of them" if self._order.rejects is None else f"see {self._order.rejects}"
        self._say(line + (f", left out {account.left_out:,}; {where}" if account.left_out else ""))


class _Telling:
    """Turns a table that takes no more into one line that says how to go on."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, TableUnavailable):
            raise ServiceError(
                f"{self._place}: stopped: {error}; what was committed stays: mend that and run the same command again,"
                " which goes on behind it"
            ) from error


@dataclass(slots=True)
class _Account:
    """What is left out of a file: counted, the first few told, all written down."""

    place: str
    rejects: Rejects
    say: Say
    left_out: int = 0

    def leave_out(self, problems: Sequence[LineProblem]) -> None:
        for problem in problems[: max(0, SHOWN_PROBLEMS - self.left_out)]:
            self.say(f"{self.place}, line {problem.line}: {problem.detail}")
        self.left_out += len(problems)
        self.rejects.add(self.place, problems)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one file, made."""

    table: TableFile
    schema: FeatureSchema
    chunk_rows: int
    maker: RowMaker
    account: _Account

    def pieces(self, total: int) -> Iterator[MadeRows]:
        """Yield them in order, and tell what is left out."""
        if not self.table.columns:
            return
        with progress(f"Loading {Path(self.account.place).name}", unit="rows", total=total) as bar:
            for checked in checked_rows(self.table, self.schema, chunk_rows=self.chunk_rows):
                made = self.maker.make(checked)
                self.account.leave_out(made.problems)
                yield made
                bar.advance(made.count)


def _piece_rows(schema: FeatureSchema, limits: FlushLimits) -> int:
    return max(1, min(DEFAULT_CHUNK_ROWS, limits.max_rows, MAX_PIECE_CELLS // max(1, schema.width)))


def _counted(pieces: Iterator[MadeRows]) -> LoadCounts:
    return LoadCounts(loaded=sum(len(made.rows) for made in pieces), there=0)
