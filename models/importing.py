"""Models trained elsewhere: a file in, an artifact that this service can load out."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.batch import Column
from models.artifact import MAX_ARTIFACT_BYTES, Artifact
from models.base import Scores
from models.build import build_artifact
from models.checks import check_model
from models.errors import ArtifactRefused, ModelMismatch
from models.estimators import needed_columns, task_of
from models.fields_of import fields_of
from models.import_options import ImportOptions
from models.import_process import DEFAULT_TIMEOUT, convert_pickle
from models.loading import load_model
from models.sklearn_model import SklearnModel
from models.skops_format import check_container, load_estimator, refuse_untrusted, untrusted_types
from models.trial import TOLERANCE, are_close, pick_rows, synthetic_trial

PICKLE_SUFFIXES = (".joblib", ".pkl", ".pickle")
MAX_SAMPLE_ROWS = 1000  # rows that the predictions before and after are compared on


@dataclass(frozen=True, slots=True)
class ImportResult:
    """An imported model.

    Attributes:
        artifact: Ready to be published.
        untrusted_types: Types in it that only ``model.trusted_types`` lets in; the service that is to load it
            needs the same setting.
        notes: Lines a person should read.
    """

    artifact: Artifact
    untrusted_types: tuple[str, ...]
    notes: tuple[str, ...]


def import_skops(path: Path, options: ImportOptions) -> ImportResult:
    """Import a ``.skops`` file; nothing in it is run but types that are trusted.

    Raises:
        ModelMismatch: It does not fit the service; the line names the differences.
        ArtifactRefused: It is no sound skops file, holds an untrusted type, or was made by another version.
    """
    return _finish(_read(path), options, before=None)


def import_unsafe_pickle(path: Path, options: ImportOptions, *, timeout: float = DEFAULT_TIMEOUT) -> ImportResult:
    """Import a joblib or pickle file. Opening one runs whatever code is in it, with the rights of the caller.

    It is opened in a process of its own, with few environment variables, limits and a timeout, and handed
    over as skops; this process never opens it. That protects against accidents, not against an attacker:
    import only files whose maker you trust.

    Raises:
        ModelMismatch: It does not fit the service; the line names the differences.
        ArtifactRefused: It cannot be opened or stored without pickle, holds an untrusted type, was made by
            another version, or scores otherwise after the conversion.
    """
    if not path.is_file():
        raise ArtifactRefused("unreadable", f"there is no file {path}")
    if zipfile.is_zipfile(path):
        raise ArtifactRefused("format", f"{path} is a skops file or another zip: import it without --unsafe-pickle")
    data, before = convert_pickle(path, options, timeout=timeout)
    return _finish(data, options, before=before)


def model_of(estimator: Any, options: ImportOptions) -> SklearnModel:
    """Return the estimator as a model of this service; raises ``ModelMismatch`` where it does not fit."""
    task = task_of(estimator)
    if options.task is not None and options.task is not task:
        raise ModelMismatch(f"the model is for {task.value}, model.task says {options.task.value}")
    return SklearnModel(
        estimator,
        schema=fields_of(estimator, options.service_schema),
        task=task,
        positive=options.positive,
        threshold=options.threshold,
    )


def sample_of(model: SklearnModel, options: ImportOptions) -> dict[str, Column]:
    """Return the rows that a model is compared on."""
    columns = synthetic_trial(model.schema).columns if options.sample is None else options.sample
    return pick_rows(columns, model.schema, max_rows=MAX_SAMPLE_ROWS)


def score_sample(model: SklearnModel, sample: Mapping[str, Column], options: ImportOptions) -> Scores:
    """Return what the model says of the sample; raises ``ModelMismatch`` when it fails on it."""
    try:
        return model.score_many(sample)
    except Exception as error:  # whatever the model raises
        mend = "give a sample of real rows" if options.sample is None else "do the fields have the types it wants?"
        raise ModelMismatch(f"the model fails on the sample ({type(error).__name__}: {error}): {mend}") from error


def _finish(data: bytes, options: ImportOptions, *, before: npt.NDArray[np.float64] | None) -> ImportResult:
    strange = untrusted_types(data)
    refuse_untrusted(strange, trusted_types=options.trusted_types)
    model = model_of(load_estimator(data, trusted_types=options.trusted_types), options)
    sample = sample_of(model, options)
    scores = score_sample(model, sample, options)
    if before is not None and not are_close(scores.score, before, tolerance=TOLERANCE):
        raise ArtifactRefused(
            "trial", "the model scores otherwise after the conversion to skops: it cannot be imported"
        )
    findings = check_model(model, sample, trusted_types=options.trusted_types)
    artifact = build_artifact(model, name=options.name, created_ms=options.created_ms, sample_columns=sample)
    load_model(artifact, trusted_types=options.trusted_types, service_schema=options.service_schema)
    return ImportResult(artifact, strange, (*_notes(model, options), *(f"check: {line}" for line in findings)))


def _notes(model: SklearnModel, options: ImportOptions) -> list[str]:
    notes = []
    if needed_columns(model.estimator) is None:
        notes.append(
            "the model was fitted without column names: its columns are taken to be features.fields, in that order"
        )
    unused = [name for name in options.service_schema.names if name not in model.schema.names]
    if unused:
        notes.append(f"fields this model does not use: {', '.join(unused)}")
    if options.sample is None:
        notes.append("no sample was given: the model was tried on made-up rows only")
    return notes


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_ARTIFACT_BYTES:
            raise ArtifactRefused("too_large", f"{path} is larger than {MAX_ARTIFACT_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactRefused("unreadable", f"cannot read {path}: {error.strerror}") from error
    try:
        check_container(data)
    except ArtifactRefused as error:
        raise ArtifactRefused(error.reason, f"{path}: {error}") from error
    return data
