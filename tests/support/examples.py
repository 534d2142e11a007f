"""Labelled examples for tests: small, seeded, and learnable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from features.batch import Column, FeatureBatch
from features.schema import FeatureSchema, Field, FieldType, NullPolicy, Roles
from learning.examples import Examples
from models.base import Scores, Task

SCHEMA = FeatureSchema(
    (Field("amount", FieldType.DOUBLE, "amount"), Field("count", FieldType.INT, "count")), Roles(label="label")
)
MIXED = FeatureSchema(
    (
        Field("amount", FieldType.DOUBLE, "amount", null=NullPolicy.KEEP),
        Field("is_new", FieldType.BOOLEAN, "is_new"),
        Field("country", FieldType.STRING, "country", null=NullPolicy.KEEP),
        Field("last", FieldType.DOUBLE, "last", length=3),
    ),
    Roles(label="label"),
)


def a_batch(
    columns: Mapping[str, Column],
    *,
    schema: FeatureSchema = SCHEMA,
    labels: Sequence[Any] | None = None,
    times: Sequence[int] | None = None,
) -> FeatureBatch:
    """Return a batch of these columns."""
    n = len(next(iter(columns.values())))
    return FeatureBatch(
        schema=schema,
        rows=np.arange(n, dtype=np.int64),
        columns=columns,
        labels=labels,
        times=None if times is None else np.array(times, dtype=np.int64),
    )


def some_examples(n: int = 200, *, times: Sequence[int] | None = None, seed: int = 7) -> Examples:
    """Return examples whose label is 1 where the amount is large, with some noise; the count says nothing."""
    rng = np.random.default_rng(seed)
    amount = rng.normal(size=n)
    count = np.arange(n, dtype=np.int32)  # tells examples apart
    labels = np.where(amount + rng.normal(scale=0.3, size=n) > 0.5, "1", "0")
    return Examples(a_batch({"amount": amount, "count": count}, times=times), labels)


def mixed_examples(n: int = 300, *, seed: int = 7) -> Examples:
    """Return examples with every kind of field; text and numbers both carry the label, and both have nulls."""
    rng = np.random.default_rng(seed)
    country = rng.choice(np.array(["de", "fr", "xx"], dtype=object), n)
    amount = rng.normal(size=n)
    labels = np.where((country == "xx") | (amount > 1.0), "fraud", "legit")
    country[::17] = None
    amount[::13] = np.nan
    columns = {"amount": amount, "is_new": rng.random(n) < 0.5, "country": country, "last": rng.normal(size=(n, 3))}
    return Examples(a_batch(columns, schema=MIXED), labels)


def some_values(n: int = 200, *, seed: int = 7) -> Examples:
    """Return examples of a regression: twice the amount plus noise."""
    rng = np.random.default_rng(seed)
    amount = rng.normal(size=n)
    batch = a_batch({"amount": amount, "count": np.arange(n, dtype=np.int32)})
    return Examples(batch, 2.0 * amount + rng.normal(scale=0.1, size=n))


@dataclass
class FakeModel:
    """Says what it is told to: the score is the column ``amount``, taken as the probability of ``1``."""

    schema: FeatureSchema = SCHEMA
    classes: Sequence[str] = ("0", "1")
    task: Task = Task.CLASSIFICATION
    kind: str = "fake"
    seen: list[set[str]] = field(default_factory=list)

    def score_many(self, columns: Mapping[str, Column]) -> Scores:
        """Return the amounts as scores."""
        self.seen.append(set(columns))
        score: npt.NDArray[np.float64] = columns[self.schema.names[0]].astype(np.float64)
        if self.task is Task.REGRESSION:
            return Scores(score)
        return Scores(score, ["1" if p >= 0.5 else "0" for p in score], np.column_stack([1 - score, score]))
