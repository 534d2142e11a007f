"""`tidemill train` through the command line, on real data."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.batch import Column
from models.artifact import REPORT_FILE
from models.loading import load_model
from tests.support.model_project import ModelProject, cancer, diabetes


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> ModelProject:
    """Return a folder with the breast cancer data; 1 is malignant."""
    project = ModelProject(tmp_path, capsys)
    project.configure(cancer(), label="target")
    project.write(cancer())
    return project


def columns_of(frame: pd.DataFrame) -> dict[str, Column]:
    """Return the numeric columns of a frame."""
    return {str(name): frame[name].to_numpy(dtype=np.float64) for name in frame.columns if name not in ("id", "target")}


def test_train_makes_the_first_champion_and_prints_its_version_last(project: ModelProject) -> None:
    """569 rows are enough for a first model, and a script finds the version in the last line."""
    answer = project.run("train", "--data", project.folder / "data.csv")
    assert (answer.code, answer.last, project.store.alias("champion")) == (0, "v1", "v1")
    assert project.events == [("published", "v1"), ("promoted", "v1")]


def test_train_stores_where_the_model_came_from(project: ModelProject) -> None:
    """Every version names exactly the data it saw, how it was judged, and carries its report."""
    project.run("train", "--data", project.folder / "data.csv", "--estimator", "logistic", "--seed", "5")
    artifact = project.store.load("v1")
    digest = hashlib.sha256((project.folder / "data.csv").read_bytes()).hexdigest()
    learnt = {key: artifact.manifest.training_data[key] for key in ("file", "sha256", "rows", "learnt", "estimator")}
    assert learnt == {"file": "data.csv", "sha256": digest, "rows": 569, "learnt": 456, "estimator": "logistic"}
    assert (artifact.manifest.validation["rule"], artifact.manifest.validation["examples"]) == ("stratified", 113)
    assert artifact.manifest.metrics["holdout.roc_auc"] > 0.9
    assert artifact.files[REPORT_FILE].startswith(b"<!DOCTYPE html>")


def test_train_is_repeatable(project: ModelProject) -> None:
    """The same data, estimator and seed give the same scores."""
    for _ in range(2):
        assert project.run("train", "--data", project.folder / "data.csv", "--no-promote").code == 0
    columns = columns_of(cancer())
    first, second = (load_model(project.store.load(v)).model.score_many(columns).score for v in ("v1", "v2"))
    np.testing.assert_array_equal(first, second)


def test_train_without_promotion_leaves_the_champion_alone(project: ModelProject) -> None:
    """A model can be looked at before it scores anything."""
    answer = project.run("train", "--data", project.folder / "data.csv", "--no-promote", "--json").json()
    assert (answer["version"], answer["promoted"], answer["gate"]["promote"]) == ("v1", False, True)
    assert project.store.alias("champion") is None


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--fail-on-reject",), 1)])
def test_train_stores_what_the_gate_rejects(project: ModelProject, flags: tuple[str, ...], code: int) -> None:
    """A worse candidate is kept with its report; whether that fails a pipeline is the user's choice."""
    project.configure(cancer(), label="target", validation={"floor": {"roc_auc": 1.0}})
    answer = project.run("train", "--data", project.folder / "data.csv", *flags)
    assert (answer.code, answer.last, project.store.alias("champion")) == (code, "v1", None)
    assert "not promoted: roc_auc" in answer.out
    assert project.events == [("published", "v1"), ("rejected", "v1")]


def test_train_judges_the_candidate_beside_the_champion(project: ModelProject) -> None:
    """A clearly worse second model does not replace the first."""
    project.run("train", "--data", project.folder / "data.csv", "--estimator", "logistic")
    spoiled = cancer()
    spoiled.loc[:450, "target"] = np.random.default_rng(0).permutation(spoiled.loc[:450, "target"])
    validation = project.write(cancer().iloc[450:], "validation.csv")
    answer = project.run("train", "--data", project.write(spoiled[:450], "spoiled.csv"), "--validation", validation)
    assert "the champion has" in answer.out
    assert project.store.alias("champion") == "v1"
    assert project.store.manifest("v2").parent == "v1"
    assert project.store.manifest("v2").validation["rule"] == "given"


def test_train_refuses_to_judge_on_what_it_learns_from(project: ModelProject) -> None:
    """A validation set that is the training set proves nothing."""
    data = project.folder / "data.csv"
    answer = project.run("train", "--data", data, "--validation", data)
    assert (answer.code, "other examples" in answer.err) == (2, True)


