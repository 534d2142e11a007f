"""Every bad bulk file of ``docs/bad-inputs.md``, 115 to 130, through the command that loads it."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features import parquet_file
from features.csv_file import MAX_LINE_CHARS
from service.cli import run

PAGE = Path(__file__).parents[2] / "docs" / "bad-inputs.md"
NUMBERS = range(115, 131)
SERVICE = """version: 1
name: bulk
features:
  fields:
    - {name: x, type: double}
    - {name: s, type: string, null: keep}
model: {positive: fraud}
"""
HEADER = b"x,s\n"


@dataclass(frozen=True)
class Bulk:
    """A file that comes in, and what must become of it.

    Attributes:
        number: Its number in the table of the page.
        what: In a few words what is odd about it.
        content: Its bytes.
        code: The exit code.
        loaded: How many rows get into the table; -1: the file is refused, nothing is loaded.
        says: What the user reads.
        name: The file's name.
    """

    number: int
    what: str
    content: bytes
    code: int
    loaded: int
    says: str
    name: str = "in.csv"

    def __str__(self) -> str:
        """Return what the test is called by."""
        return f"{self.number} {self.what}"


def parquet(columns: Any, **options: Any) -> bytes:
    """Return a Parquet file of these columns."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, **options)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def refused(number: int, what: str, content: bytes, says: str, name: str = "in.csv") -> Bulk:
    """Return a file that is refused as a whole."""
    return Bulk(number, what, content, code=2, loaded=-1, says=says, name=name)


def one_of_three(number: int, what: str, line: bytes, says: str) -> Bulk:
    """Return a file in which one row of three is left out."""
    return Bulk(number, what, HEADER + b"1,a\n" + line + b"\n3,c\n", code=1, loaded=2, says=says)


