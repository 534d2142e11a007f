"""`tidemill train --from-buffer`: the labelled events of the tables instead of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.model_project import ModelProject, cancer


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> ModelProject:
    """Return a folder with the breast cancer data; 1 is malignant."""
    project = ModelProject(tmp_path, capsys)
    frame = cancer()
    project.configure(frame, label="target")
    project.write(frame)
    return project


def test_train_from_buffer_learns_from_what_was_loaded(project: ModelProject) -> None:
    """History that was loaded is learnt from, and the manifest names the table versions that were read."""
    project.run("buffer", "load", project.folder / "data.csv")
    trained = project.run("train", "--from-buffer", "--json").json()
    manifest = project.store.manifest(trained["version"])
    assert trained["promoted"]
    assert manifest.metrics["holdout.roc_auc"] > 0.9
    assert manifest.training_data["examples"] == 569
    assert manifest.training_data["tables"]["features"] >= 1


def test_train_from_buffer_takes_at_most_so_many(project: ModelProject) -> None:
    """What is trained on has to fit the memory, so its number can be bounded."""
    project.run("buffer", "load", project.folder / "data.csv")
    trained = project.run("train", "--from-buffer", "--max-examples", "300", "--json").json()
    manifest = project.store.manifest(trained["version"])
    assert manifest.training_data["examples"] == 300


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give a file with --data FILE, or --from-buffer"),
        (("--from-buffer", "--data", "data.csv"), "learn from one of the two"),
        (("--data", "data.csv", "--from", "3d"), "it goes with --from-buffer"),
        (("--from-buffer", "--from", "3"), "--from"),
    ],
)
def test_train_refuses_unclear_sources(project: ModelProject, arguments: tuple[str, ...], told: str) -> None:
    """One source of examples, named clearly."""
    answer = project.run("train", *arguments)
    assert (answer.code, told in answer.err) == (2, True)


def test_train_from_an_empty_buffer_says_what_is_lacking(project: ModelProject) -> None:
    """Nobody is left with a traceback because nothing was buffered yet."""
    answer = project.run("train", "--from-buffer")
    assert answer.code == 3
    assert "there is no table" in answer.err
