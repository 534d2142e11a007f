from __future__ import annotations

from dataclasses import replace

import pytest

from learning.errors import PolicyError
from learning.evaluation import Evaluation, Judgement, Unjudged
from learning.gate import PromotionPolicy, decide, required_examples
from models.base import Task

POLICY = PromotionPolicy(Task.CLASSIFICATION, "average_precision", positive="1")
VALUES = PromotionPolicy(Task.REGRESSION, "rmse", max_loss=0.05)
GOOD = Evaluation({"average_precision": 0.9, "roc_auc": 0.95}, 1000, {"0": 900, "1": 100}, 0.8)
CONSTANT = Evaluation({"average_precision": 0.1, "roc_auc": 0.5}, 1000, {"0": 900, "1": 100}, 0.0)
ERRORS = Evaluation({"rmse": 10.0, "mae": 8.0}, 1000, {}, 50.0)


def having(evaluation: Evaluation, **metrics: float) -> Evaluation:
    """Return the evaluation with other figures."""
    return replace(evaluation, metrics={**evaluation.metrics, **metrics})


@pytest.mark.parametrize(
    ("candidate", "champion", "policy", "failed"),
    [
        pytest.param(GOOD, None, POLICY, [], id="first model beats a constant"),
        pytest.param(having(GOOD, average_precision=0.1), None, POLICY, ["beats_constant"], id="no better"),
        pytest.param(GOOD, having(GOOD, average_precision=0.904), POLICY, [], id="within the tolerance"),
        pytest.param(GOOD, having(GOOD, average_precision=0.905), POLICY, [], id="exactly the tolerance"),
        pytest.param(GOOD, having(GOOD, average_precision=0.906), POLICY, ["against_champion"], id="beyond it"),
        pytest.param(GOOD, Unjudged("no field x"), POLICY, ["against_champion"], id="champion not judged"),
        pytest.param(GOOD, Evaluation({}, 1, {}, 0.0), POLICY, ["against_champion"], id="champion undefined"),
        pytest.param(Unjudged("it failed"), None, POLICY, ["scores"], id="candidate fails"),
        pytest.param(replace(GOOD, spread=0.0), None, POLICY, ["not_constant"], id="always the same"),
        pytest.param(replace(GOOD, n=499), None, POLICY, ["enough_examples"], id="too few"),
        pytest.param(replace(GOOD, class_counts={"0": 996, "1": 4}), None, POLICY, ["classes"], id="few positives"),
        pytest.param(replace(GOOD, metrics={}), None, POLICY, ["metric"], id="metric undefined"),
        pytest.param(GOOD, None, replace(POLICY, floor={"roc_auc": 0.95}), [], id="on the floor"),
        pytest.param(GOOD, None, replace(POLICY, floor={"roc_auc": 0.96}), ["floor"], id="below the floor"),
        pytest.param(GOOD, None, replace(POLICY, floor={"f1": 0.1}), ["floor"], id="floor undefined"),
        pytest.param(ERRORS, having(ERRORS, rmse=9.6), VALUES, [], id="5 % more error is within 5 %"),
        pytest.param(ERRORS, having(ERRORS, rmse=9.4), VALUES, ["against_champion"], id="6 % more error"),
        pytest.param(ERRORS, ERRORS, replace(VALUES, floor={"mae": 7.0}), ["floor"], id="an error has a ceiling"),
    ],
)
def test_decide_promotes_only_what_passes_every_check(
    candidate: Judgement, champion: Judgement | None, policy: PromotionPolicy, failed: list[str]
) -> None:
    """One failed check forbids the promotion and is named; nothing else is."""
    decision = decide(candidate, champion, constant=CONSTANT, policy=policy, known=10_000)
    assert [check.name for check in decision.failures] == failed
    assert decision.promote is (not failed)


def test_decide_without_a_champion_needs_a_judged_constant() -> None:
    """A comparison that could not be made is not a comparison that was won."""
    decision = decide(GOOD, None, constant=Unjudged("no"), policy=POLICY, known=10_000)
    assert [check.name for check in decision.failures] == ["beats_constant"]


def test_decide_says_when_a_small_data_set_lowers_the_requirement() -> None:
    """Some hundred rows are usable, and the person reads that the policy asks for more."""
    small = replace(GOOD, n=114, class_counts={"0": 71, "1": 43})
    decision = decide(small, None, constant=CONSTANT, policy=POLICY, known=569)
    detail = next(check.detail for check in decision.checks if check.name == "enough_examples")
    assert decision.promote
    assert detail == (
        "114 validation examples, 113 required (promotion.min_examples is 500; "
        "there are only 569 labelled examples in all)"
    )


@pytest.mark.parametrize(
    ("min_examples", "known", "expected"),
    [(500, 2500, 500), (500, 2499, 499), (50, 569, 50), (500, 30, 20), (5, 10_000, 20)],
)
def test_required_examples_never_fall_below_evidence(min_examples: int, known: int, expected: int) -> None:
    """The policy's number, a fifth of too little data, and twenty whatever is asked."""
    assert required_examples(min_examples, known) == expected


def test_policy_refuses_a_metric_of_the_other_task() -> None:
    """A floor that could never be looked at is a mistake in the service file."""
    with pytest.raises(PolicyError, match="'rmse'"):
        PromotionPolicy(Task.CLASSIFICATION, "roc_auc", floor={"rmse": 1.0})


def test_decision_as_json_keeps_every_check() -> None:
    """The log shows later why a version was or was not promoted."""
    recorded = decide(GOOD, None, constant=CONSTANT, policy=POLICY, known=10_000).as_json()
    assert recorded["promote"] is True
    assert [check["name"] for check in recorded["checks"]] == [
        "scores",
        "not_constant",
        "enough_examples",
        "classes",
        "beats_constant",
    ]
