from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from service.cli import run
from service.settings_yaml import read_yaml

CSV = "txn,amount,country,is_fraud\n" + "".join(
    f"t{n},{n}.5,{'DE' if n % 2 else 'NO'},{'fraud' if n % 5 == 0 else 'ok'}\n" for n in range(50)
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with a labelled file in it."""
    (tmp_path / "cards.csv").write_text(CSV)
    monkeypatch.chdir(tmp_path)
    return tmp_path


INIT = ["init", "--from", "cards.csv", "--label", "is_fraud", "--id", "txn"]


def test_init_writes_a_file_that_loads_and_says_what_it_decided(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a CSV to a service file in one command, with the next ones named."""
    assert run(INIT) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("50 rows", "'fraud'", "tidemill train", "topics create", "publish cards.csv"))
    data = read_yaml(folder / "tidemill.yaml").data
    assert [field["name"] for field in data["features"]["fields"]] == ["amount", "country"]
    assert (data["name"], data["labels"], data["model"]["positive"]) == ("cards", {"inline": "is_fraud"}, "fraud")
    assert run(["config", "show"]) == 0


def test_init_keeps_a_file_that_is_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person has corrected is replaced only when they say so."""
    (folder / "tidemill.yaml").write_text("mine")
    assert run(INIT) == 2
    assert ((folder / "tidemill.yaml").read_text(), "--force" in capsys.readouterr().err) == ("mine", True)
    assert run([*INIT, "--force"]) == 0
    assert (folder / "tidemill.yaml").read_text() != "mine"


def test_init_for_avro_writes_the_schema_beside_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``publish`` and ``score`` need the schema that events are written with."""
    assert run([*INIT, "--format", "avro", "--name", "paid", "service"]) == 0
    capsys.readouterr()
    assert run(["config", "schema", "--feature", "-c", "service/tidemill.yaml"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((folder / "service" / "events.avsc").read_text())


def test_config_show_gives_value_and_origin_and_hides_secrets(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is in force, and why; never a password."""
    run(INIT)
    monkeypatch.setenv("TIDEMILL_KAFKA__SASL_PASSWORD", "hush-hush")
    capsys.readouterr()
    assert run(["config", "show", "--json"]) == 0
    out = capsys.readouterr().out
    shown = json.loads(out)
    assert "hush-hush" not in out
    assert shown["kafka.sasl.password"] == {"value": "******", "origin": "environment TIDEMILL_KAFKA__SASL_PASSWORD"}
    assert shown["batch.linger"] == {"value": "5ms", "origin": "default"}
    assert shown["name"]["origin"].startswith("tidemill.yaml:")


def test_config_schema_fits_what_init_writes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An editor can check the file; it needs no file to print the schema."""
    assert run(["config", "schema", "-c", "nowhere.yaml"]) == 0
    schema = json.loads(capsys.readouterr().out)
    run(INIT)
    jsonschema.validate(read_yaml(folder / "tidemill.yaml").data, schema)


def test_config_schema_of_a_score_has_the_passthrough_fields(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Readers generate their classes from it."""
    run(INIT)
    with (folder / "tidemill.yaml").open("a") as file:
        file.write("output: {passthrough: [country]}\n")
    capsys.readouterr()
    assert run(["config", "schema", "--score"]) == 0
    names = [field["name"] for field in json.loads(capsys.readouterr().out)["fields"]]
    assert {"score", "model_version", "country"} <= set(names)


def test_config_schema_of_a_label_has_the_paths_of_the_service_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever sends labels sees what a record of theirs is, in their own words."""
    run(INIT)
    text = (folder / "tidemill.yaml").read_text()
    (folder / "tidemill.yaml").write_text(
        text.replace("labels:\n", "labels:\n  id: txn\n  label: status\n  time: at\n")
    )
    capsys.readouterr()
    assert run(["config", "schema", "--label"]) == 0
    types = {field["name"]: field["type"] for field in json.loads(capsys.readouterr().out)["fields"]}
    assert (types["txn"], types["at"]["logicalType"]) == ("string", "timestamp-millis")
    assert types["status"] == ["null", "boolean", "long", "double", "string"]


def test_config_schema_prints_one_schema_at_a_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two in one output would be no schema."""
    run(INIT)
    assert run(["config", "schema", "--label", "--score"]) == 2
    assert "ask for one at a time" in capsys.readouterr().err
