"""A service as the tour makes it, ready to be worked with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.data import DataSet
from tests.e2e.project import Project
from tests.e2e.stream import Stream

PARTITIONS = "4"


def a_configured_project(folder: Path, data: DataSet, stream: Stream, **consumer: Any) -> Project:
    """Return a project after `init`, with the test's broker in its service file."""
    project = Project(folder)
    project.run(
        "init", "--from", str(data.train), "--label", "target", "--id", "sample", "--name", stream.name, str(folder)
    )
    project.configure(
        {
            "kafka": stream.settings(**consumer),
            "features": {"format": stream.form},
            "output": {"format": stream.form},
            "model": {"positive": "malignant"},
            "batch": {"max_records": 500},
        }
    )
    return project


def a_trained_project(folder: Path, data: DataSet, stream: Stream, **consumer: Any) -> Project:
    """Return a project after `init`, `train` and `topics create`."""
    project = a_configured_project(folder, data, stream, **consumer)
    project.run("train", "--data", str(data.train))
    project.run("topics", "create", "--partitions", PARTITIONS)
    return project
