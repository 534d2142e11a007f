"""What must be known about a model from elsewhere, beside its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from features.batch import Column
from features.schema import FeatureSchema
from models.base import Task
from models.sklearn_model import DEFAULT_THRESHOLD


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What must be known about a model beside its file.

    Attributes:
        name: The model's name in the store.
        service_schema: The service's fields, among which the model's are found.
        created_ms: Epoch milliseconds.
        sample: Rows of (at least) the model's fields to try it on; None: made-up rows.
        positive: The class whose probability is the score.
        threshold: Score at and above which ``positive`` is predicted.
        task: What the service expects; None: whatever the model is.
        trusted_types: ``model.trusted_types``.
    """

    name: str
    service_schema: FeatureSchema
    created_ms: int
    sample: Mapping[str, Column] | None = None
    positive: str | None = None
    threshold: float = DEFAULT_THRESHOLD
    task: Task | None = None
    trusted_types: Sequence[str] = ()
