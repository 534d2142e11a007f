"""The live model: looked up by alias, loaded aside, tried, then swapped by one reference assignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from models.base import Model, Scores
from models.manifest import Manifest


@dataclass(frozen=True, slots=True)
class LiveModel:
    """One loaded and tried version; pinned by a batch for as long as that batch lives."""

    version: str
    manifest: Manifest
    model: Model

    def try_out(self) -> Scores:
        """Score the trial batch of the artifact again; raises what the model raises."""
        raise NotImplementedError  # replaced with the trial batch by the implementation


class Champion(Protocol):
    """What the scoring worker asks for once per batch."""

    def current(self) -> LiveModel | None:
        """Return the live model, or None when there is none yet. Never blocks, never raises."""
        ...

    def reject(self, version: str, detail: str) -> None:
        """Say that a live version fails on everything: go back to the one before, and do not load it again."""
        ...
