from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.data import breast_cancer
from tests.e2e.project import Project


def test_demo_accounts_for_every_event_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a broker: simulated events, planted garbage found, a second model, and no file left."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    said = Project(tmp_path / "work").run("demo", "--seconds", "12", "--rate", "500")
    assert "every event has exactly one outcome" in said
    assert "changed their ways" in said
    assert "the buffer holds the truth" in said
    assert list(scratch.iterdir()) == []


def test_demo_scores_the_users_own_file_with_the_users_own_model(tmp_path: Path) -> None:
    """The tour without a broker: init, train, watch."""
    data = breast_cancer(tmp_path, copies=1)
    project = Project(tmp_path / "work")
    project.run("init", "--from", str(data.train), "--label", "target", "--id", "sample", str(project.folder))
    project.run("demo", "--data", str(data.events), expect=1)
    assert "tidemill train" in project.told
    project.run("train", "--data", str(data.train))
    assert "569 events: 569 scores" in project.run("demo", "--data", str(data.events))
