"""`tidemill run` on a real broker: starts, scores, buffers, stops; ends when a part of it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from buffer.delta_tables import DeltaTables
from service.buffer_tables import build_tables
from service.cli import run
from service.settings import load_settings
from tests.faults.collect import read_all
from tests.support.kafka import KafkaCluster, unique_name
from tests.support.kafka_broker import free_port
from tests.support.kafka_scoring import wait_until

pytestmark = pytest.mark.kafka

ROWS = 200
PATIENCE_S = 90.0


class Project:
    """A trained service on topics of its own."""

    def __init__(self, cluster: KafkaCluster, folder: Path) -> None:
        """Write the files, train, make the topics."""
        self.conf = dict(cluster.client_settings)
        self.name = unique_name("run")
        self.folder = folder
        self.port = free_port()
        data: dict[str, Any] = {
            "name": self.name,
            "kafka": self.conf,
            "features": {"id": "id", "fields": [{"name": "x", "type": "double"}]},
            "labels": {"inline": "label"},
            "admin": {"port": self.port},
            "buffer": {"flush_interval": "500ms"},
            "promotion": {"min_examples": 10},
        }
        (folder / "tidemill.yaml").write_text(json.dumps(data))
        (folder / "tidemill.yaml").chmod(0o600)
        rows = "".join(f"e{n},{n % 10},{int(n % 10 > 4)}\n" for n in range(ROWS))
        (folder / "data.csv").write_text("id,x,label\n" + rows)
        (folder / "labels.csv").write_text("event_id,label\n" + "".join(f"e{n},{n % 2}\n" for n in range(ROWS)))
        assert [run(["train", "--data", "data.csv"]), run(["topics", "create"])] == [0, 0]

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run everything while the block runs, with the logs in a file; nothing is left behind."""
        with (self.folder / "log").open("wb") as log:
            command = [sys.executable, "-P", "-m", "service", "run"]
            process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        try:
            yield process
        finally:
            for pid in [*self.parts().values(), process.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()

    def logs(self) -> list[dict[str, Any]]:
        """Return the lines of all parts and of the supervisor; every one of them is JSON."""
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines() if line.endswith("}")]

    def parts(self) -> dict[str, int]:
        """Return the processes of the parts."""
        return {line["part"]: line["pid"] for line in self.logs() if line["event"] == "Part started"}

    def is_ready(self, port: int) -> bool:
        """Return whether a part says that it is ready."""
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def tables(self) -> DeltaTables:
        """Return the tables of the buffer."""
        return build_tables(load_settings(self.folder / "tidemill.yaml", environment={}).settings)

    def buffered(self) -> dict[str, int]:
        """Return the rows of each table."""
        return {table.name.value: table.snapshot().dataset().count_rows() for table in self.tables()}


@pytest.fixture
def project(kafka: KafkaCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a trained service."""
    monkeypatch.chdir(tmp_path)
    return Project(kafka, tmp_path)


def test_run_scores_and_buffers_until_it_is_told_to_stop(project: Project) -> None:
    """One command, one signal: each event scored once, event, score and label in the tables, a good end."""
    with project.running() as process:
        wait_until(lambda: project.is_ready(project.port) and project.is_ready(project.port + 1), "both parts")
        assert [run(["publish", "data.csv"]), run(["publish", "labels.csv", "--labels"])] == [0, 0]
        expected = dict.fromkeys(("features", "scores", "labels"), ROWS)
        wait_until(lambda: project.buffered() == expected, "all rows")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert len(read_all(project.conf, f"{project.name}.scores")) == ROWS
    assert project.buffered() == expected
    assert {line["part"] for line in project.logs() if "part" in line} == {"score", "buffer"}


@pytest.mark.parametrize("victim", ["score", "buffer"])
def test_run_ends_when_a_part_of_it_dies(project: Project, victim: str) -> None:
    """Half a service is none: whoever runs it must see it, and the other part is not left behind."""
    with project.running() as process:
        wait_until(lambda: len(project.parts()) == 2, "both parts")
        wait_until(lambda: project.is_ready(project.port) and project.is_ready(project.port + 1), "both parts")
        os.kill(project.parts()[victim], signal.SIGKILL)
        assert process.wait(PATIENCE_S) == 128 + signal.SIGKILL
        other = next(pid for name, pid in project.parts().items() if name != victim)
        with pytest.raises(ProcessLookupError):
            os.kill(other, 0)
