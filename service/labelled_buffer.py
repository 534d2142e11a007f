"""Labelled examples from the buffer's tables, for training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from features.schema import FeatureSchema
from learning.errors import TrainingError
from learning.examples import Examples
from learning.labels import class_names, numbers
from models.base import Task
from service.buffer_query import Wanted, example_query, query_limits
from service.buffer_tables import build_tables, require_libraries
from service.progress import progress
from service.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from buffer.examples import ExampleStream


@dataclass(frozen=True, slots=True)
class FromBuffer:
    """Which examples of the buffer.

    Attributes:
        start: Only events from this moment on, as a person says it; None: all that are kept.
        most: At most so many, drawn at random; what is trained on has to fit the memory.
        seed: Of the draw.
    """

    start: str | None
    most: int
    seed: int


@dataclass(frozen=True, slots=True)
class LabelledBuffer:
    """What the buffer gave.

    Attributes:
        examples: The events that have a label and every field that the service file requires.
        rows: All labelled examples read, those included that lack a field.
        source: Table versions, counts and the cursor, for the manifest: the versions name exactly what was read.
        name: How reports call it.
    """

    examples: Examples
    rows: int
    source: dict[str, Any]
    name: str = "the buffer"

    @property
    def digest(self) -> None:
        """Return no digest: the versions name what was read."""
        return

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a manifest."""
        return {**self.source, "rows": self.rows, "examples": len(self.examples)}


def read_buffer(  # noqa: PLR0913 - what is read, of which, for what, and how it is told
    settings: Settings,
    wanted: FromBuffer,
    *,
    schema: FeatureSchema,
    task: Task,
    now_ms: int,
    say: Callable[[str], None],
) -> LabelledBuffer:
    """Read labelled examples of the newest versions of the tables.

    Raises:
        UsageError: The start is no moment.
        ServiceError: The libraries of the tables are not installed.
        BufferingError: The tables cannot be read.
        TrainingError: There is no labelled example, or none with all fields.
        LabelError: A regression meets a label that is no number.
    """
    require_libraries()
    import pyarrow as pa

    from buffer.columns import read_back

    stream = _opened(settings, wanted, schema=schema, now_ms=now_ms)
    with stream, progress("Reading the buffer", unit="examples") as bar:
        counts, versions, cursor = stream.counts, stream.versions, stream.cursor
        batches = []
        for batch in stream:
            batches.append(batch)
            bar.advance(batch.num_rows)
        table: pa.Table = pa.Table.from_batches(batches, stream.schema)
    if not table.num_rows:
        raise TrainingError("the buffer has no labelled example as yet; 'tidemill buffer status' tells what it has")
    back = read_back(table, schema)
    for name, count in back.lacking.items():
        say(f"the buffer: left out {count} of {table.num_rows} examples, which have no {name}")
    if not len(back.batch):
        raise TrainingError(
            f"no labelled example of the buffer has all fields ({', '.join(back.lacking)} is lacking): "
            "wait for events that carry it, or give the field 'null: default'"
        )
    kept = table.take(pa.array(back.batch.rows))
    source = {"tables": versions.as_json(), "counts": counts.as_json(), "cursor": cursor.to_json()}
    examples = Examples(back.batch, _labels(kept, task), kept["sample_weight"].to_numpy())
    return LabelledBuffer(examples, table.num_rows, source)


def _opened(settings: Settings, wanted: FromBuffer, *, schema: FeatureSchema, now_ms: int) -> ExampleStream:
    from buffer.examples import open_examples
    from buffer.sampling import Reservoir

    sample = Reservoir(wanted.most, wanted.seed)
    query = example_query(settings, Wanted(start=wanted.start), now_ms=now_ms, sample=sample)
    limits = query_limits(settings)
    return open_examples(build_tables(settings), replace(query, fields=schema.names), limits=limits)


def _labels(table: pa.Table, task: Task) -> Any:
    texts = table["label"].to_pylist()
    if task is Task.REGRESSION:
        return np.array(numbers(texts), dtype=np.float64)
    return np.array(class_names(texts), dtype=np.str_)
