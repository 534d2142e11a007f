"""`publish --resume` and `publish --labels` on a real broker, as a person runs and interrupts them."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from features.tables import file_digest
from service.cli import run
from tests.faults.collect import read_all
from tests.support.kafka import KafkaCluster, unique_name
from tests.support.kafka_scoring import wait_until
from tests.support.registry import HttpRegistry

pytestmark = pytest.mark.kafka

ROWS = 3000
BAD_LINE = 700
RATE = "300"


class Desk:
    """A service file, a file of events, and what is on the topics."""

    def __init__(self, cluster: KafkaCluster, folder: Path) -> None:
        """Write both files and make the topics."""
        self.conf = cluster.client_settings
        self.name = unique_name("publish")
        self.folder = folder
        self.events = folder / "events.csv"
        self.write(ROWS)
        for topic in ("features", "labels"):
            cluster.create_topic(f"{self.name}.{topic}", partitions=2)
        self.configure(labels={"id": "ref", "label": "status", "map": {"CB": "fraud", "OK": "ok"}})

    def configure(self, **sections: object) -> None:
        """Write the service file."""
        features = {"id": "id", "key": "card", "fields": [{"name": "x", "type": "double"}]}
        data = {"name": self.name, "kafka": dict(self.conf), "features": features, **sections}
        file = self.folder / "tidemill.yaml"
        file.write_text(json.dumps(data))
        file.chmod(0o600)

    def write(self, rows: int) -> None:
        """Write the file of events; one line is none."""
        lines = [f"e{n},c{n % 7},{'?' if n == BAD_LINE else n}\n" for n in range(2, rows + 2)]
        self.events.write_text("id,card,x\n" + "".join(lines))

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start to publish."""
        command = [sys.executable, "-P", "-m", "service", "publish", str(self.events), "--resume", *options]
        return subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True)

    def bookmark(self) -> int:
        """Return the last line that is dealt with, as anybody can look it up."""
        group = f"{self.name}.publish.{file_digest(self.events)[:16]}"
        reader = Consumer({**self.conf, "group.id": group, "isolation.level": "read_committed"})
        try:
            return int(reader.committed([TopicPartition(f"{self.name}.features", 0)], timeout=20)[0].offset)
        finally:
            reader.close()

    def published(self, topic: str = "features") -> list[str]:
        """Return the ids of the events that a reader of committed records sees, sorted by number."""
        found = [json.loads(message.value() or b"") for message in read_all(dict(self.conf), f"{self.name}.{topic}")]
        return sorted((event["id"] for event in found), key=lambda name: int(name[1:]))

    def expected(self, rows: int = ROWS) -> list[str]:
        """Return the ids of the good rows of the file."""
        return [f"e{n}" for n in range(2, rows + 2) if n != BAD_LINE]


@pytest.fixture
def desk(kafka: KafkaCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return topics and files of this test's own."""
    monkeypatch.chdir(tmp_path)
    return Desk(kafka, tmp_path)


@pytest.mark.parametrize("seed", [1, 2])
def test_publish_that_is_killed_again_and_again_publishes_each_row_once(desk: Desk, seed: int) -> None:
    """SIGKILL at any moment, and the last of the interruptions a Ctrl-C, which says how to go on."""
    chance = random.Random(seed)
    for end in (signal.SIGKILL, signal.SIGKILL, signal.SIGINT):
        line = desk.bookmark()
        with desk.start("--rate", RATE) as process:
            wait_until(lambda line=line: desk.bookmark() > line, "some progress")  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.2))
            process.send_signal(end)
            said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "the same command goes on from there" in said
    assert 0 < len(desk.published()) < ROWS - 1
    with desk.start() as process:
        assert "lines up to" in process.communicate(timeout=60)[1]
    assert desk.published() == desk.expected()
    with desk.start() as process:
        assert "nothing left to publish" in process.communicate(timeout=60)[1]
    assert (process.returncode, desk.published()) == (0, desk.expected())


def test_second_publish_of_a_file_takes_over_from_a_frozen_first(desk: Desk) -> None:
    """A laptop that slept must not publish what somebody else has published meanwhile."""
    with desk.start("--rate", "60") as first:  # not done for a long while, however busy the machine is
        wait_until(lambda: desk.bookmark() > 0, "some progress")
        first.send_signal(signal.SIGSTOP)
        with desk.start() as second:
            second.communicate(timeout=60)
        first.send_signal(signal.SIGCONT)
        said = first.communicate(timeout=60)[1]
    took_over, unknown = "another 'publish --resume' of this file has begun", "the same command goes on from there"
    # As a rule the client says that it was fenced; where its last call only has no outcome, nobody can tell.
    assert {4: took_over, 1: unknown}.get(first.returncode, "no end") in said, (first.returncode, said)
    assert desk.published() == desk.expected()


def test_changed_file_is_a_new_file(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """What is known by its content is forgotten with it: every row of the new one goes out."""
    publish = ["publish", "events.csv", "--resume"]
    assert [run(publish), run(publish)] == [1, 0]
    desk.write(ROWS + 1)
    assert run(publish) == 1
    assert f"published {ROWS} events" in capsys.readouterr().err
    assert len(desk.published()) == len(desk.expected()) + len(desk.expected(ROWS + 1))


def test_publish_without_resume_is_twice_what_it_is_twice(desk: Desk) -> None:
    """Nothing is remembered where nobody asked for it."""
    assert [run(["publish", "events.csv"]) for _ in range(2)] == [1, 1]
    assert len(desk.published()) == 2 * len(desk.expected())


LABELS = "ref,card,status\n" + "".join(f"e{n},c{n % 7},{('CB', 'OK', '', 'what')[n % 4]}\n" for n in range(40))


def test_labels_are_published_in_the_users_shape_and_shown(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Keyed as the events are; what is no label is told and left out; running it again sends nothing."""
    (desk.folder / "labels.csv").write_text(LABELS)
    publish = ["publish", "labels.csv", "--labels", "--resume"]
    assert [run(publish), run(publish)] == [1, 0]
    assert "line 5: label: the text 'what' is none of the classes (fraud, ok)" in capsys.readouterr().err
    assert run(["tail", "labels", "--from-beginning", "--limit", "30", "--json"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(r["key"], r["value"]["ref"], r["value"]["status"]) for r in shown} == {
        (f"c{n % 7}", f"e{n}", ("CB", "OK", None)[n % 4]) for n in range(40) if n % 4 != 3
    }
    assert len(read_all(dict(desk.conf), f"{desk.name}.labels")) == 30


def test_labels_in_avro_go_by_the_schema_that_topics_create_registers(
    desk: Desk, registry: HttpRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    """From an empty registry to labels that every reader can decode."""
    labels = {"id": "ref", "label": "status", "classes": ["CB", "OK", "what"]}
    desk.configure(labels=labels, schema_registry={"url": registry.url})
    (desk.folder / "labels.csv").write_text(LABELS)
    assert [run(["topics", "create"]), run(["publish", "labels.csv", "--labels"])] == [0, 0]
    assert f"created  {desk.name}.labels-value (schema)" in capsys.readouterr().out
    assert run(["tail", "labels", "--from-beginning", "--limit", "40", "--json"]) == 0
    shown = [json.loads(line)["value"] for line in capsys.readouterr().out.splitlines()]
    assert {value["ref"]: value["status"] for value in shown} == {
        f"e{n}": ("CB", "OK", None, "what")[n % 4] for n in range(40)
    }
