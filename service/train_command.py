"""What `tidemill train` does, apart from its options."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from learning.errors import PositiveUnclear
from learning.estimators import EstimatorFactory
from learning.gate import PromotionPolicy
from learning.judging import Exam, Verdict, judge
from learning.labels import class_counts
from learning.report import Report, to_text
from learning.report_html import to_html
from learning.training import Candidate, TrainingSpec, train
from models.base import Task
from models.build import build_artifact
from models.errors import AliasMoved
from models.store import CHAMPION
from service.errors import ServiceError, UsageError
from service.labelled_buffer import FromBuffer, LabelledBuffer, read_buffer
from service.labelled_file import LabelledFile, read_labelled
from service.model_desk import Desk
from service.model_history import GATE, PROMOTED, PUBLISHED, REJECTED
from service.plugins import load_callable
from service.progress import progress


class Promotion(StrEnum):
    """What is done with a candidate after it was judged."""

    IF_ALLOWED = "if_allowed"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """What was asked for on the command line.

    Attributes:
        data: The file to learn from, or which examples of the buffer.
        validation: The pre-defined validation set; None: that of the service file, else a part of the data.
        estimator: A name of ours, or ``module:factory``.
        seed: Of the split and of the estimator.
        promotion: What is done with the candidate.
        without: Fields of the service file that the model shall not use.
    """

    data: Path | FromBuffer
    validation: Path | None
    estimator: str
    seed: int
    promotion: Promotion
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of it: the stored version, the verdict and whether it is champion now."""

    version: str
    verdict: Verdict
    report: Report
    is_promoted: bool
    outcome: str

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a program."""
        return {
            "version": self.version,
            "promoted": self.is_promoted,
            "outcome": self.outcome,
            "previous": self.verdict.champion_version,
            "gate": self.verdict.as_json(),
        }

    def as_text(self) -> str:
        """Return the report and, as the last line, the version."""
        return f"{to_text(self.report)}\n\n{self.outcome}\n{self.version}"


@dataclass(frozen=True, slots=True)
class _Sets:
    """What is learnt from, and the validation set where one is given."""

    data: LabelledFile | LabelledBuffer
    given: LabelledFile | None


def train_and_judge(desk: Desk, order: TrainingOrder) -> Trained:
    """Learn, judge, store, and promote if the gate allows.

    The version is stored whatever the gate says, with its report; a champion is only ever replaced if it
    is still the one that was judged beside the candidate.

    Raises:
        UsageError: The labels do not say which class is positive, or a field to leave out is not there.
        LearningError: Nothing can be learnt from this.
        FeatureError: A file cannot be read.
        ModelError: The model cannot be stored.
        ServiceError: Somebody else moved the champion meanwhile; the version is stored.
    """
    desk.policy(None)  # a wrong metric is told before anything is fitted
    spec = _spec(desk, order)
    _check_without(desk, order)
    sets = _read(desk, order)
    candidate = _fit(spec, sets)
    for warning in candidate.warnings:
        desk.say(f"warning: {order.estimator}: {warning}")
    champion = desk.store.alias(CHAMPION)
    policy = desk.policy(candidate.model.positive)
    verdict = _judge(desk, candidate, champion, policy)
    report = _report(desk, order, candidate, verdict=verdict, sets=sets)
    version = _publish(desk, order, candidate, report=report, sets=sets)
    return _decide(desk, order, Trained(version, verdict, report, is_promoted=False, outcome=""))


def _spec(desk: Desk, order: TrainingOrder) -> TrainingSpec:
    model = desk.settings.model
    estimator: str | EstimatorFactory = order.estimator
    if ":" in order.estimator:
        estimator = load_callable(order.estimator, where="--estimator", path=desk.settings.plugins_path)
    return TrainingSpec(desk.task, estimator, model.positive, model.threshold, order.seed, order.without)


def _check_without(desk: Desk, order: TrainingOrder) -> None:
    absent = [name for name in order.without if name not in desk.schema.names]
    if absent:
        raise UsageError(f"--without {absent[0]}: no such field; the service file has {', '.join(desk.schema.names)}")


def _read(desk: Desk, order: TrainingOrder) -> _Sets:
    data = _learnt_from(desk, order.data)
    path = order.validation or desk.settings.validation_path
    if path is None:
        return _Sets(data, None)
    given = read_labelled(path, desk.schema, task=desk.task, say=desk.say)
    if given.digest == data.digest:
        raise UsageError(f"{path} is the very file that is learnt from: a model must be judged on other examples")
    return _Sets(data, given)


def _learnt_from(desk: Desk, data: Path | FromBuffer) -> LabelledFile | LabelledBuffer:
    if isinstance(data, Path):
        return read_labelled(data, desk.schema, task=desk.task, say=desk.say)
    return read_buffer(desk.settings, data, schema=desk.schema, task=desk.task, now_ms=desk.now_ms(), say=desk.say)


def _fit(spec: TrainingSpec, sets: _Sets) -> Candidate:
    try:
        with progress("Fitting", unit="examples"):
            validation = None if sets.given is None else sets.given.examples
            return train(sets.data.examples, spec=spec, validation=validation)
    except PositiveUnclear as error:
        raise UsageError(str(error)) from error


def _judge(desk: Desk, candidate: Candidate, champion: str | None, policy: PromotionPolicy) -> Verdict:
    validation = candidate.split.validation
    exam = Exam(validation, candidate.constant, known=len(candidate.split.train) + len(validation))
    with progress("Judging", unit="examples"):
        return judge(candidate.model, desk.incumbent(champion, positive=policy.positive), exam=exam, policy=policy)


def _report(desk: Desk, order: TrainingOrder, candidate: Candidate, *, verdict: Verdict, sets: _Sets) -> Report:
    sides = candidate.split
    facts = [("learnt from", f"{sets.data.name} ({sets.data.rows} rows)")]
    if sets.given is not None:
        facts.append(("validated on", f"{sets.given.name} ({sets.given.rows} rows)"))
    facts.append(
        ("examples", f"{len(sides.train)} learnt from, {len(sides.validation)} judged on ({sides.rule.value})")
    )
    facts.append(("seed", str(order.seed)))
    if candidate.model.positive is not None:
        facts.append(("score", f"probability of {candidate.model.positive!r}, threshold {candidate.model.threshold:g}"))
    by_class = desk.task is Task.CLASSIFICATION
    return Report(
        title=f"{desk.settings.model.name}: {order.estimator}",
        facts=facts,
        learnt=class_counts(sides.train.labels) if by_class else {},
        judged=class_counts(sides.validation.labels) if by_class else {},
        verdict=verdict,
    )


def _publish(desk: Desk, order: TrainingOrder, candidate: Candidate, *, report: Report, sets: _Sets) -> str:
    sides = candidate.split
    judged_on = sets.given or sets.data
    how = {"estimator": order.estimator, "seed": order.seed, "without": list(order.without)}
    artifact = build_artifact(
        candidate.model,
        name=desk.settings.model.name,
        created_ms=desk.now_ms(),
        sample_columns=sides.validation.batch.columns,
        metrics=report.verdict.metrics,
        training_data={**sets.data.as_json(), "learnt": len(sides.train), **how},
        validation={**judged_on.as_json(), "examples": len(sides.validation), "rule": sides.rule.value},
        parent=report.verdict.champion_version,
        report_html=to_html(report),
    )
    desk.open(artifact)  # what could not be loaded by a service must not become a version
    version = desk.store.publish(artifact)
    desk.record(PUBLISHED, version, f"trained with {order.estimator}", {GATE: report.verdict.as_json()})
    return version


def _decide(desk: Desk, order: TrainingOrder, trained: Trained) -> Trained:
    verdict, version, before = trained.verdict, trained.version, trained.verdict.champion_version
    gate = {GATE: verdict.as_json()}
    if not verdict.decision.promote:
        reasons = "; ".join(check.detail for check in verdict.decision.failures)
        desk.record(REJECTED, version, reasons, gate)
        return replace(trained, outcome=f"not promoted: {reasons}")
    if order.promotion is Promotion.NEVER:
        return replace(
            trained, outcome=f"stored, not promoted (asked not to); 'tidemill models promote {version}' does it"
        )
    try:
        desk.make_champion(version, expected=before, event=PROMOTED, reason="passed the gate", details=gate)
    except AliasMoved as error:
        raise ServiceError(
            f"{version} is stored but not promoted, somebody else moved the champion meanwhile ({error}): "
            f"judge it against the new one with 'tidemill models promote {version} --data FILE'"
        ) from error
    replaced = f"in place of {before}" if before else "as the first champion"
    return replace(trained, is_promoted=True, outcome=f"promoted {version} {replaced}")
