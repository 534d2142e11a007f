"""What the process ends with: one table from errors to exit codes, and the one line a person sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DONE: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2
NOT_REACHABLE: Final = 3
FENCED: Final = 4
INTERRUPTED: Final = 130  # 128 + SIGINT, as a shell counts

# By name, so that the table costs no import: an error whose module was never imported cannot have been raised.
# The nearest class in the error's own line of descent decides.
EXIT_CODES: Final[Mapping[str, int]] = {
    "service.errors.ServiceError": FAILED,
    "service.errors.SettingsError": WRONG_USAGE,
    "service.errors.PluginError": WRONG_USAGE,
    "service.errors.UsageError": WRONG_USAGE,
    "service.errors.IdentityClaimed": FAILED,
    "service.errors.Unreachable": NOT_REACHABLE,
    "service.errors.Refused": FAILED,
    "features.errors.FeatureError": FAILED,
    "features.errors.SchemaError": WRONG_USAGE,
    "features.errors.CodecError": WRONG_USAGE,
    "features.errors.TableError": WRONG_USAGE,
    "features.errors.SchemasUnavailable": NOT_REACHABLE,
    "buffer.errors.BufferingError": FAILED,
    "buffer.errors.TableUnavailable": NOT_REACHABLE,
    "buffer.errors.TableRefused": WRONG_USAGE,
    "models.errors.ModelError": FAILED,
    "models.errors.StoreError": NOT_REACHABLE,
    "models.errors.VersionNotFound": WRONG_USAGE,
    "models.errors.AliasMoved": FAILED,
    "learning.errors.LearningError": FAILED,
    "learning.errors.EstimatorError": WRONG_USAGE,
    "learning.errors.PolicyError": WRONG_USAGE,
    "producer.errors.ProducerError": FAILED,
    "producer.errors.ProducerFenced": FENCED,
    "producer.errors.BrokerUnreachable": NOT_REACHABLE,
    "consumer.errors.ConsumerError": FAILED,
    "consumer.errors.IdentityTaken": FENCED,
    "consumer.errors.SourceUnreachable": NOT_REACHABLE,
    "builtins.FileNotFoundError": WRONG_USAGE,
    "builtins.IsADirectoryError": WRONG_USAGE,
    "builtins.PermissionError": FAILED,
}


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error; ``FAILED`` for one that nobody expected."""
    return EXIT_CODES.get(_known_name(error) or "", FAILED)


def one_line(error: BaseException) -> str:
    """Return what to tell a person; an error nobody expected is named by its class."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror and error.filename:
        text = f"{error.filename}: {error.strerror.lower()}"
    if _known_name(error) is not None and text:
        return text
    named = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"unexpected {named} (run again with --debug to see where)"


def _known_name(error: BaseException) -> str | None:
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)
    return next((name for name in names if name in EXIT_CODES), None)
