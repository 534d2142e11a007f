from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service import buffer_tables
from service.buffer_checks import buffer_checks, buffer_kafka_checks
from service.checks import Check, Status
from service.cluster import Denied, TopicFacts
from service.settings import Settings, settings_from
from tests.unit.service.test_checks import FACTS, GOOD


def settings(folder: Path = Path(), *, fields: Iterable[str] = ("x",), **sections: Any) -> Settings:
    """Return settings of a service called fraud."""
    given = {"fields": [{"name": name, "type": "double"} for name in fields]}
    return settings_from({"name": "fraud", "features": given, **sections}, folder=folder)


def found(changes: dict[str, TopicFacts | Denied | None], **sections: Any) -> list[Check]:
    """Return what is said of a good cluster with some topics of other facts, by their last name."""
    others = {f"fraud.{name}": facts for name, facts in changes.items()}
    topics = {**FACTS.topics, "fraud.labels": GOOD, "fraud.shadow-scores": None, **others}
    return list(buffer_kafka_checks(settings(**sections), replace(FACTS, topics=topics)))


def test_good_cluster_gives_nothing_to_do() -> None:
    """A challenger's topic need not be there before there is a challenger."""
    assert {check.status for check in found({})} == {Status.OK}


@pytest.mark.parametrize(("inline", "status"), [(None, Status.WARN), ("is_fraud", Status.OK)])
def test_service_without_any_label_is_warned(inline: str | None, status: Status) -> None:
    """It scores, and never learns; where events carry their label no topic is needed."""
    assert found({"labels": None}, labels={"inline": inline})[0].status is status


@pytest.mark.parametrize(
    ("name", "facts", "said"),
    [
        ("labels", Denied("not authorised"), "not authorised"),
        ("labels", replace(GOOD, operations=frozenset({"WRITE"})), "READ is not allowed"),
        ("labels", replace(GOOD, settings={"cleanup.policy": "compact"}), "all labels of a key but the last"),
        ("shadow-scores", replace(GOOD, operations=frozenset({"READ"})), "WRITE is not allowed"),
        ("features", replace(GOOD, name="fraud.features", settings={"retention.ms": "3600000"}), "for 1h"),
        ("scores", replace(GOOD, name="fraud.scores", settings={"retention.ms": "60000"}), "for 1m"),
    ],
)
def test_what_would_lose_labels_or_rows_is_a_warning(name: str, facts: TopicFacts | Denied, said: str) -> None:
    """Never a failure: events are scored whatever becomes of the buffer."""
    bad = [check for check in found({name: facts}) if check.status is not Status.OK]
    assert [check.status for check in bad] == [Status.WARN] * len(bad)
    assert any(said in check.detail and check.remedy for check in bad)


def test_retention_must_outlast_the_flushes() -> None:
    """Who flushes once a day needs more than a day in the topic."""
    day = replace(GOOD, settings={"retention.ms": str(25 * 3_600_000)})
    for interval, warned in (("60s", False), ("12h", True)):
        checks = found({"features": day}, buffer={"flush_interval": interval})
        assert [c.name for c in checks if c.status is Status.WARN] == ["retention"] * warned


def test_folder_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    """Also where it is not there yet: then its parent is."""
    for sections in ({}, {"buffer": {"uri": "deep/er"}}):
        [check] = buffer_checks(settings(tmp_path, **sections))
        assert (check.status, list(tmp_path.iterdir())) == (Status.OK, [])
    assert "is made when needed" in check.detail


def test_place_that_is_no_folder_is_a_warning(tmp_path: Path) -> None:
    """A path that was mistyped is told as what it is."""
    (tmp_path / "buffer").write_text("a file")
    [check] = buffer_checks(settings(tmp_path))
    assert (check.status, "not a directory" in check.detail) == (Status.WARN, True)


def test_field_called_like_a_column_of_the_buffer_is_a_warning(tmp_path: Path) -> None:
    """It can be scored; buffering would refuse it."""
    checks = list(buffer_checks(settings(tmp_path, fields=["event_time"])))
    assert [check.status for check in checks] == [Status.WARN, Status.OK]
    assert "give the field another 'name'" in checks[0].detail


def test_object_storage_is_not_tried(tmp_path: Path) -> None:
    """The doctor has no time for its timeouts, and says so."""
    [check] = buffer_checks(settings(tmp_path, buffer={"uri": "s3://bucket/fraud"}))
    assert (check.status, "not tried" in check.detail) == (Status.OK, True)


def test_missing_extra_is_one_clear_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who only scores has not installed it, and need not."""
    monkeypatch.setattr(buffer_tables, "find_spec", lambda name: None if name == "deltalake" else object())
    [check] = buffer_checks(settings(tmp_path))
    assert (check.status, "pip install 'tidemill[buffer]'" in check.detail) == (Status.WARN, True)
