"""`tidemill models import` through the command line."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.loading import load_model
from models.store import CHAMPION
from tests.support.model_project import ModelProject, cancer

FRAME = cancer()
FIELDS = FRAME.drop(columns=["id", "target"])
PIPELINE = make_pipeline(StandardScaler(), LogisticRegression()).fit(FIELDS[:400], FRAME["target"][:400].astype(int))


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> ModelProject:
    """Return a folder with an empty store, a model file of either kind, and rows it was not fitted on."""
    project = ModelProject(tmp_path, capsys)
    project.configure(FRAME, label="target")
    project.write(FRAME[400:], "sample.csv")
    joblib.dump(PIPELINE, tmp_path / "model.joblib")
    skops.io.dump(PIPELINE, tmp_path / "model.skops")
    return project


@pytest.mark.parametrize("arguments", [("model.skops",), ("model.joblib", "--unsafe-pickle")])
def test_import_keeps_the_model_as_it_was(project: ModelProject, arguments: tuple[str, ...]) -> None:
    """A pipeline fitted elsewhere scores here as it did there, and is not champion unless asked for."""
    file, *flags = arguments
    answer = project.run("models", "import", project.folder / file, *flags, "--data", project.folder / "sample.csv")
    assert (answer.code, answer.last, project.store.alias(CHAMPION)) == (0, "v1", None)
    columns = {str(name): FIELDS[name].to_numpy() for name in FIELDS.columns}
    score = load_model(project.store.load("v1")).model.score_many(columns).score
    np.testing.assert_allclose(score, PIPELINE.predict_proba(FIELDS)[:, 1], rtol=0, atol=1e-12)


def test_import_of_a_pickle_needs_leave(project: ModelProject) -> None:
    """Opening a pickle runs code, so it is never done by default."""
    answer = project.run("models", "import", project.folder / "model.joblib")
    assert (answer.code, "add --unsafe-pickle" in answer.err, project.store.versions()) == (2, True, [])


def test_import_with_labelled_rows_is_judged_and_promoted(project: ModelProject) -> None:
    """The gate holds for a model from elsewhere too, and what it found is in the manifest."""
    answer = project.run(
        "models", "import", project.folder / "model.skops", "--data", project.folder / "sample.csv", "--promote"
    )
    assert (answer.code, project.store.alias(CHAMPION)) == (0, "v1")
    manifest = project.store.manifest("v1")
    assert manifest.metrics["holdout.roc_auc"] > 0.9
    assert manifest.training_data["imported"] == "model.skops"
    assert "report.html" in manifest.digests


def test_import_without_labels_is_not_promoted_by_itself(project: ModelProject) -> None:
    """Rows without labels try the model but do not judge it; it is stored, and the exit code tells."""
    sample = project.write(FRAME.drop(columns="target"), "unlabelled.csv")
    answer = project.run("models", "import", project.folder / "model.skops", "--data", sample, "--promote")
    assert (answer.code, answer.last, project.store.alias(CHAMPION)) == (1, "v1", None)
    assert "it was not judged" in answer.out


def test_import_by_force_is_recorded_and_shown(project: ModelProject) -> None:
    """An unjudged champion carries the name of whoever wanted it."""
    answer = project.run("models", "import", project.folder / "model.skops", "--force", "--reason", "first day")
    assert (answer.code, project.store.alias(CHAMPION)) == (0, "v1")
    assert "first day" in project.run("models", "list").out
    assert project.events == [("published", "v1"), ("forced", "v1")]


def test_promote_of_an_import_needs_a_judgement(project: ModelProject) -> None:
    """An imported version was never judged: labelled rows do that later."""
    project.run("models", "import", project.folder / "model.skops")
    refused = project.run("models", "promote", "v1")
    assert (refused.code, "v1 was never judged" in refused.err) == (1, True)
    judged = project.run("models", "promote", "v1", "--data", project.folder / "sample.csv")
    assert (judged.code, project.store.alias(CHAMPION)) == (0, "v1")


def test_import_refuses_a_model_of_other_fields(project: ModelProject) -> None:
    """The service file does not carry what the model needs: the field is named and nothing is stored."""
    project.configure(FRAME.drop(columns="mean_area"), label="target")
    answer = project.run("models", "import", project.folder / "model.skops")
    assert (answer.code, "mean_area" in answer.err, project.store.versions()) == (1, True, [])


def test_import_says_how_a_field_gets_the_name_the_model_knows(project: ModelProject) -> None:
    """Who fitted on the columns of a nested file has paths where the service file has names."""
    content = (project.folder / "tidemill.yaml").read_text()
    renamed = content.replace("name: mean_area", "name: area\n    from: mean_area")
    (project.folder / "tidemill.yaml").write_text(renamed)
    answer = project.run("models", "import", project.folder / "model.skops")
    assert (answer.code, "write 'name: mean_area'" in answer.err) == (1, True)


def test_import_of_no_file_is_wrong_usage(project: ModelProject) -> None:
    """A misspelt path is told with the path."""
    answer = project.run("models", "import", "nowhere.skops")
    assert (answer.code, answer.err) == (2, "error: there is no file nowhere.skops\n")
