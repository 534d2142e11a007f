"""The manifest: everything about an artifact that can be known without opening the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from features.schema import FeatureSchema
from models.base import Task

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """The data card of one model version, stored as ``manifest.json``.

    Attributes:
        name: The model's name, the same for all its versions.
        version: ``v1``, ``v2``, …; empty until the store gives one.
        kind: Which loader reads the model file (``sklearn``).
        task: What the score means.
        schema: The model's own fields in its column order (types, lengths; policies are the service's).
        input: ``matrix`` (one numeric matrix) or ``frame`` (a DataFrame with the fields as columns).
        classes: Class names in the order of the probabilities.
        positive: The class whose probability is the score, or None.
        threshold: Score at and above which ``positive`` is predicted.
        created_ms: Epoch milliseconds.
        parent: The version this one was learnt from, or None.
        digests: ``sha256`` hex digest by file name, for every file but the manifest.
        metrics: Figures of the gate, by ``holdout.<metric>``.
        training_data: Where the examples came from: file names, digests, row counts.
        validation: Digest and row count of the validation set.
        libraries: Versions of Python and the libraries that made it.
        format: Version of this layout.
    """

    name: str
    kind: str
    task: Task
    schema: FeatureSchema
    input: str
    created_ms: int
    version: str = ""
    classes: tuple[str, ...] = ()
    positive: str | None = None
    threshold: float = 0.5
    parent: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    training_data: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Any] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT_VERSION
