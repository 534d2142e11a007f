from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffer.errors import TableUnavailable
from buffer.layout import LABELS_SCHEMA
from buffer.load import FileLoad, FlushLimits
from buffer.load_rows import MadeRows
from buffer.table import TableName
from features.errors import TableError
from tests.support.buffer_memory import InMemoryBufferTable

APP = "file/abc"


def a_table() -> InMemoryBufferTable:
    """Return an empty table."""
    return InMemoryBufferTable(TableName.LABELS, LABELS_SCHEMA)


def a_piece(first: int, kept: Sequence[bool]) -> MadeRows:
    """Return a piece in which some rows are kept: its rows say their number, and odd ones another day."""
    numbers = np.array([first + at for at, is_kept in enumerate(kept) if is_kept], dtype=np.int64)
    days = pa.array((20_000 - numbers % 2).astype(np.int32)).view(pa.date32())
    rows = pa.table({"record_day": days, "record_offset": numbers})
    return MadeRows(first, len(kept), rows, numbers, ())


def pieces_of(file: Sequence[Sequence[bool]]) -> Iterator[MadeRows]:
    """Return the pieces of a file that says of each row whether it is kept."""
    first = 0
    for kept in file:
        yield a_piece(first, kept)
        first += len(kept)


def a_load(table: InMemoryBufferTable, *, max_rows: int = 3) -> FileLoad:
    """Return a load that begins now."""
    return FileLoad(table, app_id=APP, limits=FlushLimits(max_rows, 1 << 30), before_commit=lambda: None)


def offsets(table: InMemoryBufferTable) -> list[int]:
    """Return the row numbers in the table, in their order."""
    return sorted(table.rows()["record_offset"].to_pylist())


FILES = st.lists(st.lists(st.booleans(), min_size=1, max_size=4), max_size=6)


@dataclass
class Ending:
    """How each of several runs ends: killed behind some pieces, failing before or behind a commit, or well."""

    pieces: int
    failing: bool
    failing_after: bool


ENDINGS = st.lists(st.builds(Ending, st.integers(0, 6), st.booleans(), st.booleans()), max_size=5)


@given(FILES, ENDINGS, st.integers(1, 6))
def test_a_load_that_is_begun_again_and_again_ends_with_every_row_once(
    file: list[list[bool]], endings: list[Ending], max_rows: int
) -> None:
    """However runs end, and whatever they believed was written, the table has each row that is kept, once."""
    table = a_table()
    for ending in endings:
        table.failing = [TableUnavailable("full")] if ending.failing else []
        table.failing_after = [TableUnavailable("no answer")] if ending.failing_after else []
        load = a_load(table, max_rows=max_rows)
        try:
            load.load(list(pieces_of(file))[: ending.pieces])
        except TableUnavailable:
            continue
    table.failing, table.failing_after = [], []
    counts = a_load(table, max_rows=max_rows).load(pieces_of(file))
    kept = [number for number, is_kept in enumerate(is_kept for piece in file for is_kept in piece) if is_kept]
    assert offsets(table) == kept
    assert counts.loaded + counts.there == len(kept)
    assert a_load(table).load(pieces_of(file)).loaded == 0


@given(FILES, st.lists(st.integers(0, 6), max_size=6), st.integers(1, 4), st.integers(1, 4))
def test_two_loads_of_one_file_at_once_give_every_row_once(
    file: list[list[bool]], turns: list[int], one: int, other: int
) -> None:
    """One wins each stretch; the other drops what is there already and goes on behind it."""
    table = a_table()
    theirs = 0

    def interleaved() -> Iterator[MadeRows]:
        nonlocal theirs
        for piece, reach in zip(pieces_of(file), [*turns, *[0] * len(file)], strict=False):
            theirs += a_load(table, max_rows=other).load(list(pieces_of(file))[:reach]).loaded
            yield piece

    mine = a_load(table, max_rows=one).load(interleaved())
    kept = [number for number, is_kept in enumerate(is_kept for piece in file for is_kept in piece) if is_kept]
    assert offsets(table) == kept
    assert (mine.loaded + mine.there, mine.loaded + theirs) == (len(kept), len(kept))


def test_rows_that_are_all_left_out_move_the_position() -> None:
    """A file without one good row is done all the same, and is not read a second time."""
    table = a_table()
    a_load(table).load(pieces_of([[False, False], [False]]))
    assert (a_load(table).position, len(table.rows())) == (3, 0)


def test_a_commit_is_bounded_and_its_rows_are_in_the_order_of_days() -> None:
    """Memory is what waits for one commit, and each day of it is written at once."""
    table = a_table()
    a_load(table, max_rows=4).load(pieces_of([[True, True]] * 5))
    assert [commit["record_offset"].to_pylist() for commit in table.commits] == [[1, 3, 0, 2], [5, 7, 4, 6], [9, 8]]


def test_nothing_is_committed_of_a_file_that_has_changed() -> None:
    """The digest in the rows is that of the file they were read from."""
    table = a_table()

    def changed() -> None:
        raise TableError("changed")

    load = FileLoad(table, app_id=APP, limits=FlushLimits(1, 1), before_commit=changed)
    with pytest.raises(TableError, match="changed"):
        load.load(pieces_of([[True]]))
    assert table.commits == []
