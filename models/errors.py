"""Errors of models, artifacts and stores; the class is the policy."""

from __future__ import annotations


class ModelError(Exception):
    """Something about a model is not as it must be."""


class ModelMismatch(ModelError):
    """The model does not fit this service: fields, types, classes or library version."""


class ScoresNotUsable(ModelError):
    """The model answered with scores of the wrong shape or that are not finite numbers."""


class ArtifactRefused(ModelError):
    """The artifact must not be opened or used: digest, format, size, untrusted type.

    Attributes:
        reason: One of ``REFUSAL_REASONS``; the label of ``tidemill_model_load_failures_total``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the reason for the metric and the detail for the person."""
        super().__init__(detail)
        self.reason = reason


REFUSAL_REASONS = ("digest", "format", "too_large", "untrusted_type", "version", "mismatch", "trial", "unreadable")


class StoreError(ModelError):
    """The model store cannot be read or written now."""


class VersionNotFound(StoreError):
    """No such version in the store."""


class AliasMoved(StoreError):
    """The alias does not point where the caller expected: somebody else was faster. Nothing was changed."""
