"""An artifact in memory: the manifest and the bytes of each file beside it, and what it must be like."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from models.errors import ArtifactRefused
from models.manifest import Manifest

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.skops"
SAMPLE_FILE = "sample.json"  # a few rows with their scores: the trial batch before a swap
REPORT_FILE = "report.html"

MAX_ARTIFACT_BYTES = 1 << 30  # all files together; a version is read into memory as a whole
MAX_FILES = 64
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Artifact:
    """One immutable model version. ``files`` maps a plain file name to its bytes."""

    manifest: Manifest
    files: Mapping[str, bytes]


def digest_of(data: bytes) -> str:
    """Return the sha256 of these bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def digests_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the digest of each file by name."""
    return {name: digest_of(data) for name, data in sorted(files.items())}


def check_file_names(names: Mapping[str, object]) -> None:
    """Refuse names that are not plain: a path or a hidden file would lead out of the version's folder.

    Raises:
        ArtifactRefused: ``format``.
    """
    if len(names) > MAX_FILES:
        raise ArtifactRefused("format", f"the artifact names {len(names)} files, at most {MAX_FILES} are taken")
    for name in names:
        if not _PLAIN_NAME.fullmatch(name) or name == MANIFEST_FILE:
            raise ArtifactRefused("format", f"the artifact names the file {name!r}, which is not a plain file name")


def check_digests(artifact: Artifact, *, max_bytes: int = MAX_ARTIFACT_BYTES) -> None:
    """Refuse an artifact whose files are not exactly those of its manifest, byte for byte.

    Raises:
        ArtifactRefused: ``format``, ``too_large`` or ``digest``.
    """
    expected = artifact.manifest.digests
    check_file_names(expected)
    if set(expected) != set(artifact.files):
        odd = ", ".join(sorted(set(expected) ^ set(artifact.files)))
        raise ArtifactRefused("digest", f"files and manifest do not agree about {odd}")
    size = sum(len(data) for data in artifact.files.values())
    if size > max_bytes:
        raise ArtifactRefused("too_large", f"the artifact has {size} bytes, at most {max_bytes} are taken")
    for name, data in artifact.files.items():
        check_digest(name, data, expected=expected[name])


def check_digest(name: str, data: bytes, *, expected: str) -> None:
    """Refuse bytes that are not those the manifest was written for.

    Raises:
        ArtifactRefused: ``digest``.
    """
    if digest_of(data) != expected:
        raise ArtifactRefused("digest", f"{name} is not what was published: its sha256 differs from the manifest's")
