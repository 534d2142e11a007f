from __future__ import annotations

import random
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
import yaml
from confluent_kafka import Producer
from deltalake import DeltaTable

from models.trusted_types import TRUSTED_TYPES
from tests.e2e.labels import CLASSES, FIELDS, SETTINGS, LateLabels, draw_events
from tests.e2e.project import Project, ServiceProcess, ended, wait_until
from tests.e2e.stream import Stream
from tests.faults.buffer_collect import read_log, stands_beyond
from tests.support.kafka import KafkaCluster, unique_name

pytestmark = pytest.mark.kafka

SEED = 20
EVENTS, LABELLED = 100_000, 30_000
HALF = EVENTS // 2
BAD: tuple[bytes | None, ...] = (b"{", b"", None, b'{"txn": "x"}')
COLUMNS = ["event_id", "event_time", *FIELDS, "label", "label_time", "live_version", "sample_weight"]


def test_examples_equal_what_a_plain_script_computes_of_the_truth(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Labels late, doubled, corrected, retracted, orphaned, refused, early; five kills: every example is there once."""
    truth, stream = LateLabels(SEED, EVENTS, LABELLED), Stream(kafka, unique_name("late"))
    project = a_service(tmp_path / "work", stream)
    scorer = project.start_scoring("0")
    buffers = [project.start_buffering("0"), project.start_buffering("1")]
    killer = Killer(buffers)
    with ended(scorer, *buffers):
        publish(stream, "labels", truth.label_values(0, truth.early))
        publish(stream, "features", truth.event_values(0, HALF))
        stream.send(BAD)
        killer.kill(2)
        stream.wait_until_done()
        project.run("models", "promote", "v2", "--force", "--reason", "a test of late labels")
        wait_until(lambda: "v2" in scorer.log, what="the second version is live")
        publish(stream, "features", truth.event_values(HALF, EVENTS))
        publish(stream, "labels", truth.label_values(truth.early, len(truth.labels) // 2))
        killer.kill(2)
        publish(stream, "labels", truth.label_values(len(truth.labels) // 2, len(truth.labels)))
        killer.kill(1)
        stream.wait_until_done()
        wait_until_buffered(project, stream)
    assert {table: rows_of(project, table) for table in ("features", "scores", "labels")} == {
        "features": EVENTS,
        "scores": EVENTS,
        "labels": len(truth.labels),
    }
    project.run("buffer", "export", "examples.parquet")
    assert_equal(pd.read_parquet(project.folder / "examples.parquet"), expected_examples(project, truth))


class Killer:
    """Kills workers at seeded moments and starts them again."""

    def __init__(self, workers: list[ServiceProcess]) -> None:
        """Take workers that were just started."""
        self._lives = dict.fromkeys(workers, 1)
        self._chance = random.Random(SEED)

    def kill(self, times: int) -> None:
        """Kill a worker that has partitions, so many times."""
        for _ in range(times):
            victim = self._chance.choice(list(self._lives))
            victim.wait_for_log("Partitions assigned", count=self._lives[victim])
            time.sleep(self._chance.uniform(0.0, 1.5))  # the fault's own schedule
            victim.kill()
            self._lives[victim] = victim.log.count("Partitions assigned") + 1
            victim.start()


def a_service(folder: Path, stream: Stream) -> Project:
    """Return a project with its topics and two models, the first of them live."""
    project = Project(folder)
    project.config.write_text(
        yaml.safe_dump(
            {
                "version": 1,
                "name": stream.name,
                "kafka": stream.settings(),
                "buffer": {"flush_interval": "500ms"},
                **SETTINGS,
            }
        )
    )
    history = draw_events(np.random.default_rng(SEED + 1), 3000, now_ms=time.time_ns() // 1_000_000)
    fraud = (history["amount"] > 40) & (history["distance"] > 30)
    labelled = history.assign(verdict=np.where(fraud, "fraud", "ok"), country=history["country"].fillna("unknown"))
    labelled.rename(columns={"amount": "payment.amount"}).to_csv(folder / "history.csv", index=False)
    project.run("train", "--data", "history.csv")
    project.run("train", "--data", "history.csv", "--estimator", "logistic", "--no-promote")
    project.run("topics", "create", "--partitions", "4")
    return project


def publish(stream: Stream, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    """Append records, and wait until they are there."""
    producer = Producer({**stream.kafka.client_settings, "enable.idempotence": True, "linger.ms": 20})
    for key, value in records:
        while True:
            try:
                producer.produce(f"{stream.name}.{topic}", value, key)
            except BufferError:
                producer.poll(0.1)
            else:
                break
    assert producer.flush(60) == 0


def wait_until_buffered(project: Project, stream: Stream) -> None:
    """Wait until each table has reached the end of its topic."""
    for table in ("features", "scores", "labels"):
        log = read_log(stream.kafka.client_settings, f"{stream.name}.{table}")
        wait_until(
            lambda table=table, log=log: stands_beyond(project.folder / "buffer" / table, [log]),
            what=f"{table} at the end of its topic",
        )


def rows_of(project: Project, table: str) -> int:
    """Return how many rows a table has."""
    return DeltaTable(str(project.folder / "buffer" / table)).count()


def expected_examples(project: Project, truth: LateLabels) -> pd.DataFrame:
    """Return the examples of the truth with what each stored model says of its half, outside Tidemill."""
    parts = []
    examples = truth.examples()
    for version, part in (("v1", examples[examples.index < HALF]), ("v2", examples[examples.index >= HALF])):
        (path,) = project.folder.glob(f"model-store/*/versions/{version}/model.skops")
        model = skops.io.load(path, trusted=list(TRUSTED_TYPES))
        scores = model.predict_proba(part[FIELDS].astype({"hour": "int32", "country": object}))
        positive = scores[:, list(model.classes_).index("fraud")]
        parts.append(part.assign(live_version=version, live_score=positive, sample_weight=1.0))
    return pd.concat(parts)


def assert_equal(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Compare all columns exactly, but the scores within the last bits."""
    found = found.assign(
        **{name: found[name].astype("datetime64[ms, UTC]").astype("int64") for name in ("event_time", "label_time")}
    )
    order = ["event_id", "event_time"]
    left, right = (frame.sort_values(order).reset_index(drop=True) for frame in (found, expected))
    assert len(left) == len(right) > LABELLED
    assert set(right["label"]) == set(CLASSES.values())
    pd.testing.assert_frame_equal(left[COLUMNS], right[COLUMNS], check_dtype=False, check_exact=True)
    assert (left["live_score"] - right["live_score"]).abs().max() < 1e-12
