from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from service import cli
from service.cli import run, shared_options_first

ROOT = Path(cli.__file__).parent.parent
SLOW = {"numpy", "pandas", "sklearn", "scipy", "skops", "pyarrow", "confluent_kafka", "fastavro", "pydantic", "msgspec"}


def tidemill(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, started in a folder."""
    command = [sys.executable, "-X", "importtime", "-m", "service", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_help_imports_nothing_slow(tmp_path: Path) -> None:
    """Help answers at once because slow libraries are imported inside commands only."""
    done = tidemill("--help", folder=ROOT)
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "doctor" in done.stdout
    assert "typer" in imported
    assert imported & SLOW == set()


def test_commands_use_our_packages_beside_foreign_ones_of_the_same_name(tmp_path: Path) -> None:
    """A user's repository often has ``models`` and ``features`` of its own."""
    for name in ("models", "features", "consumer"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('foreign')\n")
    done = tidemill("config", "schema", folder=tmp_path)
    assert (done.returncode, "foreign" in done.stderr) == (0, False)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["frobnicate"], 2, "No such command 'frobnicate'"),
        (["doctor", "--frob"], 2, "see 'tidemill doctor --help'"),
        (["init"], 2, "one of --from, --from-subject, --from-topic"),
        (["tail", "score"], 2, "Invalid value for 'stream': 'score' is not one of"),
        (["-c", "/nowhere/tidemill.yaml", "config", "show"], 2, "tidemill init"),
        (["config", "show", "-c", "/nowhere/tidemill.yaml"], 2, "/nowhere/tidemill.yaml: no such file"),
    ],
)
def test_run_tells_an_error_in_one_line(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every error is one line on stderr, with an exit code that says of which kind it is."""
    assert run(arguments) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("error: ")
    assert message in err


def test_run_shows_the_traceback_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """``--debug`` may stand before or after the command."""
    run(["config", "show", "-c", "/nowhere", "--debug"])
    assert "Traceback" in capsys.readouterr().err


def test_run_without_a_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer types the name alone first."""
    assert (run([]), "topics" in capsys.readouterr().out) == (0, True)


def test_run_is_quiet_about_an_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C is no error."""

    def interrupt(context: typer.Context) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("service.cli_project.load_with_origins", interrupt)
    assert run(["config", "show"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["train", "-c", "a", "--data", "x"], ["-c", "a", "train", "--data", "x"]),
        (["--debug", "train", "--config=a"], ["--debug", "--config=a", "train"]),
        (["train", "--", "-c", "a"], ["train", "--", "-c", "a"]),
        (["train", "-c"], ["-c", "train"]),
    ],
)
def test_shared_options_first_moves_only_the_shared_ones(given: list[str], expected: list[str]) -> None:
    """People write ``-c`` on either side of the command."""
    assert shared_options_first(given) == expected


def test_publish_without_a_broker_says_so_in_one_line(tmp_path: Path) -> None:
    """The client's own complaints are not shown beside the error, which says what to do."""
    fields = [{"name": "x", "type": "double"}]
    data = {"name": "fraud", "kafka": {"bootstrap.servers": "127.0.0.1:1"}, "features": {"id": "i", "fields": fields}}
    (tmp_path / "tidemill.yaml").write_text(json.dumps(data))
    (tmp_path / "events.csv").write_text("i,x\na,1\n")
    done = tidemill("publish", "events.csv", folder=tmp_path)
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert (done.returncode, done.stdout) == (3, "")
    assert said == ["error: topic fraud.features: no Kafka broker answers; run 'tidemill doctor'"]
