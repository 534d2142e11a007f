from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from producer.broker import InMemoryBroker
from service import buffer_tables
from service.demo_buffer import Buffered, build_demo_buffer
from service.settings import settings_from

RIGHT = Buffered(
    rows={"features": 2, "labels": 1},
    wanted_rows={"features": 2, "labels": 1},
    outcomes={"matched": 1},
    wanted_outcomes={"matched": 1},
    examples=1,
    wanted_examples=1,
    wrong=0,
)


@pytest.mark.parametrize(
    "change",
    [{"rows": {"features": 3, "labels": 1}}, {"outcomes": {"pending": 1}}, {"examples": 2}, {"wrong": 1}],
)
def test_demo_finds_a_fault_of_the_buffer(change: dict[str, Any]) -> None:
    """A row too many, a label in the wrong place, an example with another label: each is a fault."""
    assert RIGHT.is_right
    assert not replace(RIGHT, **change).is_right


def test_demo_goes_on_without_the_extra_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed the libraries of the tables still sees events being scored."""
    monkeypatch.setattr(buffer_tables, "find_spec", lambda _name: None)
    settings = settings_from({"name": "p", "features": {"fields": [{"name": "x", "type": "double"}]}}, folder=Path())
    said: list[str] = []
    assert build_demo_buffer(settings, InMemoryBroker(), seed=1, say=said.append) is None
    assert "pip install 'tidemill[buffer]'" in said[0]
