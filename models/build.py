"""From a fitted model to an artifact that a store can keep."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from importlib.metadata import version as installed
from typing import Any

from features.batch import Column
from models.artifact import MODEL_FILE, REPORT_FILE, SAMPLE_FILE, Artifact, digests_of
from models.inputs import count_rows
from models.manifest import Manifest
from models.sklearn_model import SklearnModel
from models.skops_format import dump_estimator
from models.trial import encode_trial, pick_rows

_LIBRARIES = ("scikit-learn", "numpy", "pandas", "skops")


def build_artifact(  # noqa: PLR0913 - each is a line of the manifest
    model: SklearnModel,
    *,
    name: str,
    created_ms: int,
    sample_columns: Mapping[str, Column] | None = None,
    metrics: Mapping[str, float] | None = None,
    training_data: Mapping[str, Any] | None = None,
    validation: Mapping[str, Any] | None = None,
    parent: str | None = None,
    report_html: str | None = None,
) -> Artifact:
    """Return the model as an artifact without a version; the store gives one when it is published.

    Args:
        model: Fitted.
        name: The model's name, the same for all its versions.
        created_ms: Epoch milliseconds.
        sample_columns: Rows to take the trial batch from (a few are kept, with their scores); None or no
            rows: the model will be tried on made-up rows.
        metrics: Figures of the gate; those that are not finite (undefined on this data) are left out.
        training_data: Where the examples came from: plain JSON values.
        validation: Digest and row count of the validation set: plain JSON values.
        parent: The version this one was learnt from.
        report_html: A report for people.

    Raises:
        ArtifactRefused: ``format``: the model holds something that cannot be stored without pickle.
        Exception: Whatever the model raises when it scores the sample.
    """
    files: dict[str, bytes] = {MODEL_FILE: dump_estimator(model.estimator)}
    if sample_columns is not None and count_rows(sample_columns, model.schema) > 0:
        rows = pick_rows(sample_columns, model.schema)
        files[SAMPLE_FILE] = encode_trial(rows, scores=model.score_many(rows).score, schema=model.schema)
    if report_html is not None:
        files[REPORT_FILE] = report_html.encode()
    manifest = Manifest(
        name=name,
        kind=model.kind,
        task=model.task,
        schema=model.schema,
        input=model.input.value,
        created_ms=created_ms,
        classes=tuple(model.classes),
        positive=model.positive,
        threshold=model.threshold,
        parent=parent,
        digests=digests_of(files),
        metrics={key: float(value) for key, value in (metrics or {}).items() if math.isfinite(value)},
        training_data=dict(training_data or {}),
        validation=dict(validation or {}),
        libraries={"python": platform.python_version(), **{library: installed(library) for library in _LIBRARIES}},
    )
    return Artifact(manifest, files)
