"""One loaded model version, as a batch pins it."""

from __future__ import annotations

from dataclasses import dataclass

from models.base import Model, Scores
from models.manifest import Manifest
from models.trial import Trial, synthetic_trial


@dataclass(frozen=True, slots=True)
class LiveModel:
    """One loaded and tried version; pinned by a batch for as long as that batch lives.

    Attributes:
        version: Its version in the store.
        manifest: Its data card.
        model: What scores.
        trial: The batch it was tried on; None: made-up rows of its fields.
    """

    version: str
    manifest: Manifest
    model: Model
    trial: Trial | None = None

    def try_out(self) -> Scores:
        """Score the trial batch of the artifact again.

        Raises:
            ArtifactRefused: ``trial``: it scores otherwise than when it was stored.
            Exception: Whatever the model raises.
        """
        trial = synthetic_trial(self.model.schema) if self.trial is None else self.trial
        return trial.run(self.model)
