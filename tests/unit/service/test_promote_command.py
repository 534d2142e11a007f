"""`tidemill models promote|rollback|list|show` through the command line."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from models.errors import AliasMoved
from models.file_store import FileModelStore
from models.store import CHAMPION
from tests.support.model_project import ModelProject, cancer


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> ModelProject:
    """Return a folder with a champion v1 and two more versions, v2 (good) and v3 (below the floor)."""
    project = ModelProject(tmp_path, capsys)
    frame = cancer()
    project.configure(frame, label="target")
    data = project.write(frame[:400])
    project.write(frame[400:], "later.csv")
    assert project.run("train", "--data", data, "--estimator", "logistic").last == "v1"
    assert project.run("train", "--data", data, "--estimator", "logistic", "--no-promote").last == "v2"
    project.configure(frame, label="target", validation={"floor": {"roc_auc": 1.0}})
    assert project.run("train", "--data", data).last == "v3"
    project.configure(frame, label="target")
    return project


def test_promote_takes_what_passed_the_gate_beside_this_champion(project: ModelProject) -> None:
    """The recorded verdict is enough as long as it speaks of the present champion."""
    answer = project.run("models", "promote", "v2")
    assert (answer.code, answer.last) == (0, "promoted v2 in place of v1")
    assert (project.store.alias(CHAMPION), project.log[-1].details["previous"]) == ("v2", "v1")


def test_promote_refuses_what_the_gate_rejected(project: ModelProject) -> None:
    """The reason is repeated with the two ways out, and the champion stays."""
    answer = project.run("models", "promote", "v3")
    assert (answer.code, project.store.alias(CHAMPION)) == (1, "v1")
    assert "v3 did not pass the gate: floor: roc_auc" in answer.err
    assert "--force --reason" in answer.err


def test_promote_by_force_shows_who_and_why_for_ever(project: ModelProject) -> None:
    """A version that no gate let pass is marked in list and show with a name and a reason."""
    assert project.run("models", "promote", "v3", "--force", "--reason", "drill").code == 0
    listed = {row["version"]: row for row in project.run("models", "list", "--json").json()}
    assert (listed["v3"]["alias"], listed["v2"]["note"]) == ("champion", None)
    assert listed["v3"]["note"].startswith(f"forced by {getpass.getuser()}@")
    assert listed["v3"]["note"].endswith(": drill")
    shown = project.run("models", "show", "v3").out
    assert "gate: FAILED" in shown
    assert "forced" in shown.splitlines()[-1]


@pytest.mark.parametrize("reason", [(), ("--reason", " ")])
def test_promote_by_force_needs_a_reason(project: ModelProject, reason: tuple[str, ...]) -> None:
    """Nobody forces anything without saying why."""
    answer = project.run("models", "promote", "v3", "--force", *reason)
    assert (answer.code, "--force needs --reason" in answer.err) == (2, True)
    assert project.store.alias(CHAMPION) == "v1"


def test_promote_judges_again_when_the_champion_is_another(project: ModelProject) -> None:
    """A verdict beside v1 says nothing about v3; labelled rows decide, and the verdict is recorded."""
    project.run("models", "promote", "v3", "--force", "--reason", "drill")
    stale = project.run("models", "promote", "v2")
    assert (stale.code, "judged beside v1, and now the champion is v3" in stale.err) == (1, True)
    answer = project.run("models", "promote", "v2", "--data", project.folder / "later.csv")
    assert (answer.code, project.store.alias(CHAMPION)) == (0, "v2")
    assert project.log[-1].details["gate"]["champion_version"] == "v3"


def test_promote_judges_on_the_validation_set_of_the_service_file(project: ModelProject) -> None:
    """Where a pre-defined set is named, nobody needs to name it again."""
    project.run("models", "promote", "v3", "--force", "--reason", "drill")
    project.configure(cancer(), label="target", validation={"uri": "later.csv"})
    assert project.run("models", "promote", "v2").code == 0


def test_promote_refuses_to_judge_on_the_training_data(project: ModelProject) -> None:
    """A model knows its own examples by heart."""
    answer = project.run("models", "promote", "v3", "--data", project.folder / "data.csv")
    assert (answer.code, "was learnt from" in answer.err) == (2, True)


def test_promote_refuses_a_model_that_does_not_fit_even_by_force(project: ModelProject) -> None:
    """No worker could load it: the fields of the service file are not those of the model."""
    project.configure(cancer().drop(columns="mean_area"), label="target")
    answer = project.run("models", "promote", "v2", "--force", "--reason", "because")
    assert (answer.code, "mean_area (double) is not in features.fields" in answer.err) == (1, True)


def test_promote_refuses_a_score_of_the_other_class(project: ModelProject) -> None:
    """A service file that says otherwise would have every reader take high for low."""
    project.configure(cancer(), label="target", model={"positive": "0"})
    answer = project.run("models", "promote", "v2", "--force", "--reason", "because")
    assert (answer.code, "probability of '1', model.positive says '0'" in answer.err) == (1, True)


def test_promote_changes_nothing_when_somebody_was_faster(
    project: ModelProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people promoting at once: the second is told, and no decision is recorded that did not happen."""
    before = project.events
    original = FileModelStore.set_alias

    def overtaken(self: FileModelStore, name: str, version: str, *, expected: str | None) -> None:
        original(self, name, "v3", expected=expected)
        original(self, name, version, expected=expected)

    monkeypatch.setattr(FileModelStore, "set_alias", overtaken)
    answer = project.run("models", "promote", "v2")
    assert (answer.code, "somebody else was faster" in answer.err) == (1, True)
    assert (project.store.alias(CHAMPION), project.events) == ("v3", before)


