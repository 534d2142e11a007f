from __future__ import annotations

import csv
from pathlib import Path

import pytest

from features.rejection import Reason
from features.rows import LineProblem
from service.errors import ServiceError
from service.reject_file import RejectFile


def a_problem(detail: str) -> LineProblem:
    """Return a problem of line 7."""
    return LineProblem(7, Reason.WRONG_TYPE, detail)


@pytest.mark.parametrize(
    ("detail", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-1, +1", "'-1, +1"),
        ('a "quoted", text', 'a "quoted", text'),
        ("two\nlines \udcff", "two\\nlines \\udcff"),
    ],
)
def test_reject_file_holds_one_row_for_each_problem_and_no_formula(tmp_path: Path, detail: str, cell: str) -> None:
    """Whoever opens it in a spreadsheet runs nothing, and a line of it is a line of the table."""
    path = tmp_path / "r.csv"
    with RejectFile(path) as rejects:
        rejects.add("in.csv", [a_problem(detail)])
        assert not path.exists()
    assert _rows(path) == [["file", "line", "reason", "detail"], ["in.csv", "7", "wrong_type", cell]]


def _rows(path: Path) -> list[list[str]]:
    """Return the rows of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_reject_file_of_a_run_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    """A file that is there is whole: that of this run, or that of the run before."""
    path = tmp_path / "r.csv"
    path.write_text("before")
    rejects = RejectFile(path)
    rejects.__enter__()
    rejects.add("in.csv", [a_problem("bad")])
    rejects.__exit__(RuntimeError, RuntimeError("no more"), None)
    assert (path.read_text(), [child.name for child in tmp_path.iterdir()]) == ("before", ["r.csv"])


@pytest.mark.parametrize("place", ["nowhere/r.csv", "."])
def test_reject_file_that_cannot_be_written_is_told_before_anything_is_done(tmp_path: Path, place: str) -> None:
    """A wrong place is seen at the start, not after an hour."""
    with pytest.raises(ServiceError, match="the rejects cannot be written"), RejectFile(tmp_path / place):
        pytest.fail("it was entered")
