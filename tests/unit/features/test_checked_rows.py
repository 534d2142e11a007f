from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.checked_rows import CheckedRows, checked_rows
from features.rejection import Reason
from features.schema import FeatureSchema, Field, FieldType, Roles
from features.tables import open_table

SCHEMA = FeatureSchema(
    (Field("x", FieldType.DOUBLE, "x"), Field("n", FieldType.LONG, "n")), Roles(id="id", key="n", label="y")
)
GOOD, WRONG, SHORT, BLANK = "1.5,007,a,0", "?,7,a,0", "1", ""


def read(folder: Path, lines: list[str], *, chunk_rows: int) -> list[CheckedRows]:
    """Return the pieces of a file with these lines behind its header."""
    path = folder / "rows.csv"
    path.write_text("\n".join(["x,n,id,y", *lines, ""]))
    return list(checked_rows(open_table(path), SCHEMA, chunk_rows=chunk_rows))


@given(st.lists(st.sampled_from([GOOD, WRONG, SHORT, BLANK]), max_size=12), st.integers(1, 5))
def test_row_numbers_do_not_depend_on_the_pieces(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], chunk_rows: int
) -> None:
    """A row's number is its place among all rows, good and bad, so that a load that is begun again finds its place."""
    pieces = read(tmp_path_factory.getbasetemp(), lines, chunk_rows=chunk_rows)
    rows = [(number, line) for number, line in enumerate(i for i, text in enumerate(lines, 2) if text != BLANK)]
    assert [(n, at) for p in pieces for n, at in zip(p.numbers.tolist(), p.batch.rows.tolist(), strict=True)] == [
        (number, line) for number, line in rows if lines[line - 2] == GOOD
    ]
    assert [p.first for p in pieces] == np.cumsum([0, *(p.count for p in pieces)])[: len(pieces)].tolist()
    assert sum(p.count for p in pieces) == len(rows)
    assert all(p.count <= chunk_rows for p in pieces)
    assert [b.line for p in pieces for b in p.problems] == [at for _, at in rows if lines[at - 2] != GOOD]


def test_a_key_that_is_a_field_is_written_as_an_event_would_have_it(tmp_path: Path) -> None:
    """What is loaded has the key that the same row has when it is published."""
    (piece,) = read(tmp_path, [GOOD, "1,8,b,"], chunk_rows=10)
    assert (piece.keys, piece.batch.ids, piece.batch.labels) == ([b"7", b"8"], ["a", "b"], ["0", None])


def test_a_row_without_its_id_is_a_problem(tmp_path: Path) -> None:
    """What no label could name is not taken silently."""
    (piece,) = read(tmp_path, ["1,2,,0"], chunk_rows=10)
    assert [(p.line, p.reason) for p in piece.problems] == [(2, Reason.MISSING)]
