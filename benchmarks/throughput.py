"""Compare our worker with the bare client on a real broker of this machine, in interleaved pairs.

    make bench                                                  seven pairs of 600,000 events
    python -m benchmarks.throughput --pairs 9 --json out.json   more of them, and the raw runs

Prints medians, and the ratio pair by pair; single times mean little on a shared machine.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec
from rich.console import Console

from benchmarks.contenders import contenders_table
from benchmarks.project import PARTITIONS, fill, make_project
from benchmarks.run import Order, Run
from benchmarks.statistics import Median, median_of
from tests.support.kafka import KafkaCluster

GOAL = 0.6
BUSY = 0.9  # cores; a limit that was less busy was waiting for the broker or for this machine
ATTEMPTS = 3  # at a pair whose limit was not busy enough

RunOne: TypeAlias = Callable[[str, str], Run]


@dataclass(frozen=True, slots=True)
class Pair:
    """The limit and ours after one another."""

    limit: Run
    ours: Run

    @property
    def is_valid(self) -> bool:
        """Return whether the limit was held up by nothing but itself."""
        return self.limit.cores >= BUSY


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--output", choices=("avro", "json"), default="avro", help="how scores are written")
    parser.add_argument(
        "--keyed", action="store_true", help="give the limit's records a key and a timestamp, as ours have"
    )
    parser.add_argument("--json", type=Path, help="file for every run and the summary")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as name:
        folder = Path(name)
        with KafkaCluster(folder / "kafka") as kafka:
            config = make_project(folder, kafka, output=options.output)
            fill(kafka, options.events)

            def run_one(contender: str, target: str) -> Run:
                kafka.create_topic(target, partitions=PARTITIONS)
                return run_contender(contender, Order(str(config), target, target, options.events, options.keyed))

            run_one("limit", "bench.warm-up")  # the broker's first records are its slowest
            pairs = [run_pair(run_one, number) for number in range(options.pairs)]
    say(pairs, output=options.output)
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report(pairs, options.output))))


def run_pair(run_one: RunOne, number: int) -> Pair:
    """Run both, the first one in turns; again where the limit was not busy, and the last try whatever it was."""
    order = ("limit", "ours") if number % 2 == 0 else ("ours", "limit")
    for attempt in range(ATTEMPTS):
        runs = {contender: run_one(contender, f"bench.{contender}-{number}-{attempt}") for contender in order}
        pair = Pair(**runs)
        if pair.is_valid:
            break
    return pair


def run_contender(contender: str, order: Order) -> Run:
    """Run one contender in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.{contender}", msgspec.json.encode(order).decode()]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{contender} failed:\n{done.stderr}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Run)


def rate_ratio(pairs: Sequence[Pair]) -> Median:
    """Return events a second, ours to the limit's."""
    return median_of([pair.ours.rate / pair.limit.rate for pair in pairs])


def cpu_ratio(pairs: Sequence[Pair]) -> Median:
    """Return CPU an event, ours to the limit's."""
    return median_of([pair.ours.cpu_us / pair.limit.cpu_us for pair in pairs])


def say(pairs: Sequence[Pair], *, output: str) -> None:
    """Print the medians of each contender, the ratios, and where our time goes."""
    valid = [pair for pair in pairs if pair.is_valid]
    counted = valid or pairs
    title = f"Avro events of 29 doubles, scores as {output}; {len(counted)} interleaved pairs, medians"
    console = Console(highlight=False)
    runs_of = {"limit": [pair.limit for pair in counted], "ours": [pair.ours for pair in counted]}
    console.print(contenders_table(title, runs_of))
    ratio = rate_ratio(counted)
    console.print(f"ours / limit, events a second: {ratio}; the goal is at least {GOAL:g}")
    console.print(f"ours / limit, CPU an event:    {cpu_ratio(counted)}")
    console.print(f"ours, wall-clock us an event by stage: {_stages(counted)}")
    if len(valid) < len(pairs):
        said = f"left out {len(pairs) - len(valid)} of" if valid else "INVALID: all of"
        console.print(
            f"{said} {len(pairs)} pairs: the limit used under {BUSY:g} of a core, so it measured something else"
        )


def report(pairs: Sequence[Pair], output: str) -> dict[str, object]:
    """Return everything as plain data."""
    valid = [pair for pair in pairs if pair.is_valid]
    summary = {"rate": rate_ratio(valid), "cpu": cpu_ratio(valid)} if valid else {}
    return {"output": output, "goal": GOAL, "ratios": summary, "pairs": pairs, "valid": [p.is_valid for p in pairs]}


def _stages(pairs: Sequence[Pair]) -> str:
    names = dict.fromkeys(name for pair in pairs for name in pair.ours.stages)
    medians = {
        name: statistics.median(1e6 * p.ours.stages.get(name, 0.0) / p.ours.events for p in pairs) for name in names
    }
    return ", ".join(f"{name} {value:.2f}" for name, value in medians.items())


if __name__ == "__main__":
    main()
