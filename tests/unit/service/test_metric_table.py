from __future__ import annotations

from pathlib import Path

import pytest

from service.metric_table import METRICS, AnyMetric, CounterMetric, to_markdown

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_metric_table_is_what_the_page_says() -> None:
    """The page is generated; run ``python -m service.metric_table > docs/metrics.md`` after a change."""
    assert PAGE.read_text(encoding="utf-8") == to_markdown()


def test_metric_table_names_each_metric_once() -> None:
    """Two rows of one name would be one metric with two meanings."""
    names = [metric.name for metric in METRICS]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metric_table_keeps_the_naming_rules(metric: AnyMetric) -> None:
    """Counters and only counters end in ``_total``; times end in their unit; ``service`` comes first."""
    is_counter = isinstance(metric, CounterMetric)
    ends_in_unit = metric.unit != "seconds" or metric.name.endswith("_seconds")
    assert (metric.name.endswith("_total"), ends_in_unit, metric.label_names[0]) == (is_counter, True, "service")
