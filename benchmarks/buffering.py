"""Compare the buffering worker with the bare client that reads the same topic, on one core, in interleaved pairs.

    make bench-buffer                                           five pairs of 600,000 events
    python -m benchmarks.buffering --pairs 9 --json out.json    more of them, and the raw runs

Ours ends when every row is in the table. On a busy machine look at the CPU an event, not at the rate.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console

from benchmarks.contenders import contenders_table
from benchmarks.project import fill, make_project
from benchmarks.run import Order, Run
from benchmarks.statistics import median_of
from benchmarks.throughput import run_contender
from tests.support.kafka import KafkaCluster

GOAL = 120_000  # events a second on one core


class Pair(NamedTuple):
    """The bare client and ours after one another."""

    bare: Run
    ours: Run


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for every run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as name:
        folder = Path(name)
        with KafkaCluster(folder / "kafka") as kafka:
            config = make_project(folder, kafka, output="avro")
            fill(kafka, options.events)

            def run_one(contender: str, name: str) -> Run:
                return run_contender(contender, Order(str(config), f"{contender}-{name}", name, options.events))

            run_one("consumed", "warm-up")  # the broker's first answers are its slowest
            pairs = [
                Pair(run_one("consumed", f"{number}"), run_one("buffered", f"{number}"))
                for number in range(options.pairs)
            ]
    say(pairs)
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(pairs)))


def say(pairs: Sequence[Pair]) -> None:
    """Print the medians of each contender and the ratios."""
    title = f"Avro events of 29 doubles into the features table, one core; {len(pairs)} interleaved pairs, medians"
    console = Console(highlight=False)
    runs_of = {"bare": [pair.bare for pair in pairs], "ours": [pair.ours for pair in pairs]}
    console.print(contenders_table(title, runs_of))
    per_core = statistics.median(1e6 / pair.ours.cpu_us for pair in pairs)
    console.print(f"ours, events a second of one whole core: {per_core:,.0f}; the goal is at least {GOAL:,}")
    console.print(f"ours / bare, events a second: {median_of([p.ours.rate / p.bare.rate for p in pairs])}")
    console.print(f"ours / bare, CPU an event:    {median_of([p.ours.cpu_us / p.bare.cpu_us for p in pairs])}")


if __name__ == "__main__":
    main()
