from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.cli import run
from service.settings import Settings, load_settings
from tests.support.registry import HttpRegistry

PAYMENT = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "txn", "type": "string"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "last", "type": {"type": "array", "items": "double"}},
        {"name": "fraud", "type": "boolean"},
    ],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path) -> Settings:
    """Return the settings of the file that was written."""
    return load_settings(folder / "tidemill.yaml", environment={}).settings


def test_init_from_a_subject_writes_a_file_for_its_topic(
    folder: Path, registry: HttpRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    """From what writers registered to a service file in one command, with the next ones named."""
    registry.add("pay.features-value", PAYMENT)
    roles = ["--id", "txn", "--label", "fraud", "--length", "last=3"]
    assert run(["init", "--from-subject", "pay.features-value", "--registry", registry.url, *roles]) == 0
    settings = written(folder)
    assert (settings.name, settings.topics.features, settings.features.format) == ("pay", ("pay.features",), "avro")
    assert [(f.name, f.length) for f in settings.feature_schema().fields] == [("amount", None), ("last", 3)]
    assert (settings.labels.inline, settings.features.subjects) == ("fraud", None)
    said = capsys.readouterr().out
    assert all(word in said for word in ("subject pay.features-value, version 1, 2 fields", "classification", "doctor"))


def test_init_from_a_subject_of_another_name_says_so_in_the_file(folder: Path, registry: HttpRegistry) -> None:
    """A subject called as its record does not say which topic it is for."""
    registry.add("bank.Payment", PAYMENT)
    assert run(["init", "--from-subject", "bank.Payment", "--registry", registry.url, "--name", "pay"]) == 0
    settings = written(folder)
    assert (settings.topics.features, settings.features.subjects) == (("bank.Payment",), ("bank.Payment",))


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    """Return how `init` ends with these options, and its one line."""
    code = run(["init", *options])
    (line,) = capsys.readouterr().err.splitlines()
    return code, line


def test_init_answers_a_misspelt_subject_with_the_nearest(
    registry: HttpRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usually it is the topic that was named."""
    registry.add("pay.features-value", PAYMENT)
    code, line = refused(capsys, "--from-subject", "pay.features", "--registry", registry.url)
    assert (code, "did you mean pay.features-value?" in line) == (2, True)


def test_init_ends_with_3_where_the_registry_is_away(
    registry: HttpRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script that waits for it can tell this from other failures."""
    registry.stop()
    code, line = refused(capsys, "--from-subject", "pay", "--registry", registry.url)
    assert (code, registry.url in line) == (3, True)


def test_init_says_of_a_subject_that_is_not_avro_what_to_look_at_instead(
    registry: HttpRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only Avro is decoded by a registered schema."""
    registry.add("pay-value", json.dumps({"type": "object"}), kind="JSON")
    code, line = refused(capsys, "--from-subject", "pay-value", "--registry", registry.url)
    assert (code, "JSON schema" in line, "--from-topic" in line) == (2, True, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "one of --from, --from-subject, --from-topic; nothing is given"),
        (["--from", "a.csv", "--from-topic", "b"], "--from and --from-topic are given"),
        (["--from", "a.csv"], "needs --label"),
        (["--from-subject", "a"], "needs --registry"),
        (["--from-subject", "a", "--registry", "ftp://x"], "schema_registry.url"),
        (["--from-subject", "a", "--length", "x"], "--length x: must be PATH=N"),
        (["--from-topic", "a", "--length", "x=2"], "--from-subject only"),
        (["--from-topic", "a", "--kafka", "group.id=1"], "kafka.group.id"),
    ],
)
def test_init_says_in_one_line_what_it_needs(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is looked at, and nothing written, before the command makes sense."""
    code, line = refused(capsys, *options)
    assert (code, said in line) == (2, True)
    assert not Path("tidemill.yaml").exists()
