"""Score a polled batch with one pinned model: decode, score, and find the guilty record when the model fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from features.batch import FeatureBatch
from features.codec import FeatureCodec, HeadersOf
from features.rejection import MAX_DETAIL_CHARS, Reason, Rejection, Stage
from features.schema import FeatureSchema
from models.base import Scores
from models.champion import LiveModel


class ModelUnusable(Exception):
    """The model fails on its own trial batch: not a record but the model is broken. Policy: go back a version."""


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """What became of a batch: every row has either a score or a rejection.

    Attributes:
        live: The pinned model.
        features: The scored records.
        scores: Their scores, in the same order.
        rejections: The others.
    """

    live: LiveModel
    features: FeatureBatch
    scores: Scores
    rejections: Sequence[Rejection]


class BatchScorer:
    """Decodes with the service's policies for the fields of the pinned model, and scores."""

    def __init__(self, codec: FeatureCodec, schema: FeatureSchema) -> None:
        """Keep the codec and the service's whole schema."""
        self._codec = codec
        self._schema = schema
        self._projections: dict[tuple[str, ...], FeatureSchema] = {}

    def decode(
        self, values: Sequence[bytes | None], live: LiveModel, *, headers: HeadersOf | None = None
    ) -> tuple[FeatureBatch, Sequence[Rejection]]:
        """Return the readable records, decoded for this model's fields only, and the others.

        Raises:
            SchemasUnavailable: A writer schema cannot be had now.
        """
        names = live.model.schema.names
        if names not in self._projections:
            self._projections[names] = self._schema.subset(names)
        decoded = self._codec.decode(values, self._projections[names], headers=headers)
        return decoded.batch, decoded.rejections

    def score(self, features: FeatureBatch, live: LiveModel) -> ScoredBatch:
        """Score the records; where the model call raises, bisect until the guilty stand alone.

        Raises:
            ModelUnusable: The model fails on its own trial batch as well.
        """
        if not len(features):
            return ScoredBatch(live, features, _NOTHING, ())
        try:
            return ScoredBatch(live, features, live.model.score_many(features.columns), ())
        except Exception as exception:
            self._try_out(live, exception)
        everything = np.arange(len(features), dtype=np.int64)
        parts, rejections = _bisect(features, everything, live)
        if not parts:
            return ScoredBatch(live, features.take(everything[:0]), _NOTHING, rejections)
        kept = features.take(np.concatenate([positions for positions, _ in parts]))
        return ScoredBatch(live, kept, _concatenate([scores for _, scores in parts]), rejections)

    @staticmethod
    def _try_out(live: LiveModel, cause: Exception) -> None:
        try:
            live.try_out()
        except Exception as exception:
            raise ModelUnusable(f"{live.version} fails on its own trial batch: {exception}") from cause


_NOTHING = Scores(score=np.empty(0), prediction=())
_Part: TypeAlias = tuple[npt.NDArray[np.int64], Scores]


def _bisect(
    features: FeatureBatch, positions: npt.NDArray[np.int64], live: LiveModel
) -> tuple[list[_Part], list[Rejection]]:
    """Return the scored parts and the records that the model refuses even alone, both in order."""
    if not len(positions):
        return [], []
    try:
        return [(positions, live.model.score_many(features.take(positions).columns))], []
    except Exception as exception:
        if len(positions) == 1:
            row = int(features.rows[positions[0]])
            detail = f"{type(exception).__name__}: {exception}".splitlines()[0][:MAX_DETAIL_CHARS]
            return [], [Rejection(row, Stage.SCORE, Reason.MODEL_FAILED, detail)]
    middle = len(positions) // 2
    left, left_rejections = _bisect(features, positions[:middle], live)
    right, right_rejections = _bisect(features, positions[middle:], live)
    return left + right, left_rejections + right_rejections


def _concatenate(parts: Sequence[Scores]) -> Scores:
    predictions = [part.prediction for part in parts if part.prediction is not None]
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return Scores(
        score=np.concatenate([part.score for part in parts]),
        prediction=[name for part in predictions for name in part] if predictions else None,
        probabilities=np.concatenate(probabilities) if probabilities else None,
    )
