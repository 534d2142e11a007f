from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.buffer_care import build_maintainer
from service.buffer_tables import build_tables
from service.cli import run
from service.settings import load_settings
from tests.support.buffer_care import add

FILE = """\
version: 1
name: fraud
kafka: {bootstrap.servers: "localhost:1"}
features:
  id: txn
  fields: [{name: amount, type: double}]
labels: {max_delay: 30d}
buffer: {retention: 60d, maintain_interval: 10m}
"""
TODAY = datetime.now(UTC).date()


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a service file and tables: an old day, and a key of today."""
    (tmp_path / "tidemill.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    tables = build_tables(load_settings(Path("tidemill.yaml")).settings)
    tables.prepare()
    add(tables.features, TODAY - timedelta(days=70), range(5))
    add(tables.features, TODAY, range(5, 8), record_key=b"card 1")
    return tmp_path


def test_maintain_prints_what_it_did(service: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each step that did something, with sizes; nothing a second time."""
    assert run(["buffer", "maintain"]) == 0
    first = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in first] == [["features", "retention"], ["features", "checkpoint"]]
    assert "1 day: 5 rows removed, 1 file (3." in first[0]
    assert run(["buffer", "maintain"]) == 0
    assert capsys.readouterr().out == "nothing to do\n"


def test_maintain_tells_programs_the_same(service: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line with numbers, not sentences."""
    assert run(["buffer", "maintain", "--json"]) == 0
    step = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (step["table"], step["step"], step["outcome"], step["rows_removed"]) == ("features", "retention", "done", 5)


def test_maintain_says_once_that_there_is_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first event there is nothing to look after; the line says what makes the tables."""
    (tmp_path / "tidemill.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    assert run(["buffer", "maintain"]) == 1
    assert [("there is no table" in line) for line in capsys.readouterr().out.splitlines()] == [True] * 3


@pytest.mark.parametrize("key", [["--key", "card 1"], ["--key-hex", b"card 1".hex()]])
def test_forget_removes_the_rows_of_a_key(service: Path, capsys: pytest.CaptureFixture[str], key: list[str]) -> None:
    """The key is given as text or, where it is none, as hex."""
    assert run(["buffer", "forget", *key, "--yes"]) == 0
    assert "features  3 rows removed" in capsys.readouterr().out


def test_forget_asks_before_it_removes(
    service: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows how many rows there are, and no answer means no."""
    monkeypatch.setattr("builtins.input", lambda *_: "n")
    assert run(["buffer", "forget", "--key", "card 1"]) != 0
    assert "features  3 rows found" in capsys.readouterr().out
    assert run(["buffer", "forget", "--event-id", "event-6", "--yes"]) == 0
    assert "features  1 row removed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["forget"], "give one of --key, --key-hex and --event-id"),
        (["forget", "--key", "a", "--event-id", "b"], "give one of"),
        (["forget", "--key-hex", "xy"], "--key-hex: 'xy' is not hexadecimal"),
        (["reseek", "--topic", "fraud.labels"], "give one of --to-offset, --to-earliest"),
        (["reseek", "--topic", "fraud.labels", "--to-time", "noon"], "--to-time: 'noon' is neither"),
        (["reseek", "--topic", "other", "--to-latest"], "--topic: 'other' is not buffered; this service buffers"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    service: Path, capsys: pytest.CaptureFixture[str], command: list[str], told: str
) -> None:
    """Wrong usage ends with 2 before anything is looked at."""
    assert run(["buffer", *command]) == 2
    assert told in capsys.readouterr().err


def test_maintainer_follows_the_service_file(service: Path) -> None:
    """What the worker runs keeps what the file says, at the interval it says."""
    settings = load_settings(Path("tidemill.yaml")).settings
    tables = build_tables(settings)
    maintainer = build_maintainer(settings, tables)
    now = datetime.now(UTC)
    assert [maintainer.due(now), maintainer.due(now + timedelta(minutes=11))] == [False, True]
    maintainer.run()
    assert tables.features.snapshot().dataset().count_rows() == 3
