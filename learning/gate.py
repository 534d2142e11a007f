"""The gate before promotion: figures in, a decision with its reasons out. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from learning.evaluation import Evaluation, Judgement, Unjudged
from learning.metrics import METRICS, metric_of
from learning.splitting import VALIDATION_FRACTION
from models.base import Task

MIN_EXAMPLES = 20  # fewer examples are no evidence, whatever the policy says
MIN_PER_CLASS = 5  # one lucky hit among fewer moves every figure by a fifth
ROUNDING = 1e-9  # figures are sums of floats: a loss of exactly the tolerance is allowed
CONSTANT_SPREAD = 1e-12  # scores closer than this are the same score (rounding)


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """What a candidate must show.

    Attributes:
        task: What the score means.
        metric: The figure that candidate and champion are compared by.
        max_loss: How much worse than the champion it may be: a difference for figures between 0 and 1,
            a fraction of the champion's figure for ``mae`` and ``rmse``.
        min_examples: Validation examples asked for; see ``required_examples``.
        floor: Least acceptable figure by metric (largest, where lower is better).
        positive: The class whose probability is the score, if there is one.
    """

    task: Task
    metric: str
    max_loss: float = 0.005
    min_examples: int = 500
    floor: Mapping[str, float] = field(default_factory=dict)
    positive: str | None = None

    def __post_init__(self) -> None:
        """Refuse a metric that does not exist or judges the other task."""
        for name in (self.metric, *self.floor):
            metric_of(name, self.task)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: a name for programs, a line with the figures for people."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to promote, and every check that led there (the passed ones too)."""

    checks: tuple[Check, ...]

    @property
    def promote(self) -> bool:
        """Return whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """Return the checks that forbid the promotion."""
        return tuple(check for check in self.checks if not check.passed)

    def as_json(self) -> dict[str, Any]:
        """Return plain values for the store's log."""
        checks = [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in self.checks]
        return {"promote": self.promote, "checks": checks}


def required_examples(min_examples: int, known: int) -> int:
    """Return how many validation examples are asked for.

    The policy's number, or a fifth of all labelled examples where there are too few to supply it: a
    data set of some hundred rows is usable, but judging ten thousand on a handful is not.

    >>> required_examples(500, 10_000), required_examples(500, 569), required_examples(500, 40)
    (500, 113, 20)
    """
    return max(MIN_EXAMPLES, min(min_examples, math.floor(known * VALIDATION_FRACTION)))


def decide(
    candidate: Judgement,
    champion: Judgement | None,
    *,
    constant: Judgement,
    policy: PromotionPolicy,
    known: int,
) -> Decision:
    """Decide on a promotion.

    Args:
        candidate: The new model on the validation set.
        champion: The current one on the same set; None when there is none. One that could not be judged
            forbids the promotion: a comparison that was not made is not a comparison that was won.
        constant: A model that ignores its input, on the same set: what the first champion must beat.
        policy: What is asked for.
        known: All labelled examples there were, learnt from and judged on.
    """
    if isinstance(candidate, Unjudged):
        return Decision((Check("scores", False, f"the candidate could not be judged: {candidate.reason}"),))
    checks = [_scores(candidate), _varies(candidate), _enough(candidate, policy=policy, known=known)]
    if policy.task is Task.CLASSIFICATION:
        checks.append(_classes(candidate, policy.positive))
    if policy.metric not in candidate.metrics:
        checks.append(Check("metric", False, f"{policy.metric} is undefined on this validation set"))
        return Decision(tuple(checks))
    checks += _floor(candidate, policy.floor)
    checks.append(
        _against_constant(candidate, constant, policy)
        if champion is None
        else _against_champion(candidate, champion, policy)
    )
    return Decision(tuple(checks))


def _scores(candidate: Evaluation) -> Check:
    return Check("scores", True, f"{candidate.n} finite scores")


def _varies(candidate: Evaluation) -> Check:
    varies = candidate.spread > CONSTANT_SPREAD
    return Check("not_constant", varies, "scores differ" if varies else "it says the same of every example")


def _enough(candidate: Evaluation, *, policy: PromotionPolicy, known: int) -> Check:
    required = required_examples(policy.min_examples, known)
    detail = f"{candidate.n} validation examples, {required} required"
    if required < policy.min_examples:
        detail += f" (promotion.min_examples is {policy.min_examples}; there are only {known} labelled examples in all)"
    return Check("enough_examples", candidate.n >= required, detail)


def _classes(candidate: Evaluation, positive: str | None) -> Check:
    counts = dict(candidate.class_counts)
    if positive is not None:
        counts = {positive: counts.get(positive, 0), "the others": candidate.n - counts.get(positive, 0)}
    detail = "validation examples: " + ", ".join(f"{name} {n}" for name, n in counts.items())
    fewest = min(counts.values(), default=0)
    if positive is None:  # with many classes a rare one is ordinary
        return Check("classes", len(counts) > 1, detail)
    return Check("classes", fewest >= MIN_PER_CLASS, f"{detail}; at least {MIN_PER_CLASS} of each required")


def _floor(candidate: Evaluation, floor: Mapping[str, float]) -> Sequence[Check]:
    checks = []
    for name, bound in floor.items():
        figure = candidate.metrics.get(name)
        if figure is None:
            checks.append(Check("floor", False, f"{name} is undefined on this validation set"))
            continue
        higher = METRICS[name].higher_is_better
        passed = figure >= bound if higher else figure <= bound
        word = "at least" if higher else "at most"
        checks.append(Check("floor", passed, f"{name} {figure:.4f}, {word} {bound:g} required"))
    return checks


def _against_constant(candidate: Evaluation, constant: Judgement, policy: PromotionPolicy) -> Check:
    name = policy.metric
    if isinstance(constant, Unjudged) or name not in constant.metrics:
        return Check("beats_constant", False, f"{name} of a constant is undefined on this validation set")
    mine, other = candidate.metrics[name], constant.metrics[name]
    passed = metric_of(name, policy.task).loss(mine, other) < 0.0
    return Check("beats_constant", passed, f"{name} {mine:.4f}, a constant has {other:.4f}")


def _against_champion(candidate: Evaluation, champion: Judgement, policy: PromotionPolicy) -> Check:
    if isinstance(champion, Unjudged):
        detail = f"the champion could not be judged on the same examples: {champion.reason}"
        return Check("against_champion", False, detail)
    name = policy.metric
    if name not in champion.metrics:
        return Check("against_champion", False, f"{name} of the champion is undefined on this validation set")
    mine, other = candidate.metrics[name], champion.metrics[name]
    metric = metric_of(name, policy.task)
    loss = metric.loss(mine, other)
    unit = " of it" if metric.relative else ""
    detail = f"{name} {mine:.4f}, the champion has {other:.4f}; may be worse by {policy.max_loss:g}{unit}"
    return Check("against_champion", loss <= policy.max_loss + ROUNDING, detail)
