"""An artifact in memory: the manifest and the bytes of each file beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.manifest import Manifest

MODEL_FILE = "model.skops"
SAMPLE_FILE = "sample.json"  # a few rows with their scores: the trial batch before a swap
REPORT_FILE = "report.html"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One immutable model version. ``files`` maps a plain file name to its bytes."""

    manifest: Manifest
    files: Mapping[str, bytes]
