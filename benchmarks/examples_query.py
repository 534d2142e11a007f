"""What the query of the labelled examples costs: 5 million events of 29 doubles, as many scores, 1 million labels.

    python -m benchmarks.examples_query                      tables in a temporary folder, 2 GB
    python -m benchmarks.examples_query --folder /big/disk   kept there, and used again by the next run

The query runs in a process of its own, which reports its wall clock, its CPU time and its largest memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from buffer.delta import DeltaBufferTable
from buffer.delta_tables import DeltaTables
from buffer.duck import DEFAULT_MEMORY, QueryLimits
from buffer.examples import ExampleQuery, open_examples
from buffer.layout import table_schemas
from buffer.table import Stretch, TableName
from features.schema import FeatureSchema, Field, FieldType

EVENTS = 5_000_000
LABELS = 1_000_000
PARTITIONS = 4
COMMIT_ROWS = 100_000  # as buffer.flush_max_records
DAYS = 20
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT_MIB = 1024
SCHEMA = FeatureSchema(tuple(Field(f"v{number}", FieldType.DOUBLE, f"v{number}") for number in range(29)))


def tables_in(folder: Path) -> DeltaTables:
    """Return the tables of a folder."""
    opened = {
        name: DeltaBufferTable(name, str(folder / name), schema=columns, options={}, keep_versions=timedelta(days=7))
        for name, columns in table_schemas(SCHEMA).items()
    }
    return DeltaTables(*(opened[name] for name in (TableName.FEATURES, TableName.SCORES, TableName.LABELS)))


def build(folder: Path, *, events: int, labels: int) -> None:
    """Fill the tables as a service does: a commit of each table by 100,000 rows, days apart."""
    tables = tables_in(folder)
    tables.prepare()
    rng = np.random.default_rng(7)
    labelled = np.sort(rng.choice(events, labels, replace=False))
    for numbers in _slices(np.arange(events)):
        own = {f"v{column}": rng.normal(size=len(numbers)) for column in range(29)}
        times = _times(numbers, events)
        _append(tables.features, "features", numbers, times=times, columns={"event_time": times, **own})
        _append(tables.scores, "scores", numbers, times=times, columns=_scores(numbers, times, rng))
    for at, numbers in zip(_slices(np.arange(labels)), _slices(labelled), strict=True):
        times = _times(numbers, events) + np.int64(3_600_000_000)
        values = pa.array(np.where(rng.random(len(numbers)) < 0.01, "fraud", "ok"))
        columns = {"label": values, "label_time": times}
        _append(tables.labels, "labels", at, times=times, ids=numbers, columns=columns)


def _slices(numbers: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(numbers), COMMIT_ROWS):
        yield numbers[first : first + COMMIT_ROWS]


def _times(numbers: np.ndarray, events: int) -> np.ndarray:
    span = DAYS * 86_400_000_000
    return np.int64(FIRST.timestamp() * 1e6) + numbers * (span // events)


def _scores(numbers: np.ndarray, times: np.ndarray, rng: np.random.Generator) -> dict[str, object]:
    scores = rng.random(len(numbers))
    constant = {"model_name": "fraud", "model_version": "v7", "role": "champion", "source_topic": "features"}
    return {
        **{name: pa.repeat(pa.scalar(value), len(numbers)) for name, value in constant.items()},
        "event_time": times,
        "score": scores,
        "prediction": pa.array(np.where(scores < 0.5, "ok", "fraud")),
        "scored_at": times,
        "source_partition": numbers % PARTITIONS,
        "source_offset": numbers // PARTITIONS,
    }


def _append(  # noqa: PLR0913 - where the rows are from, and what is in them
    table: DeltaBufferTable,
    topic: str,
    numbers: np.ndarray,
    *,
    times: np.ndarray,
    columns: Mapping[str, object],
    ids: np.ndarray | None = None,
) -> None:
    """Append the rows of these numbers, which go round the partitions, in one commit."""
    stamps = pa.array(times, pa.timestamp("us", tz="UTC"))
    given = {
        "record_day": pc.cast(stamps, pa.date32()),
        "record_topic": pa.repeat(pa.scalar(topic), len(numbers)),
        "record_topic_id": pa.repeat(pa.scalar(f"{topic}-AAAAAAAAAAAAAAAA"), len(numbers)),
        "record_partition": numbers % PARTITIONS,
        "record_offset": numbers // PARTITIONS,
        "record_time": stamps,
        "event_id": pa.array([f"txn-{number:012d}" for number in (numbers if ids is None else ids)]),
        **columns,
    }
    empty = pa.nulls(len(numbers))
    arrays = [pa.array(given.get(f.name, empty)).cast(f.type) for f in table.schema]
    apps = [f"{topic}/{partition}" for partition in range(PARTITIONS)]
    standing = table.positions(apps)
    table.append(
        pa.Table.from_arrays(arrays, schema=table.schema),
        [Stretch(app, standing.get(app), int(numbers[-1]) // PARTITIONS + 1) for app in apps],
    )


def measure(folder: Path, memory: int) -> dict[str, float]:
    """Run the query in this process and return what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    asked = ExampleQuery(as_of_ms=int((FIRST + timedelta(days=DAYS)).timestamp() * 1000))
    rows = 0
    with open_examples(tables_in(folder), asked, limits=QueryLimits(memory=memory)) as stream:
        joined = time.perf_counter() - wall
        for batch in stream:
            rows += batch.num_rows
    return {
        "rows": rows,
        "join_s": round(joined, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "peak_mib": peak_mib(),
    }


def peak_mib() -> int:
    """Return the largest memory of this process so far; ``getrusage`` counts that of its parent, too."""
    status = Path("/proc/self/status").read_text()
    found = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(found.split()[1]) // 1024


def run(folder: Path, arguments: argparse.Namespace) -> bool:
    """Build the tables where they are not there, run the query, and return whether its memory is within the limit."""
    if not (folder / "built").exists():
        print(f"building the tables in {folder}", flush=True)
        build(folder, events=arguments.events, labels=arguments.labels)
        (folder / "built").write_text(f"{date.today()}\n")  # noqa: DTZ011 - for a person
    command = [sys.executable, "-m", "benchmarks.examples_query", "--folder", str(folder), "--memory"]
    done = subprocess.run([*command, str(arguments.memory), "--measure"], check=True, stdout=subprocess.PIPE)
    found = json.loads(done.stdout)
    print(json.dumps(found))
    return bool(found["peak_mib"] < LIMIT_MIB)


def main() -> None:
    """Read the arguments and run; the exit code is 1 when the memory is not within 1 GiB."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the tables are, or are made and stay")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--labels", type=int, default=LABELS)
    parser.add_argument("--memory", type=int, default=DEFAULT_MEMORY, help="bytes, as buffer.query_memory")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.folder, arguments.memory)))
        return
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as temporary:
        within = run(arguments.folder or Path(temporary), arguments)
    sys.exit(0 if within else 1)


if __name__ == "__main__":
    main()
