"""From an artifact to a live model: opened without pickle, checked against its manifest, tried."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version as installed

from features.schema import FeatureSchema
from models.artifact import MODEL_FILE, SAMPLE_FILE, Artifact
from models.compatibility import check_fits
from models.errors import ArtifactRefused, ModelMismatch
from models.inputs import InputKind
from models.live import LiveModel
from models.manifest import Manifest
from models.sklearn_model import KIND, SklearnModel
from models.skops_format import check_library, load_estimator
from models.trial import Trial, decode_trial, synthetic_trial


def load_model(
    artifact: Artifact, *, trusted_types: Sequence[str] = (), service_schema: FeatureSchema | None = None
) -> LiveModel:
    """Return the model of an artifact whose digests the store has checked, after it scored its trial batch.

    Args:
        artifact: From ``ModelStore.load``.
        trusted_types: Types trusted beside the shipped ones (``model.trusted_types``).
        service_schema: The service's fields; the model then carries them with the service's paths and
            policies. None: the manifest's names and types only, which is enough to score columns.

    Raises:
        ArtifactRefused: Its ``reason`` says which check failed, its text what to do.
    """
    manifest = artifact.manifest
    if manifest.kind != KIND:
        raise ArtifactRefused("format", f"this service cannot load models of kind {manifest.kind!r}, only {KIND!r}")
    if MODEL_FILE not in artifact.files:
        raise ArtifactRefused("format", f"the artifact has no {MODEL_FILE}")
    check_library(manifest.libraries.get("scikit-learn", "unknown"), installed("scikit-learn"))
    try:
        schema = manifest.schema if service_schema is None else check_fits(manifest, service_schema)
        model = _build(artifact.files[MODEL_FILE], manifest, schema=schema, trusted_types=trusted_types)
    except ModelMismatch as error:
        raise ArtifactRefused("mismatch", str(error)) from error
    live = LiveModel(manifest.version, manifest, model, _trial(artifact, schema))
    try:
        live.try_out()
    except ArtifactRefused:
        raise
    except Exception as error:  # whatever the model raises
        raise ArtifactRefused(
            "trial", f"the model fails on its trial batch: {type(error).__name__}: {error}"
        ) from error
    return live


def _build(data: bytes, manifest: Manifest, *, schema: FeatureSchema, trusted_types: Sequence[str]) -> SklearnModel:
    try:
        kind = InputKind(manifest.input)
    except ValueError:
        raise ArtifactRefused("format", f"the manifest's input {manifest.input!r} is not matrix or frame") from None
    model = SklearnModel(
        load_estimator(data, trusted_types=trusted_types),
        schema=schema,
        task=manifest.task,
        input=kind,
        positive=manifest.positive,
        threshold=manifest.threshold,
    )
    if tuple(model.classes) != manifest.classes or model.positive != manifest.positive:
        raise ModelMismatch(
            f"the model has the classes {', '.join(model.classes)}, its manifest says {', '.join(manifest.classes)}"
        )
    return model


def _trial(artifact: Artifact, schema: FeatureSchema) -> Trial:
    data = artifact.files.get(SAMPLE_FILE)
    return synthetic_trial(schema) if data is None else decode_trial(data, schema)
