"""`tidemill demo`: simulated payments, a model, a drift, a second model, a swap — in one process and a temp folder.

The stream, the frauds, their labels and the drift are simulated and seeded. The rest is the product: the workers, the
codec, the gate, the store, the buffer; training runs as the command `tidemill train` in a process of its own, as a user
would run it.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from features.inference import Inferred
from features.paths import split, value_at
from features.schema import FeatureSchema
from producer.simulation import PaymentChunk, PaymentStream, payments_schema
from service.bootstrap import epoch_ms
from service.demo_buffer import Buffered, DemoBuffer, build_demo_buffer
from service.embedded import EmbeddedService
from service.errors import ServiceError
from service.init_clients import DEFAULT_BROKER
from service.live_view import LiveView
from service.service_file import FILE_NAME, Place, service_files, write_over
from service.settings import Settings, load_settings

HISTORY_EVENTS = 20_000  # what the first model learns from
MALFORMED = 0.01
TICK_S = 0.05
DRIFT_AFTER = 0.25  # of the run
RETRAIN_AFTER = 0.5
LEARN_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """How long, how fast, and which world."""

    seconds: float = 30.0
    events_per_s: int = 2_000
    seed: int = 7

    @property
    def drift_at(self) -> int:
        """Return the number of the payment, history included, from which frauds are others."""
        return HISTORY_EVENTS + int(self.seconds * DRIFT_AFTER * self.events_per_s)


@dataclass(slots=True)
class _Truth:
    """What was published: the fraud label of each good event, the reason of each broken one."""

    drifted_at: int
    labels: dict[str, bool] = field(default_factory=dict)
    recent: list[PaymentChunk] = field(default_factory=list)
    broken: int = 0


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What a demo ends with.

    Attributes:
        published: Events put on the topic.
        scored: Scores committed.
        dead_letters: By reason.
        planted: Broken events that were put in.
        quality: (version, before or after the drift, number of events, average precision).
        missing: Events without exactly one outcome; 0, or the demo has found a fault.
        buffered: What the buffer holds; None where it cannot be used.
    """

    published: int
    scored: int
    dead_letters: Mapping[str, int]
    planted: int
    quality: list[tuple[str, str, int, float]]
    missing: int
    buffered: Buffered | None

    @property
    def is_right(self) -> bool:
        """Return whether everything is as it must be."""
        return not self.missing and (self.buffered is None or self.buffered.is_right)


def run_demo(plan: DemoPlan, *, console: Console) -> DemoResult:
    """Run the whole demo and return what came of it; nothing is left behind.

    Raises:
        ServiceError: A step did not do what it must.
    """
    with tempfile.TemporaryDirectory(prefix="tidemill-demo-") as name:
        folder = Path(name)
        stream = PaymentStream(
            plan.seed,
            epoch_ms(),
            events_per_s=plan.events_per_s,
            malformed_ratio=MALFORMED,
            drift_at=plan.drift_at,
        )
        settings = _make_project(folder, stream.take(HISTORY_EVENTS))
        console.print(f"Simulated card payments (seed {plan.seed}), {MALFORMED:.0%} of them broken on purpose.")
        console.print(f"Learning a first model from {HISTORY_EVENTS:,} past payments …")
        _train(folder, "history.csv")
        return _stream(plan, stream, settings, folder=folder, console=console)


def _make_project(folder: Path, history: PaymentChunk) -> Settings:
    schema = payments_schema()
    inferred = Inferred(schema, "classification", {}, None, len(history), ())
    place = Place(kafka={"bootstrap.servers": DEFAULT_BROKER}, registry={})
    write_over(service_files(inferred, name="payments", source="history.csv", place=place, format="json"), folder)
    _write_csv(folder / "history.csv", [history], schema)
    return load_settings(folder / FILE_NAME, environment={}).settings


def _stream(plan: DemoPlan, stream: PaymentStream, settings: Settings, *, folder: Path, console: Console) -> DemoResult:
    service, truth = EmbeddedService(settings), _Truth(plan.drift_at)
    service.champion.refresh()
    buffer = build_demo_buffer(settings, service.broker, seed=plan.seed, say=console.print)
    learner = threading.Thread(target=_learn_again, args=(folder, truth, settings.feature_schema()), daemon=True)
    title = "Tidemill demo · simulated payments · in memory, not Kafka"
    buffering = nullcontext() if buffer is None else buffer.running()
    with buffering, service.running(), LiveView(service.stats, title=title, console=console):
        began_at = time.monotonic()
        while (elapsed := time.monotonic() - began_at) < plan.seconds:
            due = int(elapsed * plan.events_per_s) - service.published
            if due > 0:
                _publish(service, stream.take(due), truth, buffer=buffer, now=elapsed)
            if elapsed > RETRAIN_AFTER * plan.seconds and learner.ident is None:
                learner.start()
            time.sleep(TICK_S)
        service.wait_until_done()
        if buffer is not None:
            buffer.finish()
    if learner.ident is not None:
        learner.join(LEARN_TIMEOUT_S)
    return _result(service, settings, truth, buffered=None if buffer is None else buffer.result())