def test_train_asks_which_class_is_positive_and_scores_that_one(project: ModelProject) -> None:
    """Of 'fraud' and 'legit' the second in the alphabet is not what is looked for: never guessed, never inverted."""
    frame = cancer(names=("fraud", "legit"))
    project.configure(frame, label="target")
    data = project.write(frame)
    refused = project.run("train", "--data", data)
    assert (refused.code, "model.positive: fraud" in refused.err, project.store.versions()) == (2, True, [])
    assert project.run("train", "--data", data, "--positive", "fraud").code == 0
    score = load_model(project.store.load("v1")).model.score_many(columns_of(frame)).score
    assert score[frame["target"] == "fraud"].mean() > 0.8
    assert score[frame["target"] == "legit"].mean() < 0.2


def test_train_tells_the_rows_it_leaves_out(project: ModelProject) -> None:
    """Bad rows are counted by reason and shown by line; they do not stop the training."""
    frame = cancer().astype({"mean_area": object})
    frame.loc[[3, 7], "mean_area"] = "wide"
    frame.loc[9, "mean_area"] = None
    answer = project.run("train", "--data", project.write(frame))
    assert answer.code == 0
    assert "left out 3 of 569 rows (wrong_type 2, missing 1)" in answer.err
    assert "line 5: " in answer.err
    assert project.store.manifest("v1").training_data["rejected"] == 3


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("mean_area", "wide", "more than half"), ("target", "1", "a classifier needs two classes")],
)
def test_train_fails_where_there_is_nothing_to_learn(
    project: ModelProject, column: str, value: str, message: str
) -> None:
    """A file that does not belong to the service file, or knows one class, makes no version."""
    answer = project.run("train", "--data", project.write(cancer().assign(**{column: value})))
    assert (answer.code, message in answer.err, project.store.versions()) == (1, True, [])


def test_train_fits_a_regression(project: ModelProject) -> None:
    """The label is a number, the default metric its error, and the score the value itself."""
    project.configure(diabetes(), label="target", model={"task": "regression"}, features={"id": None})
    answer = project.run("train", "--data", project.write(diabetes()), "--json").json()
    assert (answer["promoted"], answer["gate"]["metric"]) == (True, "rmse")
    assert answer["gate"]["candidate"]["rmse"] < 0.85 * answer["gate"]["constant"]["rmse"]


def test_train_takes_text_columns_and_nulls(project: ModelProject) -> None:
    """A text field and a field that keeps its nulls need no work of the user's."""
    frame = cancer()
    frame["size"] = np.where(frame["mean_radius"] > 14, "large", "small")
    frame.loc[::10, "mean_texture"] = np.nan
    fields = [
        {"name": "size", "type": "string"},
        {"name": "texture", "from": "mean_texture", "type": "double", "null": "keep"},
    ]
    project.configure(frame, label="target", features={"fields": fields})
    assert project.run("train", "--data", project.write(frame)).code == 0
    manifest = project.store.manifest("v1")
    assert (manifest.input, manifest.schema.names) == ("frame", ("size", "texture"))


def test_train_splits_by_time_where_the_file_has_times(project: ModelProject) -> None:
    """With event times the latest fifth is judged on."""
    frame = cancer().assign(at=[f"2026-01-01T00:{i // 60:02d}:{i % 60:02d}Z" for i in range(569)])
    project.configure(
        frame.drop(columns="at"), label="target", features={"time": "at"}, promotion={"metric": "roc_auc"}
    )
    project.run("train", "--data", project.write(frame))
    assert project.store.manifest("v1").validation["rule"] == "time"


FACTORY = """
from sklearn.ensemble import ExtraTreesClassifier
def trees(task, schema):
    return ExtraTreesClassifier(10, random_state=0)
"""


def test_train_takes_an_estimator_of_the_users(project: ModelProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A factory in plugins.path is found, fitted on named columns, and stored."""
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    (project.folder / "trial_estimators.py").write_text(FACTORY)
    project.configure(cancer(), label="target", plugins={"path": "."})
    answer = project.run("train", "--data", project.folder / "data.csv", "--estimator", "trial_estimators:trees")
    assert (answer.code, project.store.manifest("v1").input) == (0, "frame")


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        ("features:make", "package 'features' of its own"),
        ("learning.x:make", "package 'learning' of its own"),
        ("no_such_module:make", "no module 'no_such_module'"),
        ("sdg", "choose one of sgd, logistic, forest, boosting"),
    ],
)
def test_train_refuses_an_estimator_it_cannot_have(project: ModelProject, estimator: str, message: str) -> None:
    """A name of ours would silently import our package; every refusal is wrong usage and says why."""
    answer = project.run("train", "--data", project.folder / "data.csv", "--estimator", estimator)
    assert (answer.code, message in answer.err) == (2, True)


def test_train_refuses_a_metric_of_the_other_task_before_reading(project: ModelProject) -> None:
    """A mistake in the service file is told at once."""
    project.configure(cancer(), label="target", promotion={"metric": "rmse"})
    answer = project.run("train", "--data", project.folder / "not-there.csv")
    assert (answer.code, "'rmse' does not judge a classification" in answer.err) == (2, True)