WHOLE = parquet({"x": [1.0, 2.0], "s": ["a", None]})
SECRET = pa.field("x", pa.float64(), metadata={b"ARROW:extension:name": b"acme.pickle"})
CASES = [
    Bulk(115, "empty", b"", code=0, loaded=0, says="loaded 0 rows"),
    Bulk(116, "header only", HEADER, code=0, loaded=0, says="loaded 0 rows"),
    refused(117, "semicolons", b"x;s\n1;a\n", "separated by semicolons"),
    Bulk(117, "byte-order mark, CRLF", b"\xef\xbb\xbfx,s\r\n1,a\r\n", code=0, loaded=1, says="loaded 1 rows"),
    one_of_three(117, "other quotes", b"2,'a,b'", "line 3: 3 cells where the header has 2"),
    one_of_three(118, "too many cells", b"2,b,c", "line 3: 3 cells where the header has 2"),
    one_of_three(118, "too few cells", b"2", "line 3: 1 cells where the header has 2"),
    refused(119, "a quote that is not closed", HEADER + b'1,"a\n' + b"2,b\n" * 99_999, "line 2: a quote is opened"),
    refused(120, "a million columns", b",".join(b"c%d" % i for i in range(1_000_000)), "at most 10000 are read"),
    refused(120, "an endless line", HEADER + b"9" * (MAX_LINE_CHARS + 1), "line 2: longer than"),
    one_of_three(121, "a NUL byte", b"2,a\0b", "line 3: it holds a NUL byte"),
    one_of_three(121, "Latin-1", b"2,\xe9", "line 3: it is not UTF-8"),
    refused(121, "UTF-16", "x,s\n1,a\n".encode("utf-16"), "it is UTF-16"),
    refused(122, "a name twice", b"x,s,x\n1,a,2\n", "names 'x' more than once"),
    one_of_three(123, "a formula", b"=cmd|' /C calc'!A0,b", "line 3: field 'x': expected double"),
    one_of_three(124, "a decimal comma", b'"1,5",b', "line 3: field 'x': expected double, got the text '1,5'"),
    one_of_three(124, "beyond a double", b"1e309,b", "line 3: field 'x': the text '1e309' is not finite"),
    one_of_three(124, "nan", b"nan,b", "line 3: field 'x': expected double"),
    one_of_three(124, "N/A", b"N/A,b", "line 3: field 'x': expected double"),
    refused(125, "Parquet cut off", WHOLE[:-9], "not a Parquet file that can be read"),
    refused(125, "bad magic", b"PAR2" + WHOLE[4:-4] + b"PAR2", "not a Parquet file", name="in.parquet"),
    refused(125, "gzip cut off", gzip.compress(HEADER + b"1,a\n" * 9_999)[:-5], "damaged or cut off", "in.csv.gz"),
    refused(126, "a million rows in a kilobyte", parquet({"x": np.zeros(1_000_000), "s": ["a"] * 1_000_000}), "rows"),
    refused(127, "an extension type", parquet(pa.Table.from_arrays([pa.array([1.0]), pa.array(["a"])],
            schema=pa.schema([SECRET, ("s", pa.string())]))), "column x is of the extension type acme.pickle"),
    Bulk(128, "a list", parquet({"x": [[1.0]], "s": ["a"]}), 1, 0, "line 1: field 'x': expected double, got a list"),
    Bulk(128, "decimals", parquet({"x": pa.array([1, None], pa.decimal128(20, 3)), "s": ["a", "b"]}), 1, 1, "line 2"),
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a service file."""
    (tmp_path / "tidemill.yaml").write_text(SERVICE)
    return tmp_path


@pytest.fixture
def load(project: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return a function that loads files and returns the exit code and what was said."""

    def load(*arguments: str | Path) -> tuple[int, str]:
        code = run(["-c", str(project / "tidemill.yaml"), "buffer", "load", *map(str, arguments)])
        return code, capfd.readouterr().err

    return load


def offsets(project: Path) -> list[int]:
    """Return the row numbers in the features table."""
    table = deltalake.DeltaTable(project / "buffer" / "features")
    column = pa.table(table.to_pyarrow_table(columns=["record_offset"]))["record_offset"]
    return sorted(column.to_pylist())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bulk_file_becomes_what_the_page_says(
    project: Path, load: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, case: Bulk
) -> None:
    """A bad row costs itself; a file that would be misread is refused before anything of it is in the table."""
    monkeypatch.setattr(parquet_file, "MAX_ROWS", 999_999)
    (project / case.name).write_bytes(case.content)
    code, said = load(project / case.name)
    assert (code, case.says in said, "Traceback" in said) == (case.code, True, False), said
    assert len(offsets(project)) == max(0, case.loaded)


def test_120_and_126_cost_no_memory(project: Path, load: Callable[..., tuple[int, str]]) -> None:
    """126: one text of 100 KB that stands in 50,000 rows, 5 GB of it in a few KB, is read in bounded pieces."""
    text = pa.DictionaryArray.from_arrays(np.zeros(50_000, np.int32), ["y" * 131_073])
    (project / "in.parquet").write_bytes(parquet({"x": np.ones(50_000), "s": text}))
    code, said = load(project / "in.parquet")
    assert (code, "left out 50,000" in said, offsets(project)) == (1, True, [])


def test_123_formulas_are_escaped_where_they_are_written(project: Path, load: Callable[..., tuple[int, str]]) -> None:
    """What a spreadsheet would run when it opens the rejects is a text there."""
    (project / "=1+1.csv").write_bytes(b"x,s\n?,a\n")
    load(project / "=1+1.csv", "--rejects", project / "rejects.csv")
    rows = (project / "rejects.csv").read_text().splitlines()
    assert rows == [
        "file,line,reason,detail",
        f"{project}/=1+1.csv,2,wrong_type,\"field 'x': expected double, got the text '?'\"",
    ]


def test_129_a_file_that_vanishes_is_read_to_its_end_and_one_that_grows_is_not(
    project: Path, load: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was begun with is what is loaded, or the load stops; run again it gives each row once."""
    path = project / "in.csv"
    path.write_bytes(HEADER + b"1,a\n2,b\n")
    surveyed = _hooked(monkeypatch, path.unlink)
    code, said = load(path)
    assert (code, said.splitlines()[-1]) == (0, f"{path}: loaded 2 rows")
    path.write_bytes(HEADER + b"7,a\n")
    surveyed[:] = [lambda: path.write_bytes(HEADER + b"7,a\n8,b\n")]
    code, said = load(path)
    assert (code, "it was changed while it was read; run again" in said, offsets(project)) == (2, True, [0, 1])
    assert load(path)[0] == 0
    assert offsets(project) == [0, 0, 1, 1]


def _hooked(monkeypatch: pytest.MonkeyPatch, first: Callable[[], Any]) -> list[Callable[[], Any]]:
    """Return a list of what happens between the check of a file and its load, once each."""
    from service import buffer_load

    hooks, survey = [first], buffer_load._Loader._survey

    def surveyed(self: Any, *arguments: Any) -> int:
        total = survey(self, *arguments)
        if hooks:
            hooks.pop()()
        return total

    monkeypatch.setattr(buffer_load._Loader, "_survey", surveyed)
    return hooks


def test_130_rejects_that_cannot_be_written_leave_no_part_of_a_file(
    project: Path, load: Callable[..., tuple[int, str]]
) -> None:
    """A file that is there is whole, and nothing is loaded when the rejects could not be kept."""
    (project / "in.csv").write_bytes(HEADER + b"?,a\n")
    code, said = load(project / "in.csv", "--rejects", project / "nowhere" / "r.csv")
    assert (code, "the rejects cannot be written: No such file" in said) == (1, True)
    (project / "r.csv").write_text("of yesterday")
    code, _ = load(project / "in.csv", project / "gone.csv", "--rejects", project / "r.csv")
    assert (code, (project / "r.csv").read_text().count("\n")) == (1, 2)
    assert [path.name for path in project.iterdir() if path.name.endswith(".tmp")] == []


def test_page_has_every_number_and_every_number_a_test() -> None:
    """What a user reads about files is held by a test, and nothing of the list is passed over."""
    on_page = [int(number) for number in re.findall(r"^\| (\d{3}) \|", PAGE.read_text(), re.MULTILINE)]
    tested = {case.number for case in CASES}
    named = {int(number) for name in globals() for number in re.findall(r"_(1[123]\d)(?=_)", name)}
    assert on_page == list(NUMBERS)
    assert tested | named == set(NUMBERS)
