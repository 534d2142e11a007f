"""Compare our worker with the bare client on a real broker of this machine, in interleaved pairs.

    make bench                                  three pairs of 300,000 events
    python -m benchmarks.throughput --pairs 9   a figure to quote

Prints medians and the ratio pair by pair; single times mean little on a shared machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from tests.support.kafka import KafkaCluster

FIELDS = 10
PARTITIONS = 4
TRAINING_ROWS = 2_000
TUNED = {"fetch.queue.backoff.ms": 10, "queued.max.messages.kbytes": 16_384, "enable.auto.commit": False}
SOURCE = "bench.features"


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as name:
        folder = Path(name)
        with KafkaCluster(folder / "kafka") as kafka:
            config = make_project(folder, kafka)
            kafka.create_topic(SOURCE, partitions=PARTITIONS)
            kafka.create_topic("bench.dead-letters", partitions=PARTITIONS)
            fill(kafka, options.events)
            pairs = [run_pair(kafka, config, events=options.events, number=n) for n in range(options.pairs)]
    say(pairs)


def make_project(folder: Path, kafka: KafkaCluster) -> Path:
    """Write a service file and train a logistic model on made-up numbers; return the file."""
    names = [f"x{n}" for n in range(FIELDS)]
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(TRAINING_ROWS, FIELDS))
    labels = (rows.sum(axis=1) + rng.normal(size=TRAINING_ROWS) > 0).astype(int)
    lines = [",".join([*names, "label"]), *(",".join(map(str, [*row, y])) for row, y in zip(rows, labels, strict=True))]
    (folder / "train.csv").write_text("\n".join(lines))
    config = folder / "tidemill.yaml"
    document = {
        "version": 1,
        "name": "bench",
        "kafka": kafka.client_settings,
        "features": {"id": "id", "fields": [{"name": name, "type": "double"} for name in names]},
        "labels": {"inline": "label"},
    }
    config.write_text(yaml.safe_dump(document))
    train = [sys.executable, "-m", "service", "-c", str(config), "train", "--data", str(folder / "train.csv")]
    subprocess.run(train, check=True, capture_output=True)
    return config


def fill(kafka: KafkaCluster, events: int) -> None:
    """Put the events on the input topic."""
    rows = np.random.default_rng(1).normal(size=(10_000, FIELDS)).tolist()
    producer = Producer({**kafka.client_settings, "linger.ms": 20, "queue.buffering.max.messages": events})
    for number in range(events):
        event = {"id": f"e{number}", **{f"x{i}": x for i, x in enumerate(rows[number % len(rows)])}}
        producer.produce(SOURCE, msgspec.json.encode(event), key=str(number % 1000))
    producer.flush()


def run_pair(kafka: KafkaCluster, config: Path, *, events: int, number: int) -> dict[str, dict[str, float]]:
    """Run the limit and ours after one another, each in a process and a topic of its own."""
    consumer = {**kafka.client_settings, **TUNED, "isolation.level": "read_committed"}
    producer = {**kafka.client_settings, "linger.ms": 5, "compression.type": "lz4"}
    common: Mapping[str, Any] = {"events": events, "source": SOURCE, "config": str(config)}
    found = {}
    for contender in ("limit", "ours"):
        target = kafka.create_topic(f"bench.{contender}-{number}", partitions=PARTITIONS)
        order = {**common, "group": target, "target": target, "consumer": consumer, "producer": producer}
        command = [sys.executable, "-m", f"benchmarks.{contender}", json.dumps(order)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[contender] = json.loads(done.stdout)
    return found


def say(pairs: list[dict[str, dict[str, float]]]) -> None:
    """Print medians of each contender and the ratios pair by pair."""
    table = Table(title=f"{len(pairs)} interleaved pairs, medians", title_justify="left")
    for heading in ("contender", "events/s", "CPU us/event", "cores", "peak MiB"):
        table.add_column(heading, justify="left" if heading == "contender" else "right")
    for contender in ("limit", "ours"):
        runs = [pair[contender] for pair in pairs]
        table.add_row(
            contender,
            f"{statistics.median(run['events'] / run['seconds'] for run in runs):,.0f}",
            f"{statistics.median(1e6 * run['cpu_seconds'] / run['events'] for run in runs):.2f}",
            f"{statistics.median(run['cpu_seconds'] / run['seconds'] for run in runs):.2f}",
            f"{statistics.median(run['peak_rss_mib'] for run in runs):,.0f}",
        )
    console = Console()
    console.print(table)
    rates = [
        (pair["ours"]["events"] / pair["ours"]["seconds"]) / (pair["limit"]["events"] / pair["limit"]["seconds"])
        for pair in pairs
    ]
    costs = [pair["ours"]["cpu_seconds"] / pair["limit"]["cpu_seconds"] for pair in pairs]
    console.print(
        f"ours / limit: rate {' '.join(f'{r:.2f}' for r in rates)}, CPU {' '.join(f'{c:.2f}' for c in costs)}"
    )


if __name__ == "__main__":
    main()
