from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import deltalake
import pytest

from service.cli import run

SERVICE = """version: 1
name: bulk
features: {id: i, time: t, fields: [{name: x, type: double}]}
labels: {inline: y}
buffer: {retention: 200d}
model: {positive: a}
"""
NOW = "2026-11-20T00:00:00Z"


@pytest.fixture
def load(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[str]]]:
    """Return a function that runs ``buffer load`` in a project and returns the exit code and the lines said."""
    (tmp_path / "tidemill.yaml").write_text(SERVICE)

    def load(*arguments: str | Path) -> tuple[int, list[str]]:
        code = run(["-c", str(tmp_path / "tidemill.yaml"), "buffer", "load", *map(str, arguments)])
        return code, capfd.readouterr().err.replace(f"{tmp_path}/", "").splitlines()

    return load


def a_file(path: Path, *rows: str, header: str = "i,t,x,y") -> Path:
    """Return a CSV file with these rows."""
    path.write_text("\n".join([header, *rows, ""]))
    return path


def column(folder: Path, name: str) -> list[object]:
    """Return a column of the features table, by event id."""
    rows = deltalake.DeltaTable(folder / "buffer" / "features").to_pyarrow_table().sort_by("event_id")
    return list(rows[name].to_pylist())


@pytest.fixture(autouse=True)
def a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be the evening of the day that the rows are of."""
    monkeypatch.setattr("service.bootstrap.epoch_ms", lambda: 1_795_200_000_000)


def test_the_same_bytes_again_load_nothing_under_any_name(
    tmp_path: Path, load: Callable[..., tuple[int, list[str]]]
) -> None:
    """A cron job may name the same files every night; what a file is called does not make it another."""
    first = a_file(tmp_path / "a.csv", f"1,{NOW},1,a", f"2,{NOW},2,")
    assert load(first) == (0, ["a.csv: loaded 2 rows"])
    again = first.rename(tmp_path / "b.csv")
    assert load(again) == (0, ["b.csv: already loaded: 2 rows"])
    assert column(tmp_path, "inline_label") == ["a", None]


def test_the_label_may_be_in_another_column(tmp_path: Path, load: Callable[..., tuple[int, list[str]]]) -> None:
    """History is rarely named as the stream is; a file without labels loads events alone."""
    named = a_file(tmp_path / "a.csv", f"1,{NOW},1,b", header="i,t,x,status")
    assert load(named, "--label", "nothing") == (2, ["error: a.csv: no column nothing; there are i, t, x, status"])
    assert load(named, "--label", "status")[0] == 0
    assert load(a_file(tmp_path / "b.csv", f"2,{NOW},1", header="i,t,x"))[0] == 0
    assert column(tmp_path, "inline_label") == ["b", None]


def test_a_file_that_is_refused_does_not_cost_the_others(
    tmp_path: Path, load: Callable[..., tuple[int, list[str]]]
) -> None:
    """One bad file of a folder is told, the others are loaded, and the exit code says that something was left out."""
    folder = tmp_path / "in"
    folder.mkdir()
    a_file(folder / "a.csv", f"1,{NOW},1,a", header="i,t,x,x")
    a_file(folder / "b.csv", f"2,{NOW},1,a")
    a_file(folder / "notes.txt")
    assert load(folder) == (
        1,
        [
            "in/notes.txt: left out: neither .csv nor .parquet by its name",
            "left out: in/a.csv: the header names 'x' more than once",
            "in/b.csv: loaded 1 rows",
        ],
    )


def test_a_dry_run_says_what_would_be_and_writes_nothing(
    tmp_path: Path, load: Callable[..., tuple[int, list[str]]]
) -> None:
    """A file can be looked at before it is loaded, with all its rejects."""
    path = a_file(tmp_path / "a.csv", f"1,{NOW},1,a", "2,yesterday,1,a", "3,2020-01-01T00:00:00Z,1,a")
    code, said = load(path, "--dry-run", "--rejects", tmp_path / "r.csv")
    assert (code, said[-1]) == (1, "a.csv: would load 1 rows, left out 2; see r.csv")
    assert said[1] == "a.csv, line 4: its time, 2020-01-01T00:00:00+00:00, is before what buffer.retention keeps"
    assert ((tmp_path / "buffer").exists(), len((tmp_path / "r.csv").read_text().splitlines())) == (False, 3)


def test_rejects_of_a_file_that_is_loaded_already_can_be_had_again(
    tmp_path: Path, load: Callable[..., tuple[int, list[str]]]
) -> None:
    """Who lost the file of rejects runs the same command again; a nightly job does not fail for ever for an old row."""
    path = a_file(tmp_path / "a.csv", f"1,{NOW},?,a", f"2,{NOW},1,a")
    assert load(path)[0] == 1
    code, said = load(path, "--rejects", tmp_path / "r.csv")
    assert (code, said[-1]) == (0, "a.csv: already loaded: 2 rows, left out 1; see r.csv")
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 2


def test_options_that_contradict_each_other_are_refused(
    tmp_path: Path, load: Callable[..., tuple[int, list[str]]]
) -> None:
    """A file of labels has its own column, and rejects must not be written over what is loaded."""
    path = a_file(tmp_path / "a.csv", f"1,{NOW},1,a")
    assert load(path, "--labels", "--label", "y")[0] == 2
    assert load(path, "--rejects", path) == (2, ["error: --rejects a.csv: that is a file to be loaded; name another"])
    assert path.read_text().startswith("i,t,x,y")
