"""From checked rows of a file to rows of a table: a file is a partition, and its row numbers are the offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from buffer.arrays import FIRST_MS
from buffer.rows import LabelColumns, Origin, feature_rows, label_rows
from features.batch import FeatureBatch
from features.checked_rows import CheckedRows
from features.labels import LabelRules, read_labels
from features.rejection import Problem, Reason
from features.rows import LineProblem

_ID_DIGITS = 16  # of the file's digest, in the id of an event that has none: names of files come again, contents do not


@dataclass(frozen=True, slots=True)
class LoadSource:
    """The file as the tables know it.

    Attributes:
        name: Its base name.
        digest: SHA-256 of its bytes as they are stored, in hex.
    """

    name: str
    digest: str

    @property
    def app_id(self) -> str:
        """Return what the table's position is kept under."""
        return f"file/{self.digest}"

    @property
    def topic_id(self) -> str:
        """Return what stands in ``record_topic_id``."""
        return f"sha256:{self.digest}"


@dataclass(frozen=True, slots=True)
class MadeRows:
    """What some rows of a file became; each is among the rows of the table or among the problems.

    Attributes:
        first: Number of the first row of the file.
        count: How many there are.
        rows: Rows of the table, in order.
        numbers: The row number of each of them.
        problems: The lines that are left out, in order.
    """

    first: int
    count: int
    rows: pa.Table
    numbers: npt.NDArray[np.int64]
    problems: Sequence[LineProblem]

    @property
    def end(self) -> int:
        """Return the number of the row behind them."""
        return self.first + self.count

    def since(self, position: int) -> MadeRows:
        """Return those from a row number on."""
        if position <= self.first:
            return self
        begin = int(np.searchsorted(self.numbers, position))
        return MadeRows(
            first=position,
            count=self.end - position,
            rows=self.rows.slice(begin),
            numbers=self.numbers[begin:],
            problems=self.problems,
        )


class RowMaker(Protocol):
    """Makes rows of one table."""

    def make(self, checked: CheckedRows) -> MadeRows:
        """Return the rows, and the lines that are none; never raises for what a file can hold."""
        ...


@dataclass(frozen=True, slots=True)
class Horizon:
    """When it is, and how far back anything is kept.

    Attributes:
        now_ms: The wall clock, epoch milliseconds: the time of rows that say none.
        oldest_ms: What is older would be dropped again at once.
    """

    now_ms: int
    oldest_ms: int

    def too_old(self, times_ms: npt.NDArray[np.int64]) -> dict[int, str]:
        """Return why rows at these positions are not taken."""
        old = np.flatnonzero(times_ms < self.oldest_ms).tolist()
        return {at: f"its time, {_written(int(times_ms[at]))}, is before what buffer.retention keeps" for at in old}


class _Rows:
    """What both makers know, and what neither takes."""

    def __init__(self, source: LoadSource, *, rules: LabelRules, horizon: Horizon) -> None:
        self._source = source
        self._rules = rules
        self._horizon = horizon

    def _bad(self, times: npt.NDArray[np.int64], refused: Mapping[int, Problem]) -> dict[int, tuple[Reason, str]]:
        """Return why rows at these positions are left out: too old, or with a label that is none."""
        bad = {at: (Reason.OUT_OF_RANGE, why) for at, why in self._horizon.too_old(times).items()}
        for at, problem in refused.items():
            bad.setdefault(at, (problem.reason, problem.detail))
        return bad


class EventRows(_Rows):
    """Implements ``RowMaker`` for the features table. A row whose inline label is none is left out, to be mended."""

    def make(self, checked: CheckedRows) -> MadeRows:
        """Return a row for each event that is kept."""
        batch, times = checked.batch, _times(checked.batch, self._horizon)
        labels = None if batch.labels is None else read_labels(batch.labels, self._rules)
        bad = self._bad(times, {} if labels is None else labels.refused)
        kept = _kept(len(batch), bad)
        numbers = checked.numbers[kept]
        sound = batch if not bad else batch.take(kept)
        if sound.ids is None:
            prefix = f"{self._source.name}/{self._source.digest[:_ID_DIGITS]}"
            sound = replace(sound, ids=[f"{prefix}/{number}" for number in numbers.tolist()])
        rows = feature_rows(
            sound,
            _origin(self._source, numbers, times=times[kept], keys=[checked.keys[at] for at in kept.tolist()]),
            now_ms=self._horizon.now_ms,
            labels=None if labels is None else [labels.texts[at] for at in kept.tolist()],
        )
        return _made(checked, rows, numbers, bad)


class LabelRows(_Rows):
    """Implements ``RowMaker`` for the labels table. What is no label is left out, to be mended."""

    def make(self, checked: CheckedRows) -> MadeRows:
        """Return a row for each label and each retraction; the key is the event's id where the file has no key."""
        batch, times = checked.batch, _times(checked.batch, self._horizon)
        ids = batch.ids or []
        labels = read_labels(batch.labels or [], self._rules)
        bad = self._bad(times, labels.refused)
        kept = _kept(len(batch), bad)
        numbers, at_kept = checked.numbers[kept], kept.tolist()
        keys = [ids[at].encode() if checked.keys[at] is None else checked.keys[at] for at in at_kept]
        columns = LabelColumns(
            event_ids=[ids[at] for at in at_kept], labels=[labels.texts[at] for at in at_kept], times_ms=times[kept]
        )
        origin = _origin(self._source, numbers, times=times[kept], keys=keys)
        return _made(checked, label_rows(columns, origin, now_ms=self._horizon.now_ms), numbers, bad)


def _times(batch: FeatureBatch, horizon: Horizon) -> npt.NDArray[np.int64]:
    return np.full(len(batch), horizon.now_ms, dtype=np.int64) if batch.times is None else batch.times


def _kept(count: int, bad: dict[int, tuple[Reason, str]]) -> npt.NDArray[np.int64]:
    keep = np.ones(count, dtype=np.bool_)
    keep[list(bad)] = False
    return np.flatnonzero(keep).astype(np.int64)


def _origin(
    source: LoadSource,
    numbers: npt.NDArray[np.int64],
    *,
    times: npt.NDArray[np.int64],
    keys: Sequence[bytes | None],
) -> Origin:
    return Origin(
        topic=source.name,
        topic_id=source.topic_id,
        partitions=np.zeros(len(numbers), dtype=np.int32),
        offsets=numbers,
        times_ms=times,
        keys=keys,
    )


def _made(
    checked: CheckedRows, rows: pa.Table, numbers: npt.NDArray[np.int64], bad: dict[int, tuple[Reason, str]]
) -> MadeRows:
    lines = checked.batch.rows
    problems = [LineProblem(int(lines[at]), reason, detail) for at, (reason, detail) in bad.items()]
    merged = sorted([*checked.problems, *problems], key=lambda problem: problem.line)
    return MadeRows(checked.first, checked.count, rows, numbers, merged)


def _written(time_ms: int) -> str:
    if time_ms < FIRST_MS:
        return "before the year 1"
    return datetime.fromtimestamp(time_ms / 1_000, UTC).isoformat(timespec="seconds")
