from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.data import breast_cancer
from tests.e2e.offline import assert_equal_offline
from tests.e2e.project import ended
from tests.e2e.services import a_trained_project
from tests.e2e.stream import Stream
from tests.faults.judge import judge
from tests.support.kafka import KafkaCluster

pytestmark = pytest.mark.kafka

COPIES = 40  # of 569 real rows
BAD: Sequence[bytes | None] = (b"", None, b"{", b"not an event", b'{"sample": "x"}', b"\xff\xfe", b"[1,2]")


@pytest.mark.parametrize(("form", "protocol"), [("json", "classic"), ("avro", "consumer")])
def test_every_event_is_scored_once_though_a_worker_is_killed_twice(
    form: str, protocol: str, kafka: KafkaCluster, tmp_path: Path
) -> None:
    """A real CSV comes out scored, each event once and in order; bad records are dead letters byte for byte."""
    data = breast_cancer(tmp_path, copies=COPIES)
    stream = Stream(kafka, f"cancer-{form}", form)
    project = a_trained_project(tmp_path / "work", data, stream, **{"group.protocol": protocol})
    before = project.tracked_files()
    steady, victim = project.start_scoring("0"), project.start_scoring("1")
    with ended(steady, victim), project.publishing(data.events, "--rate", "4000"):
        victim.wait_for_log("Partitions assigned")
        for life in (1, 2):
            victim.wait_for_log("Scoring service started", count=life)
            stream.send(list(BAD) * (len(data.frame) // 200 // len(BAD) + 1))  # half a percent each time
            victim.kill()
            victim.start()
        project.wait_until_published()
        stream.wait_until_done()
        victim.wait_for_log("Scoring service started", count=3)  # from here on it knows what SIGTERM means
        assert (steady.stop(), victim.stop()) == (0, 0)
    evidence = stream.evidence()
    planted = [record.source for record in evidence.inputs if record.value in BAD]
    assert not judge(evidence, expected_dead=planted).violations
    assert len(planted) >= len(data.frame) // 100
    assert len(evidence.scores) == len(data.frame)
    assert_equal_offline(project, data, [stream.decode(record.value or b"") for record in evidence.scores])
    assert project.tracked_files() == before
