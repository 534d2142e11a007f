from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from features.schema import FeatureSchema, Field, FieldType, NullPolicy
from models.artifact import MODEL_FILE, REPORT_FILE, SAMPLE_FILE, Artifact
from models.build import build_artifact
from models.errors import ArtifactRefused
from models.loading import load_model
from models.trial import encode_trial
from tests.support.models import a_model, an_artifact, number_columns, number_schema, schema_of


def refusal(artifact: Artifact, **settings: Any) -> ArtifactRefused:
    """Return how loading was refused."""
    with pytest.raises(ArtifactRefused) as caught:
        load_model(artifact, **settings)
    return caught.value


def test_loaded_model_scores_as_the_one_that_was_built() -> None:
    """What was judged is what scores."""
    model, columns = a_model(), number_columns(50, seed=9)
    live = load_model(replace_version(an_artifact(model), "v3"))
    assert (live.version, live.model.classes, live.model.task) == ("v3", ("0", "1"), model.task)
    assert np.array_equal(live.model.score_many(columns).score, model.score_many(columns).score)


def replace_version(artifact: Artifact, version: str) -> Artifact:
    """Return the artifact as a store gives it."""
    return Artifact(replace(artifact.manifest, version=version), artifact.files)


def test_live_model_can_be_tried_again() -> None:
    """The worker asks this of a model that fails on a batch: is it the batch or the model?"""
    live = load_model(an_artifact())
    assert live.try_out().score.shape == (32,)


def test_manifest_says_what_the_model_is() -> None:
    """Everything that can be known without opening the model is in its manifest."""
    artifact = build_artifact(
        a_model(),
        name="fraud",
        created_ms=5,
        sample_columns=number_columns(),
        metrics={"holdout.auc": 0.9, "holdout.log_loss": float("nan")},
        training_data={"rows": 120},
        parent="v1",
        report_html="<p>good</p>",
    )
    manifest = artifact.manifest
    assert set(manifest.digests) == {MODEL_FILE, SAMPLE_FILE, REPORT_FILE} == set(artifact.files)
    assert (manifest.input, manifest.classes, manifest.positive) == ("matrix", ("0", "1"), "1")
    assert manifest.metrics == {"holdout.auc": 0.9}
    assert (manifest.parent, manifest.training_data, manifest.created_ms) == ("v1", {"rows": 120}, 5)
    assert set(manifest.libraries) >= {"python", "scikit-learn", "numpy", "skops"}


def test_model_carries_the_services_paths_and_policies() -> None:
    """The manifest knows names and types; where a field is in an event is the service's to say."""
    ours = tuple(replace(f, source=f"payment.{f.name}", minimum=-9.0) for f in number_schema().fields)
    further = Field("country", FieldType.STRING, "country", null=NullPolicy.KEEP)
    live = load_model(an_artifact(), service_schema=FeatureSchema((further, *ours)))
    assert live.model.schema.fields == ours


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "onnx"}, "format"),
        ({"input": "tensor"}, "format"),
        ({"libraries": {"scikit-learn": "0.24.2"}}, "version"),
        ({"libraries": {}}, "version"),
        ({"classes": ("1", "0")}, "mismatch"),
        ({"positive": "fraud"}, "mismatch"),
        ({"threshold": 7.0}, "mismatch"),
        ({"schema": number_schema().subset(["amount", "hour"])}, "mismatch"),
    ],
)
def test_manifest_that_does_not_fit_its_model_is_refused(changes: dict[str, Any], reason: str) -> None:
    """Scores under a wrong description are worse than none."""
    assert refusal(an_artifact(**changes)).reason == reason


def test_model_that_does_not_fit_the_service_is_refused() -> None:
    """The line names every field that is absent or of another type."""
    service = schema_of(("amount", FieldType.DOUBLE), ("hour", FieldType.INT))
    error = refusal(an_artifact(), service_schema=service)
    assert error.reason == "mismatch"
    assert "hour is double in the model and int in features.fields" in str(error)
    assert "age (double) is not in features.fields" in str(error)


def test_length_of_a_sequence_is_part_of_its_type() -> None:
    """A model of twenty last amounts cannot take ten."""
    service = schema_of(("amount", FieldType.DOUBLE, 3), ("hour", FieldType.DOUBLE), ("age", FieldType.DOUBLE))
    error = refusal(an_artifact(), service_schema=service)
    assert "amount is double in the model and double[3] in features.fields" in str(error)


def test_artifact_without_its_model_is_refused() -> None:
    """An empty version says what it lacks."""
    assert MODEL_FILE in str(refusal(Artifact(an_artifact().manifest, {})))


def test_model_that_scores_otherwise_than_stored_is_refused() -> None:
    """Another model file under this manifest is found by its scores."""
    artifact, other = an_artifact(a_model(steepness=1.0)), an_artifact(a_model(steepness=0.01))
    mixed = Artifact(artifact.manifest, {**artifact.files, MODEL_FILE: other.files[MODEL_FILE]})
    assert refusal(mixed).reason == "trial"


def test_model_that_fails_on_its_trial_batch_is_refused() -> None:
    """A model that raises on its own rows would turn every event into a dead letter."""
    columns = {name: np.array([np.nan]) for name in number_schema().names}
    rows = encode_trial(columns, scores=np.array([0.5]), schema=number_schema())
    artifact = an_artifact()
    error = refusal(Artifact(artifact.manifest, {**artifact.files, SAMPLE_FILE: rows}))
    assert (error.reason, "NaN" in str(error)) == ("trial", True)


def test_artifact_without_rows_is_tried_on_made_up_ones() -> None:
    """A model imported without data is still asked once before it goes live."""
    artifact = build_artifact(a_model(), name="fraud", created_ms=1)
    assert SAMPLE_FILE not in artifact.files
    assert load_model(artifact).try_out().score.shape == (3,)
