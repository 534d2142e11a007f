from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.data import breast_cancer
from tests.e2e.events import Load
from tests.e2e.project import Project, ServiceProcess, ended, wait_until
from tests.e2e.services import a_configured_project, a_trained_project
from tests.e2e.stream import Stream
from tests.faults.judge import judge
from tests.support.kafka import KafkaCluster

pytestmark = pytest.mark.kafka


def test_promotion_under_load_loses_and_doubles_nothing(kafka: KafkaCluster, tmp_path: Path) -> None:
    """The version changes once in each partition, between two batches, while events keep coming."""
    data = breast_cancer(tmp_path, copies=1)
    stream = Stream(kafka, "promoted")
    project = a_trained_project(tmp_path / "work", data, stream)
    project.run("train", "--data", str(data.train), "--estimator", "logistic", "--no-promote")
    first, second = project.start_scoring("0"), project.start_scoring("1")
    load = Load(stream, data.frame)
    with ended(first, second), load.running():
        for process in (first, second):
            process.wait_for_log("Partitions assigned")
        wait_until(lambda: load.sent > 2000, what="some load")
        project.run("models", "promote", "v2", "--force", "--reason", "a test of promotion under load")
        wait_until(lambda: all("v2" in p.log for p in (first, second)), what="both workers swapped")
        sent = load.sent
        wait_until(lambda: load.sent > sent + 2000, what="load on the new version")
        load.stop()
        stream.wait_until_done()
    evidence = stream.evidence()
    assert not judge(evidence, expected_dead=[]).violations
    assert len(evidence.scores) == load.sent
    scores = [stream.decode(record.value or b"") for record in evidence.scores]
    assert versions_by_partition(scores) == {partition: ["v1", "v2"] for partition in range(4)}
    assert len({(s["source_partition"], s["scored_at"], s["model_version"]) for s in scores}) == len(
        {(s["source_partition"], s["scored_at"]) for s in scores}
    )


def test_field_added_and_another_removed_under_load_lose_no_event(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Add a field with the old champion live, train on it, promote, remove an unused field: no dead letter, no loss."""
    data = breast_cancer(tmp_path, copies=1)
    stream = Stream(kafka, "evolving")
    project = a_configured_project(tmp_path / "work", data, stream)
    every_field = fields_of(project)
    new, old = "worst_area", "mean_radius"
    set_fields(project, [f for f in every_field if f["name"] != new])
    project.run("train", "--data", str(data.train))
    project.run("topics", "create", "--partitions", "4")
    processes = [project.start_scoring("0"), project.start_scoring("1")]
    load = Load(stream, data.frame, without=frozenset({new}))
    with ended(*processes), load.running():
        for process in processes:
            process.wait_for_log("Partitions assigned")
        wait_until(lambda: load.sent > 1000, what="some load")
        set_fields(project, every_field)  # 1. the service knows the new field, the champion does not use it
        restart_in_turn(processes)
        load.without = frozenset()  # 2. producers send it
        # 3. a champion with the new field and without the old one
        project.run("train", "--data", str(data.train), "--without", old)
        wait_until(lambda: all("v2" in process.log for process in processes), what="both workers swapped")
        set_fields(project, [f for f in every_field if f["name"] != old])  # 4. nobody uses the old one any more
        restart_in_turn(processes)
        load.without = frozenset({old})
        sent = load.sent
        wait_until(lambda: load.sent > sent + 1000, what="load without the old field")
        load.stop()
        stream.wait_until_done()
    evidence = stream.evidence()
    assert not judge(evidence, expected_dead=[]).violations
    assert len(evidence.scores) == load.sent
    assert versions_by_partition([stream.decode(r.value or b"") for r in evidence.scores]) == {
        partition: ["v1", "v2"] for partition in range(4)
    }


def versions_by_partition(scores: Sequence[dict[str, Any]]) -> dict[int, list[str]]:
    """Return the runs of versions of each input partition, in the order of its offsets."""
    runs: dict[int, list[str]] = {}
    for score in sorted(scores, key=lambda s: (s["source_partition"], s["source_offset"])):
        seen = runs.setdefault(score["source_partition"], [])
        if not seen or seen[-1] != score["model_version"]:
            seen.append(score["model_version"])
    return runs


def fields_of(project: Project) -> list[dict[str, Any]]:
    """Return the fields of the service file."""
    fields: list[dict[str, Any]] = yaml.safe_load(project.config.read_text())["features"]["fields"]
    return fields


def set_fields(project: Project, fields: Sequence[dict[str, Any]]) -> None:
    """Replace the fields in the service file."""
    project.configure({"features": {"fields": list(fields)}})


def restart_in_turn(processes: Sequence[ServiceProcess]) -> None:
    """Restart one process after the other, as a rolling update does: the next only when the last is back."""
    for process in processes:
        seen = process.log.count("Partitions assigned")
        assert process.stop() == 0
        process.start()
        process.wait_for_log("Partitions assigned", count=seen + 1)
