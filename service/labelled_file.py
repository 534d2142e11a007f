"""Labelled examples from a file, with what was left out told in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.schema import FeatureSchema
from features.tables import TableBatch, read_batch
from learning.errors import TrainingError
from learning.examples import Examples, labelled
from models.base import Task
from service.progress import progress

SHOWN_PROBLEMS = 5
MAX_REJECTED = 0.5  # beyond it the file and the service file do not speak of the same thing


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """What a file gave.

    Attributes:
        name: Its name without the folder.
        digest: SHA-256 of the file.
        examples: The rows that fit and have a label.
        rows: All rows.
        rejected: Rows that do not fit the schema.
    """

    name: str
    digest: str
    examples: Examples
    rows: int
    rejected: int

    @property
    def unlabelled(self) -> int:
        """Return how many rows fit and have no label."""
        return self.rows - self.rejected - len(self.examples)

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a manifest."""
        return {
            "file": self.name,
            "sha256": self.digest,
            "rows": self.rows,
            "rejected": self.rejected,
            "unlabelled": self.unlabelled,
            "examples": len(self.examples),
        }


def read_labelled(path: Path, schema: FeatureSchema, *, task: Task, say: Callable[[str], None]) -> LabelledFile:
    """Read a file of labelled rows through the same checks as the stream.

    Raises:
        FeatureError: The file cannot be read or lacks columns.
        LabelError: No label is named in the service file, or one is not a number where one is needed.
        TrainingError: More than half of the rows do not fit.
    """
    with progress(f"Reading {path.name}", unit="rows"):
        table = read_batch(path, schema)
    _tell(path, table, say)
    if len(table.rejections) > MAX_REJECTED * table.n_rows:
        first = table.rejections[0]
        raise TrainingError(
            f"{path}: {len(table.rejections)} of {table.n_rows} rows do not fit the service file, more than half; "
            f"line {first.line}: {first.detail}"
        )
    examples = labelled(table.batch, task=task)
    read = LabelledFile(path.name, table.digest, examples, table.n_rows, len(table.rejections))
    if read.unlabelled:
        say(f"{path}: left out {read.unlabelled} of {read.rows} rows, which have no label")
    return read


def _tell(path: Path, table: TableBatch, say: Callable[[str], None]) -> None:
    if not table.rejections:
        return
    reasons = Counter(problem.reason.value for problem in table.rejections)
    listed = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    say(f"{path}: left out {len(table.rejections)} of {table.n_rows} rows ({listed})")
    for problem in table.rejections[:SHOWN_PROBLEMS]:
        say(f"  line {problem.line}: {problem.detail}")
    if len(table.rejections) > SHOWN_PROBLEMS:
        say(f"  and {len(table.rejections) - SHOWN_PROBLEMS} more")
