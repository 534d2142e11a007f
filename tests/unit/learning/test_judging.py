from __future__ import annotations

import pytest

from learning.evaluation import Unjudged
from learning.gate import PromotionPolicy
from learning.judging import Exam, Incumbent, judge
from learning.training import TrainingSpec, train
from models.base import Task
from tests.support.examples import FakeModel, some_examples

POLICY = PromotionPolicy(Task.CLASSIFICATION, "average_precision", positive="1")
CANDIDATE = train(some_examples(500), spec=TrainingSpec(Task.CLASSIFICATION))
EXAM = Exam(CANDIDATE.split.validation, CANDIDATE.constant, known=500)


def test_judge_promotes_the_first_model_against_a_constant() -> None:
    """An empty store takes a model that knows more than the frequencies."""
    verdict = judge(CANDIDATE.model, None, exam=EXAM, policy=POLICY)
    assert verdict.decision.promote
    assert verdict.metrics["holdout.average_precision"] > 0.9


def test_judge_refuses_the_constant_itself() -> None:
    """A model that ignores its input is not promoted, not even as the first."""
    verdict = judge(CANDIDATE.constant, None, exam=EXAM, policy=POLICY)
    assert [check.name for check in verdict.decision.failures] == ["not_constant", "beats_constant"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Unjudged("its artifact is broken"), "its artifact is broken"),
        (FakeModel(task=Task.REGRESSION), "it is a regression"),
        (FakeModel(classes=("a", "b")), "does not know the class '1'"),
    ],
)
def test_judge_does_not_promote_over_a_champion_it_cannot_judge(model: FakeModel | Unjudged, reason: str) -> None:
    """Whoever wants to replace such a champion says so with a name and a reason."""
    verdict = judge(CANDIDATE.model, Incumbent("v1", model), exam=EXAM, policy=POLICY)
    (failure,) = verdict.decision.failures
    assert failure.name == "against_champion"
    assert reason in failure.detail


def test_verdict_as_json_names_the_champion_and_all_figures() -> None:
    """The log shows later what was compared with what."""
    recorded = judge(CANDIDATE.model, Incumbent("v3", CANDIDATE.model), exam=EXAM, policy=POLICY).as_json()
    assert recorded["champion_version"] == "v3"
    assert recorded["candidate"] == recorded["champion"]
    assert recorded["constant"]["roc_auc"] == 0.5