def test_train_tells_when_somebody_was_faster(project: ModelProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new version is stored, and the line says how to go on."""

    def taken(*_: object, **__: object) -> None:
        raise AliasMoved("champion points to v9")

    monkeypatch.setattr(FileModelStore, "set_alias", taken)
    answer = project.run("train", "--data", project.folder / "data.csv", "--estimator", "logistic")
    assert (answer.code, "v4 is stored but not promoted" in answer.err) == (1, True)


def test_promote_of_the_champion_says_so(project: ModelProject) -> None:
    """Asking twice is no error and no second entry in the log."""
    before = project.events
    answer = project.run("models", "promote", "v1")
    assert (answer.code, answer.last, project.events) == (0, "v1 is the champion already", before)


def test_rollback_goes_back_step_by_step(project: ModelProject) -> None:
    """Twice rolled back is two versions back, and at the beginning it says so."""
    project.run("models", "promote", "v2")
    project.run("models", "promote", "v3", "--force", "--reason", "drill")
    answers = [project.run("models", "rollback").code for _ in range(3)]
    assert (answers, project.store.alias(CHAMPION)) == ([0, 0, 1], "v1")
    assert project.events[-2:] == [("rolled_back", "v2"), ("rolled_back", "v1")]


def test_rollback_to_a_version_needs_it_to_have_been_champion(project: ModelProject) -> None:
    """Rolling back is no way around the gate."""
    answer = project.run("models", "rollback", "--to", "v3")
    assert (answer.code, "v3 was never champion" in answer.err, project.store.alias(CHAMPION)) == (2, True, "v1")


def test_rollback_to_a_named_champion_records_the_reason(project: ModelProject) -> None:
    """Who went back, where to and why stands in the log."""
    project.run("models", "promote", "v2")
    assert project.run("models", "rollback", "--to", "v1", "--reason", "v2 is slow").code == 0
    assert (project.log[-1].event, project.log[-1].reason) == ("rolled_back", "v2 is slow")


def test_list_of_an_empty_store_says_how_to_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer is told the next step; a program gets an empty list."""
    project = ModelProject(tmp_path, capsys)
    project.configure(cancer(), label="target")
    assert "tidemill train" in project.run("models", "list").out
    assert project.run("models", "list", "--json").json() == []


def test_list_shows_a_damaged_version_as_such(project: ModelProject) -> None:
    """One damaged manifest does not hide the other versions."""
    (project.folder / "model-store/trial/versions/v2/manifest.json").write_text("{")
    listed = project.run("models", "list", "--json").json()
    assert [row["version"] for row in listed] == ["v1", "v2", "v3"]
    assert "manifest.json is not JSON" in listed[1]["note"]


def test_show_of_an_unknown_version_is_wrong_usage(project: ModelProject) -> None:
    """The line names the store that was looked in."""
    answer = project.run("models", "show", "v9")
    assert (answer.code, "no version v9" in answer.err) == (2, True)
