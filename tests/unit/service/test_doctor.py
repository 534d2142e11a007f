from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.checks import Status
from service.doctor import model_checks
from service.settings import Settings, settings_from


def settings(folder: Path, **model: Any) -> Settings:
    """Return settings whose model store is in a folder."""
    fields = {"fields": [{"name": "x", "type": "double"}]}
    return settings_from({"name": "fraud", "features": fields, "model": {"store": "store", **model}}, folder=folder)


@pytest.mark.parametrize(("when_missing", "status"), [("wait", Status.WARN), ("fail", Status.FAIL)])
def test_model_checks_see_that_there_is_no_champion_yet(tmp_path: Path, when_missing: str, status: Status) -> None:
    """A service that waits for a model is fine; one that stops without one is not."""
    store, champion = model_checks(settings(tmp_path, when_missing=when_missing))
    assert (store.status, champion.status) == (Status.OK, status)
    assert "tidemill train" in champion.remedy


def test_model_checks_see_a_champion_that_does_not_load(tmp_path: Path) -> None:
    """The alias names a version that is not there: the worker would not score either."""
    alias = tmp_path / "store" / "fraud" / "aliases" / "champion"
    alias.parent.mkdir(parents=True)
    alias.write_text("v7\n")
    champion = list(model_checks(settings(tmp_path)))[-1]
    assert champion.status is Status.FAIL
    assert "v7" in champion.detail


def test_model_checks_see_a_store_that_is_no_folder(tmp_path: Path) -> None:
    """A path that was mistyped is told as what it is."""
    (tmp_path / "store").write_text("a file")
    assert Status.FAIL in [check.status for check in model_checks(settings(tmp_path))]
