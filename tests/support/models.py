"""Builders for what tests of models need: schemas, columns, fitted models and artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from features.batch import Column
from features.schema import FeatureSchema, Field, FieldType
from models.artifact import MODEL_FILE, Artifact, digests_of
from models.base import Task
from models.build import build_artifact
from models.manifest import Manifest
from models.sklearn_model import SklearnModel

NUMBERS = ("amount", "hour", "age")
ROWS = 120


def schema_of(*fields: tuple[str, FieldType] | tuple[str, FieldType, int]) -> FeatureSchema:
    """Return a schema of (name, type) or (name, type, length) fields; the path is the name."""
    return FeatureSchema(tuple(Field(f[0], f[1], f[0], length=f[2] if len(f) == 3 else None) for f in fields))


def number_schema() -> FeatureSchema:
    """Return three doubles."""
    return schema_of(*((name, FieldType.DOUBLE) for name in NUMBERS))


def number_columns(rows: int = ROWS, *, seed: int = 7) -> dict[str, Column]:
    """Return made-up columns of ``number_schema``."""
    values = np.random.default_rng(seed).normal(size=(rows, len(NUMBERS)))
    return {name: values[:, at].copy() for at, name in enumerate(NUMBERS)}


def labels_of(columns: Mapping[str, Column]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return 0/1 labels that follow from the columns, both classes often."""
    return (columns["amount"] + 0.3 * columns["hour"] > 0).astype(np.int64)


def a_model(*, steepness: float = 1.0) -> SklearnModel:
    """Return a logistic regression on ``number_schema`` with classes 0 and 1."""
    from sklearn.linear_model import LogisticRegression  # store tests start many processes that need none

    columns = number_columns()
    matrix = np.column_stack([columns[name] for name in NUMBERS])
    return SklearnModel(LogisticRegression(C=steepness).fit(matrix, labels_of(columns)), schema=number_schema())


def an_artifact(model: SklearnModel | None = None, **manifest: Any) -> Artifact:
    """Return a loadable artifact named ``fraud``; keywords replace what its manifest says."""
    built = build_artifact(model or a_model(), name="fraud", created_ms=1_000, sample_columns=number_columns())
    return Artifact(replace(built.manifest, **manifest), built.files)


def an_opaque_artifact(content: bytes = b"never opened", *, name: str = "fraud") -> Artifact:
    """Return an artifact that a store can keep and nobody can load; cheap."""
    files = {MODEL_FILE: content}
    return Artifact(
        Manifest(name, "sklearn", Task.REGRESSION, number_schema(), "matrix", 1_000, digests=digests_of(files)), files
    )
