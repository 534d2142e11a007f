"""A model store in this process: for tests, demos and embedding."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from models.artifact import Artifact, check_digests
from models.errors import AliasMoved, StoreError, VersionNotFound
from models.manifest import Manifest
from models.manifest_json import decode_manifest, encode_manifest
from models.store import LogEntry
from models.versions import check_alias, check_model_name, check_version, decode_entries, encode_entry


class InMemoryModelStore:
    """Implements ``ModelStore``; safe for threads, gone with the process."""

    def __init__(self, name: str) -> None:
        """Begin empty."""
        self._name = check_model_name(name)
        self._lock = threading.Lock()
        self._artifacts: dict[str, Artifact] = {}
        self._aliases: dict[str, str] = {}
        self._log: list[LogEntry] = []

    def __str__(self) -> str:
        return f"memory:{self._name}"

    def publish(self, artifact: Artifact) -> str:
        """Store the artifact under the next version and return it."""
        if artifact.manifest.name != self._name:
            raise StoreError(f"the artifact is of model {artifact.manifest.name!r}, this store keeps {self._name!r}")
        check_digests(artifact)
        with self._lock:
            version = f"v{len(self._artifacts) + 1}"
            # through JSON, so that what does not survive a file does not survive here either
            manifest = decode_manifest(encode_manifest(replace(artifact.manifest, version=version)))
            self._artifacts[version] = Artifact(manifest, dict(artifact.files))
            return version

    def load(self, version: str) -> Artifact:
        """Return a version with its digests checked."""
        artifact = self._find(version)
        check_digests(artifact)
        return artifact

    def manifest(self, version: str) -> Manifest:
        """Return the manifest alone."""
        return self._find(version).manifest

    def versions(self) -> Sequence[str]:
        """Return all versions, oldest first, by number."""
        with self._lock:
            return list(self._artifacts)

    def alias(self, name: str) -> str | None:
        """Return the version an alias points to, or None."""
        return self._aliases.get(check_alias(name))

    def set_alias(self, name: str, version: str, *, expected: str | None) -> None:
        """Move an alias if it points to ``expected``."""
        self._find(version)
        with self._lock:
            found = self._aliases.get(check_alias(name))
            if found != expected:
                raise AliasMoved(
                    f"{name} points to {found or 'nothing'}, not to {expected or 'nothing'} as expected: "
                    "somebody else was faster, nothing was changed"
                )
            self._aliases[name] = version

    def append_log(self, entry: LogEntry) -> None:
        """Add a decision to the log."""
        self._log += decode_entries(encode_entry(entry))

    def log(self) -> Sequence[LogEntry]:
        """Return the log, oldest first."""
        return list(self._log)

    def _find(self, version: str) -> Artifact:
        artifact = self._artifacts.get(check_version(version))
        if artifact is None:
            raise VersionNotFound(f"there is no version {version} in {self}")
        return artifact
