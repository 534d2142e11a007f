"""What a person reads about a training run: the facts, and the text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from learning.judging import Verdict, figures
from learning.metrics import METRICS
from learning.text_table import aligned


@dataclass(frozen=True, slots=True)
class Report:
    """The facts of one judged candidate.

    Attributes:
        title: What it is about, one line (model name and estimator).
        facts: Name and value of what is known about data and split, in order.
        learnt: Training examples of each class; empty for a regression.
        judged: Validation examples of each class.
        verdict: Figures and decision.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    learnt: Mapping[str, int]
    judged: Mapping[str, int]
    verdict: Verdict


def class_rows(report: Report) -> list[tuple[str, ...]]:
    """Return the class balance as rows below a header; nothing for a regression."""
    if not report.learnt:
        return []
    names = [*report.learnt, *(name for name in report.judged if name not in report.learnt)]
    rows = [(name, str(report.learnt.get(name, 0)), str(report.judged.get(name, 0))) for name in names]
    return [("class", "learnt from", "judged on"), *rows]


def metric_rows(report: Report) -> list[tuple[str, ...]]:
    """Return the figures as rows below a header, the champion's and the constant's beside the candidate's."""
    verdict = report.verdict
    columns = {"candidate": figures(verdict.candidate)}
    if verdict.champion_version is not None:
        columns[f"champion {verdict.champion_version}"] = figures(verdict.champion)
    columns["constant"] = figures(verdict.constant)
    shown = [name for name, row in METRICS.items() if row.task is verdict.policy.task]
    rows = [
        (
            f"{name} ({'higher' if METRICS[name].higher_is_better else 'lower'} is better)",
            *(_shown(column.get(name)) for column in columns.values()),
        )
        for name in shown
    ]
    return [("metric", *columns), *rows]


def check_rows(report: Report) -> list[tuple[str, ...]]:
    """Return the checks of the gate as rows below a header."""
    checks = report.verdict.decision.checks
    rows = [(check.name, "passed" if check.passed else "FAILED", check.detail) for check in checks]
    return [("check", "result", "what was found"), *rows]


def to_text(report: Report) -> str:
    """Return the report for a terminal: aligned columns, nothing cut off, no colour."""
    facts = [f"{name}: {value}" for name, value in report.facts]
    numbers = [aligned(rows, right_from=1) for rows in (class_rows(report), metric_rows(report)) if rows]
    blocks = [[report.title, *facts], *numbers, aligned(check_rows(report))]
    return "\n\n".join("\n".join(block) for block in blocks)


def _shown(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.4f}"