def _publish(
    service: EmbeddedService, chunk: PaymentChunk, truth: _Truth, *, buffer: DemoBuffer | None, now: float
) -> None:
    service.publish(zip((key.encode() for key in chunk.keys), chunk.values(), strict=True))
    for event_id, is_fraud, fault in zip(chunk.ids, chunk.is_fraud.tolist(), chunk.faults, strict=True):
        if fault is None:
            truth.labels[event_id] = is_fraud
        else:
            truth.broken += 1
    truth.recent.append(chunk)
    if buffer is not None:
        buffer.happened(chunk, now=now)
        buffer.send_due(now)


def _learn_again(folder: Path, truth: _Truth, schema: FeatureSchema) -> None:
    """Learn from the payments since the drift; the gate of the command decides, the worker swaps by itself."""
    recent, seen = [], HISTORY_EVENTS
    for chunk in list(truth.recent):
        if seen >= truth.drifted_at:
            recent.append(chunk)
        seen += len(chunk)
    _write_csv(folder / "recent.csv", recent, schema)
    _train(folder, "recent.csv")


def _train(folder: Path, file: str) -> None:
    command = [sys.executable, "-m", "service", "-c", FILE_NAME, "train", "--data", file]
    ours_only = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
    done = subprocess.run(
        command, cwd=folder, env=ours_only, capture_output=True, text=True, timeout=LEARN_TIMEOUT_S, check=False
    )
    if done.returncode:
        raise ServiceError(f"training on {file} failed: {done.stderr.strip() or done.stdout.strip()}")


def _write_csv(path: Path, chunks: list[PaymentChunk], schema: FeatureSchema) -> None:
    roles = [path for path in (schema.roles.id, schema.roles.key, schema.roles.time) if path is not None]
    names = [*roles, *(f.source for f in schema.fields), str(schema.roles.label)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for chunk in chunks:
            for event, is_fraud in zip(chunk.events(), chunk.is_fraud.tolist(), strict=True):
                values = [value_at(event, split(name)) for name in names[:-1]]
                writer.writerow([*(_cell(value) for value in values), str(is_fraud).lower()])


def _cell(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, list) else value


def _result(service: EmbeddedService, settings: Settings, truth: _Truth, *, buffered: Buffered | None) -> DemoResult:
    scores = [msgspec.json.decode(value or b"") for value, _ in service.read(settings.topics.scores)]
    dead: dict[str, int] = {}
    for _, headers in service.read(settings.topics.dead_letters):
        reason = (headers["tidemill.reason"] or b"").decode()
        dead[reason] = dead.get(reason, 0) + 1
    ids = {score["event_id"] for score in scores}
    missing = abs(service.published - len(scores) - sum(dead.values())) + len(truth.labels.keys() ^ ids)
    return DemoResult(
        published=service.published,
        scored=len(scores),
        dead_letters=dead,
        planted=truth.broken,
        quality=_quality(scores, truth),
        missing=missing,
        buffered=buffered,
    )


def _quality(scores: list[dict[str, Any]], truth: _Truth) -> list[tuple[str, str, int, float]]:
    """Return how well each version told fraud, before and after the drift."""
    from sklearn.metrics import average_precision_score

    order = {event_id: number for number, event_id in enumerate(truth.labels)}
    border = (truth.drifted_at - HISTORY_EVENTS) * (1 - MALFORMED)
    groups: dict[tuple[str, str], list[tuple[bool, float]]] = {}
    for score in scores:
        when = "before" if order[score["event_id"]] < border else "after"
        pair = (truth.labels[score["event_id"]], score["score"])
        groups.setdefault((score["model_version"], when), []).append(pair)

    def figure(pairs: list[tuple[bool, float]]) -> float:
        return float(average_precision_score([label for label, _ in pairs], [value for _, value in pairs]))

    return [
        (version, when, len(pairs), figure(pairs))
        for (version, when), pairs in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] == "after"))
        if any(label for label, _ in pairs)
    ]
