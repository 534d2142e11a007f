"""The model store port: immutable versions, atomic aliases, an append-only log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from models.artifact import Artifact
from models.manifest import Manifest

CHAMPION = "champion"
CHALLENGER = "challenger"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One decision about a model, never changed afterwards.

    Attributes:
        at_ms: When, epoch milliseconds.
        event: ``published``, ``promoted``, ``rejected``, ``rolled_back``, ``forced``.
        version: Which version it is about.
        actor: Who: a user name, ``train``, ``learner``.
        reason: Why, one line.
        details: Plain JSON values: figures of the gate, the version before.
    """

    at_ms: int
    event: str
    version: str
    actor: str
    reason: str
    details: Mapping[str, Any]


class ModelStore(Protocol):
    """Keeps artifacts outside the service. Many readers, one writer at a time.

    A reader never sees half a version. Every method may raise ``StoreError`` when the store is down;
    the caller's live model is not affected.
    """

    def publish(self, artifact: Artifact) -> str:
        """Store the artifact under the next version (``v1``, ``v2``, …) and return that version.

        The manifest's ``version`` is set by the store. Atomic: after a crash the version is whole or absent.
        """
        ...

    def load(self, version: str) -> Artifact:
        """Return a version with every file's digest checked before anything in it is opened.

        Raises:
            VersionNotFound: No such version.
            ArtifactRefused: A digest differs, a file is missing or too large, the manifest is not readable.
        """
        ...

    def manifest(self, version: str) -> Manifest:
        """Return the manifest alone (for listings)."""
        ...

    def versions(self) -> Sequence[str]:
        """Return all versions, oldest first, by number."""
        ...

    def alias(self, name: str) -> str | None:
        """Return the version an alias points to, or None; cheap enough to ask every second."""
        ...

    def set_alias(self, name: str, version: str, *, expected: str | None) -> None:
        """Move an alias, if it points to ``expected`` now (None: if it does not exist).

        Raises:
            AliasMoved: It points elsewhere; nothing was changed.
            VersionNotFound: No such version.
        """
        ...

    def append_log(self, entry: LogEntry) -> None:
        """Add a decision to the log."""
        ...

    def log(self) -> Sequence[LogEntry]:
        """Return the log, oldest first."""
        ...
