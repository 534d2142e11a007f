"""Every metric there is, declared once: name, labels and meaning; ``docs/metrics.md`` is made from it.

A name is public: renaming one breaks users' alerts. Every series carries the label ``service`` as well.
Run ``python -m service.metric_table > docs/metrics.md`` after a change.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, get_args

from consumer.telemetry import TransactionOutcome
from features.rejection import Reason
from models.errors import REFUSAL_REASONS

PREFIX = "tidemill_"
KEPT_VERSIONS = 5  # so that a service which learns every hour does not grow series for ever

STAGE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# From a caught-up reader (milliseconds) to one that works off an hour of backlog.
END_TO_END_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)
BATCH_BUCKETS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0, 30_000.0)


@dataclass(frozen=True, slots=True)
class Label:
    """A label; ``values`` are all it can have, or empty where the deployment decides."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table; ``name`` stands without the prefix, ``unit`` is for people."""

    kind: ClassVar[str]
    name: str
    unit: str
    meaning: str
    labels: tuple[Label, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        """Return the label names in order, ``service`` first."""
        return ("service", *(label.name for label in self.labels))


@dataclass(frozen=True, slots=True)
class CounterMetric(Metric):
    """Only grows; starts at zero with the process."""

    kind: ClassVar[str] = "counter"


@dataclass(frozen=True, slots=True)
class GaugeMetric(Metric):
    """Goes up and down; absent while it is not known."""

    kind: ClassVar[str] = "gauge"


@dataclass(frozen=True, slots=True)
class HistogramMetric(Metric):
    """A distribution in classic buckets."""

    kind: ClassVar[str] = "histogram"
    buckets: tuple[float, ...] = STAGE_BUCKETS


AnyMetric: TypeAlias = CounterMetric | GaugeMetric | HistogramMetric

_VERSION = Label("version")
_PARTITION = (Label("topic"), Label("partition"))

RECORDS_CONSUMED = CounterMetric(
    "records_consumed_total",
    "records",
    "Records polled. A record that is read again after an abort counts again.",
    (Label("topic"),),
)
RECORDS_SCORED = CounterMetric(
    "records_scored_total",
    "records",
    f"Scores committed, by model version. The {KEPT_VERSIONS} versions used last are kept.",
    (_VERSION, Label("role", ("champion", "challenger", "rescore"))),
)
DEAD_LETTERS = CounterMetric(
    "dead_letters_total",
    "records",
    "Dead letters committed, by reason.",
    (Label("reason", tuple(reason.value for reason in Reason)),),
)
BATCH_RECORDS = HistogramMetric(
    "batch_records", "records", "Records of a committed batch, dead letters included.", buckets=BATCH_BUCKETS
)
STAGE_SECONDS = HistogramMetric(
    "stage_seconds", "seconds", "Time a committed batch spent in each stage.", (Label("stage"),)
)
END_TO_END_SECONDS = HistogramMetric(
    "end_to_end_seconds",
    "seconds",
    "From the timestamp of a record to the commit of its outcome; a sample of each batch.",
    buckets=END_TO_END_BUCKETS,
)
LAG_RECORDS = GaugeMetric(
    "lag_records",
    "records",
    "Offsets between the last record delivered and the last stable offset. The marker that ends a topic written in"
    " transactions is not lag, nor is what an open transaction holds back.",
    _PARTITION,
)
LAG_SECONDS = GaugeMetric(
    "lag_seconds",
    "seconds",
    "At most so long has the oldest unread record been waiting; 0 when caught up. It is the age of the last record"
    " delivered or the time since the partition was last caught up, whichever is less.",
    _PARTITION,
)
PARTITION_STALLED = GaugeMetric(
    "partition_stalled", "0 or 1", "Readable records are there and the reader does not move.", _PARTITION
)
PARTITION_BLOCKED_UPSTREAM = GaugeMetric(
    "partition_blocked_upstream",
    "0 or 1",
    "A producer elsewhere holds a transaction open, so nobody can read on. A restart would not help.",
    _PARTITION,
)
UP_TO_DATE = GaugeMetric(
    "up_to_date", "0 or 1", "This member has read everything that is readable on every partition it owns."
)
TRANSACTIONS = CounterMetric(
    "transactions_total",
    "transactions",
    "Transactions by outcome; after `recreated` the producer was replaced to learn the outcome.",
    (Label("outcome", get_args(TransactionOutcome)),),
)
REBALANCES = CounterMetric("rebalances_total", "events", "Times partitions came to this member or left it.")
WAITING = GaugeMetric(
    "waiting",
    "0 or 1",
    "Nothing moves for this cause.",
    (Label("cause", ("no_champion", "schema_registry", "buffer")),),
)
MODEL_INFO = GaugeMetric(
    "model_info", "1", "The live model; always 1.", (_VERSION, Label("kind"), Label("alias", ("champion",)))
)
MODEL_AGE_SECONDS = GaugeMetric("model_age_seconds", "seconds", "Age of the live model since it was trained.")
MODEL_SWAPS = CounterMetric(
    "model_swaps_total",
    "swaps",
    "Attempts to take a new version live.",
    (Label("result", ("swapped", "failed")),),
)
MODEL_LOAD_FAILURES = CounterMetric(
    "model_load_failures_total",
    "failures",
    "Versions that were not taken live, or were taken back (`unusable`: failed on every record), by reason."
    " `unreadable` also counts outages of the store itself.",
    (Label("reason", (*REFUSAL_REASONS, "unusable")),),
)

_TABLE = Label("table", ("features", "scores", "labels"))

BUFFER_ROWS = CounterMetric("buffer_rows_total", "rows", "Rows committed to the tables of the buffer.", (_TABLE,))
BUFFER_LEFT_OUT = CounterMetric(
    "buffer_left_out_total",
    "records",
    "Records that make no row: events that do not decode or do not fit the fields, scores of other services. A record"
    " that is read again counts again.",
    (_TABLE,),
)
LABELS = CounterMetric(
    "labels_total",
    "labels",
    "Labels read by the buffer, inline ones that are none included, by what became of them. One that is read again"
    " counts again.",
    (Label("outcome", ("accepted", "retracted", "refused")),),
)
BUFFER_FLUSHES = CounterMetric(
    "buffer_flushes_total",
    "appends",
    "Appends to the tables. After `overtaken` the rows were read again from where the table stands; after"
    " `unavailable` the same rows are tried again.",
    (_TABLE, Label("outcome", ("committed", "overtaken", "unavailable"))),
)
BUFFER_FLUSH_SECONDS = HistogramMetric("buffer_flush_seconds", "seconds", "Time a committed append took.", (_TABLE,))
BUFFER_PENDING_ROWS = GaugeMetric("buffer_pending_rows", "rows", "Rows read that are not in a table yet.")
BUFFER_PENDING_BYTES = GaugeMetric("buffer_pending_bytes", "bytes", "Memory that these rows take.")
BUFFER_HELD = GaugeMetric(
    "buffer_held", "0 or 1", "Nothing more is read until a table takes rows: back-pressure; the membership is kept."
)
BUFFER_LAG_RECORDS = GaugeMetric(
    "buffer_lag_records",
    "records",
    "Offsets between what is in the table and the last stable offset. The marker that ends a topic written in"
    " transactions is not lag.",
    _PARTITION,
)
BUFFER_BYTES = GaugeMetric(
    "buffer_bytes", "bytes", "Size of the newest version of a table, as seen every buffer.maintain_interval.", (_TABLE,)
)
BUFFER_FILES = GaugeMetric(
    "buffer_files",
    "files",
    "Files of the newest version of a table, as seen every buffer.maintain_interval.",
    (_TABLE,),
)

READING_METRICS: tuple[AnyMetric, ...] = (
    RECORDS_CONSUMED,
    LAG_RECORDS,
    LAG_SECONDS,
    UP_TO_DATE,
    PARTITION_STALLED,
    PARTITION_BLOCKED_UPSTREAM,
    WAITING,
    REBALANCES,
)
"""Of every process that reads topics."""

SCORING_METRICS: tuple[AnyMetric, ...] = (
    *READING_METRICS,
    RECORDS_SCORED,
    DEAD_LETTERS,
    BATCH_RECORDS,
    STAGE_SECONDS,
    END_TO_END_SECONDS,
    TRANSACTIONS,
    MODEL_INFO,
    MODEL_AGE_SECONDS,
    MODEL_SWAPS,
    MODEL_LOAD_FAILURES,
)
"""Of a process that scores."""

BUFFERING_METRICS: tuple[AnyMetric, ...] = (
    *READING_METRICS,
    BUFFER_ROWS,
    BUFFER_LEFT_OUT,
    LABELS,
    BUFFER_FLUSHES,
    BUFFER_FLUSH_SECONDS,
    BUFFER_PENDING_ROWS,
    BUFFER_PENDING_BYTES,
    BUFFER_HELD,
    BUFFER_LAG_RECORDS,
    BUFFER_BYTES,
    BUFFER_FILES,
)
"""Of a process that buffers."""

METRICS: tuple[AnyMetric, ...] = tuple(dict.fromkeys((*SCORING_METRICS, *BUFFERING_METRICS)))
"""All there are."""

EXTRA_FIGURES = (
    "Figures of the process itself (memory, CPU, open files) stand beside them under `process_` and `python_`."
)

_HEAD = f"""# Metrics

<!-- Made by `python -m service.metric_table > docs/metrics.md`; edit the table in that module, not this page. -->

Served on the admin port at `/metrics`. Every name begins with `{PREFIX}` and every series has the label `service`.
A gauge is absent while its value is not known; series of a partition go when the partition is revoked.
{EXTRA_FIGURES}

| Metric | Kind | Unit | Labels | Meaning |
|---|---|---|---|---|
"""


def to_markdown(metrics: Sequence[AnyMetric] = METRICS) -> str:
    """Return the page about these metrics."""
    rows = [
        f"| `{PREFIX}{m.name}` | {m.kind} | {m.unit} | {', '.join(map(_describe, m.labels)) or '–'} | {m.meaning} |\n"  # noqa: RUF001 - a dash for none
        for m in metrics
    ]
    return _HEAD + "".join(rows)


def _describe(label: Label) -> str:
    values = f" ({', '.join(label.values)})" if label.values else ""
    return f"`{label.name}`{values}"


if __name__ == "__main__":
    sys.stdout.write(to_markdown())
