"""What every model command works at: the store, the fields, the policy, and who is doing it."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from features.labels import class_name
from features.schema import FeatureSchema
from learning.evaluation import Unjudged
from learning.gate import PromotionPolicy
from learning.judging import Incumbent
from models.artifact import Artifact
from models.base import Task
from models.errors import ArtifactRefused, ModelMismatch
from models.live import LiveModel
from models.loading import load_model
from models.manifest import Manifest
from models.store import CHAMPION, LogEntry, ModelStore
from service.model_history import PREVIOUS
from service.plugins import add_folder
from service.settings import Settings
from service.store import build_store


@dataclass(frozen=True, slots=True)
class Desk:
    """One person's (or job's) work on the models of one service.

    Attributes:
        settings: The service's settings.
        store: Where its models are.
        actor: Who is working, as the log names them.
        now_ms: The clock, epoch milliseconds.
        say: Tells the person a line that is no result (progress, warnings, left out rows).
    """

    settings: Settings
    store: ModelStore
    actor: str
    now_ms: Callable[[], int]
    say: Callable[[str], None]

    @property
    def schema(self) -> FeatureSchema:
        """Return the service's fields and roles."""
        return self.settings.feature_schema()

    @property
    def task(self) -> Task:
        """Return what a score means."""
        return Task(self.settings.model.task)

    def policy(self, positive: str | None) -> PromotionPolicy:
        """Return what the service file asks of a candidate.

        Raises:
            PolicyError: A metric that does not exist or judges the other task.
        """
        promotion = self.settings.promotion
        return PromotionPolicy(
            task=self.task,
            metric=promotion.metric,
            max_loss=promotion.max_loss,
            min_examples=promotion.min_examples,
            floor=self.settings.validation.floor,
            positive=class_name(positive),
        )

    def open(self, artifact: Artifact) -> LiveModel:
        """Return the model as the service would load it: digests, types, fields and trial batch checked.

        Raises:
            ArtifactRefused: A check failed.
        """
        return load_model(artifact, trusted_types=self.settings.model.trusted_types, service_schema=self.schema)

    def check_meaning(self, manifest: Manifest) -> None:
        """Refuse a model whose score would mean something else than the service file says.

        Raises:
            ModelMismatch: Another task, or the probability of another class.
        """
        wanted = self.settings.model.positive
        if manifest.task is not self.task:
            raise ModelMismatch(f"the model is for {manifest.task.value}, model.task says {self.task.value}")
        if wanted is not None and class_name(manifest.positive) != class_name(wanted):
            raise ModelMismatch(
                f"its score is the probability of {manifest.positive!r}, model.positive says {wanted!r}: "
                "whoever reads the scores would take them for the opposite"
            )

    def incumbent(self, version: str | None, *, positive: str | None) -> Incumbent | None:
        """Return the champion to compare with, or why it cannot be judged; None where there is none."""
        if version is None:
            return None
        try:
            live = self.open(self.store.load(version))
        except ArtifactRefused as error:
            return Incumbent(version, Unjudged(str(error)))
        if class_name(live.manifest.positive) != class_name(positive):
            return Incumbent(version, Unjudged(f"its score is the probability of {live.manifest.positive!r}"))
        return Incumbent(version, live.model)

    def record(self, event: str, version: str, reason: str, details: Mapping[str, Any]) -> None:
        """Add a decision to the store's log, under the name of whoever works here."""
        self.store.append_log(LogEntry(self.now_ms(), event, version, self.actor, reason, details))

    def make_champion(
        self, version: str, *, expected: str | None, event: str, reason: str, details: Mapping[str, Any]
    ) -> None:
        """Move the alias if the champion is still the expected one, then record it.

        In this order: an entry in the log of a promotion that never happened would lead a roll back astray.

        Raises:
            AliasMoved: Somebody else was faster; nothing was changed and nothing is recorded.
        """
        self.store.set_alias(CHAMPION, version, expected=expected)
        self.record(event, version, reason, {**details, PREVIOUS: expected})


def open_desk(settings: Settings, *, now_ms: Callable[[], int], say: Callable[[str], None]) -> Desk:
    """Return the desk of this process's user; the store is opened, not read.

    The folder of the user's own modules can be imported from afterwards: a model may hold functions of it.
    """
    add_folder(settings.plugins_path)
    return Desk(settings, build_store(settings), operator(), now_ms, say)


def operator() -> str:
    """Return ``user@host`` of this process; a user that the system has no name for is told by its number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container with a made-up user id
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
