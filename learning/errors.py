"""What can be wrong with a training run: one line that says what, where and what to do."""

from __future__ import annotations


class LearningError(Exception):
    """A model cannot be learnt from this."""


class LabelError(LearningError):
    """The labels cannot be used as they are."""


class PositiveUnclear(LabelError):
    """Which class the score is the probability of must be said, or was said of a class that is not there."""


class EstimatorError(LearningError):
    """No estimator can be built from this name."""


class TrainingError(LearningError):
    """The fit cannot be done on these examples."""


class PolicyError(LearningError):
    """The promotion policy asks for something that does not exist."""
