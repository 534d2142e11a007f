"""Candidate, champion and a constant on the same examples, and what the gate says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from learning.evaluation import Evaluation, Judgement, Unjudged, evaluate
from learning.examples import Examples
from learning.gate import Decision, PromotionPolicy, decide
from models.base import Model


@dataclass(frozen=True, slots=True)
class Exam:
    """What every model is judged on.

    Attributes:
        examples: The validation set.
        constant: A model that ignores its input.
        known: All labelled examples there are, learnt from and judged on.
    """

    examples: Examples
    constant: Model
    known: int


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The current champion, as far as it can be had.

    Attributes:
        version: Its version.
        model: The model; or why it cannot be judged (its artifact is broken, its score means something else).
    """

    version: str
    model: Model | Unjudged


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything the gate looked at, and its decision.

    Attributes:
        candidate: The new model.
        champion: The current one on the same examples; None when there is none.
        champion_version: Its version.
        constant: A model that ignores its input, on the same examples.
        decision: Whether to promote, with the reasons.
        policy: What was asked for.
    """

    candidate: Judgement
    champion: Judgement | None
    champion_version: str | None
    constant: Judgement
    decision: Decision
    policy: PromotionPolicy

    @property
    def metrics(self) -> dict[str, float]:
        """Return the candidate's figures for the manifest, by ``holdout.<metric>``."""
        return {f"holdout.{name}": value for name, value in figures(self.candidate).items()}

    def as_json(self) -> dict[str, Any]:
        """Return plain values for the store's log."""
        return {
            **self.decision.as_json(),
            "metric": self.policy.metric,
            "candidate": dict(figures(self.candidate)),
            "champion": dict(figures(self.champion)),
            "champion_version": self.champion_version,
            "constant": dict(figures(self.constant)),
        }


def figures(judgement: Judgement | None) -> Mapping[str, float]:
    """Return the figures of a judgement; none where there is no evaluation."""
    return judgement.metrics if isinstance(judgement, Evaluation) else {}


def judge(candidate: Model, incumbent: Incumbent | None, *, exam: Exam, policy: PromotionPolicy) -> Verdict:
    """Evaluate candidate, champion and constant on the same examples and decide. Never raises for what they do."""
    judged = evaluate(candidate, exam.examples, positive=policy.positive)
    of_constant = evaluate(exam.constant, exam.examples, positive=policy.positive)
    of_champion = None if incumbent is None else _judged(incumbent, exam.examples, policy)
    return Verdict(
        candidate=judged,
        champion=of_champion,
        champion_version=None if incumbent is None else incumbent.version,
        constant=of_constant,
        decision=decide(judged, of_champion, constant=of_constant, policy=policy, known=exam.known),
        policy=policy,
    )


def _judged(incumbent: Incumbent, examples: Examples, policy: PromotionPolicy) -> Judgement:
    if isinstance(incumbent.model, Unjudged):
        return incumbent.model
    if incumbent.model.task is not policy.task:
        return Unjudged(f"it is a {incumbent.model.task.value}")
    return evaluate(incumbent.model, examples, positive=policy.positive)
