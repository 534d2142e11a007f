from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from learning.gate import PromotionPolicy
from learning.judging import Exam, Incumbent, judge
from learning.report import Report, to_text
from learning.report_html import to_html
from learning.training import TrainingSpec, train
from models.base import Task
from tests.support.examples import some_examples, some_values

POLICY = PromotionPolicy(Task.CLASSIFICATION, "average_precision", positive="1")
CANDIDATE = train(some_examples(500), spec=TrainingSpec(Task.CLASSIFICATION))
VERDICT = judge(
    CANDIDATE.model,
    Incumbent("v1", CANDIDATE.model),
    exam=Exam(CANDIDATE.split.validation, CANDIDATE.constant, known=500),
    policy=POLICY,
)
REPORT = Report("fraud: sgd", (("data", "x.csv"),), {"0": 280, "1": 120}, {"0": 70, "1": 30}, VERDICT)


class Tags(HTMLParser):
    """Collects the tags and the attributes that would fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.tags.add(tag)
        self.fetched += [name for name, _ in attrs if name in ("src", "href", "onload", "onclick")]


def parsed(page: str) -> Tags:
    """Return what the page holds."""
    tags = Tags()
    tags.feed(page)
    return tags


def test_to_text_shows_champion_and_constant_beside_the_candidate() -> None:
    """A figure means nothing without what it is compared with."""
    lines = to_text(REPORT).splitlines()
    (header,) = [line for line in lines if line.startswith("metric")]
    (ranking,) = [line for line in lines if line.startswith("roc_auc")]
    assert header.split() == ["metric", "candidate", "champion", "v1", "constant"]
    assert ranking.split()[-3:] == [ranking.split()[-2], ranking.split()[-2], "0.5000"]


def test_to_text_of_a_rejection_says_which_check_failed() -> None:
    """The reason stands where the person looks."""
    verdict = judge(
        CANDIDATE.model,
        None,
        exam=Exam(CANDIDATE.split.validation, CANDIDATE.constant, known=500),
        policy=replace(POLICY, floor={"roc_auc": 1.0}),
    )
    failed = [line for line in to_text(replace(REPORT, verdict=verdict)).splitlines() if "FAILED" in line]
    assert [line.split()[0] for line in failed] == ["floor"]


def test_to_html_escapes_what_comes_from_data() -> None:
    """A class or file named like markup cannot put anything into the page."""
    nasty = "<script>alert(1)</script>"
    page = to_html(replace(REPORT, title=nasty, facts=((nasty, nasty),), learnt={nasty: 1}))
    assert "script" not in parsed(page).tags
    assert page.count("&lt;script&gt;") == 5


def test_to_html_stands_alone_and_draws_both_curves() -> None:
    """The page opens years later on a machine without a network."""
    page = to_html(REPORT)
    assert parsed(page).fetched == []
    assert page.count("<polyline") == 4


def test_reports_of_a_regression_have_no_classes() -> None:
    """What does not exist takes no room."""
    candidate = train(some_values(), spec=TrainingSpec(Task.REGRESSION))
    policy = PromotionPolicy(Task.REGRESSION, "rmse")
    exam = Exam(candidate.split.validation, candidate.constant, known=200)
    report = Report("prices: sgd", (), {}, {}, judge(candidate.model, None, exam=exam, policy=policy))
    assert "class" not in to_text(report)
    assert "<polyline" not in to_html(report)
