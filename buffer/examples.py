"""Labelled examples: every event that has a label, once, with its features as they were scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa

from buffer import examples_sql as sql
from buffer.cursor import Cursor, Positions
from buffer.duck import DuckSession, QueryLimits
from buffer.errors import BufferingError, TableRefused
from buffer.examples_layout import LabelSource, examples_schema, feature_names
from buffer.sampling import Sample
from buffer.snapshot import Snapshot
from buffer.table import TableName

_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class TableVersions:
    """The versions of the three tables that something was read from; a model names those it was trained on."""

    features: int
    scores: int
    labels: int

    def as_json(self) -> dict[str, int]:
        """Return plain values, for a manifest."""
        return {"features": self.features, "scores": self.scores, "labels": self.labels}


class FrozenTable(Protocol):
    """A table whose versions can be read."""

    def snapshot(self, version: int | None = None) -> Snapshot:
        """Return the rows of this version, or of the newest."""
        ...


class FrozenTables(Protocol):
    """The three tables, to be read."""

    @property
    def features(self) -> FrozenTable:
        """Return the table of events."""
        ...

    @property
    def scores(self) -> FrozenTable:
        """Return the table of scores."""
        ...

    @property
    def labels(self) -> FrozenTable:
        """Return the table of labels."""
        ...


@dataclass(frozen=True, slots=True)
class ExampleQuery:
    """Which examples.

    Attributes:
        as_of_ms: Now, in epoch milliseconds: what ``missing`` and the ages of a decaying sample are counted from.
        fields: Features wanted, in this order; None: all that the table has.
        from_ms: Only events at or after this time.
        to_ms: Only events before this time.
        since: Only what became an example after this cursor.
        missing: The class an event counts as that has no label ``max_delay`` after it; None: it is no example.
        max_delay: How long a label may take; needed with ``missing``.
        sample: Take only some of them.
        versions: Read these versions of the tables; None: the newest.
    """

    as_of_ms: int
    fields: tuple[str, ...] | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    since: Cursor | None = None
    missing: str | None = None
    max_delay: timedelta | None = None
    sample: Sample | None = None
    versions: TableVersions | None = None

    def __post_init__(self) -> None:
        """Refuse a missing class without the delay after which a label is missing."""
        if self.missing is not None and self.max_delay is None:
            raise BufferingError("a missing label counts as a class only after a delay: give max_delay, too")

    @property
    def now_ms(self) -> int:
        """Return ``as_of_ms``, but never a moment before the cursor: a clock may go backwards."""
        return self.as_of_ms if self.since is None else max(self.as_of_ms, self.since.as_of_ms)

    @property
    def missing_before_ms(self) -> int | None:
        """Return the time before which an event without a label counts as the missing class.

        Never before that of the cursor: a longer delay must not take back what was given, to give it once more.
        """
        if self.missing is None or self.max_delay is None:
            return None
        given = None if self.since is None else self.since.missing_before_ms
        before = self.now_ms - self.max_delay // _MS
        return before if given is None else max(before, given)


@dataclass(frozen=True, slots=True)
class ExampleCounts:
    """How many examples there are, and what became of those given before the cursor.

    Attributes:
        inline: Examples whose label came with the event.
        topic: Examples whose label came later, by event id.
        missing: Examples without a label that count as the missing class.
        corrected_after: Events that were given before and have another label now; they are not given again.
        retracted_after: Events that were given before and have no label now.
    """

    inline: int = 0
    topic: int = 0
    missing: int = 0
    corrected_after: int = 0
    retracted_after: int = 0

    @property
    def examples(self) -> int:
        """Return how many the stream yields."""
        return self.inline + self.topic + self.missing

    def as_json(self) -> dict[str, int]:
        """Return plain values."""
        return {
            "examples": self.examples,
            "inline": self.inline,
            "topic": self.topic,
            "missing": self.missing,
            "corrected_after": self.corrected_after,
            "retracted_after": self.retracted_after,
        }


class ExampleStream:
    """Examples as Arrow batches, to be read once, from one thread; a context manager, for there are temporary files.

    In the order in which they came to be known: the later of the arrival of the event and of its label (of a
    missing label the moment it was given up), then topic id, partition, offset of the event. The order and the
    rows are the same however often the same versions are read.

    Attributes:
        schema: The fields, then ``examples_layout.LABEL_COLUMNS``.
        fields: The names of the features among them.
        versions: The versions read.
        cursor: What the next increment begins at. It takes everything as given that was an example now,
            also what the window or the sample leaves out.
        counts: Known before the first batch.
    """

    def __init__(  # noqa: PLR0913 - what it yields, and what is known of it
        self,
        session: DuckSession,
        *,
        fields: tuple[str, ...],
        schema: pa.Schema,
        versions: TableVersions,
        cursor: Cursor,
        counts: ExampleCounts,
    ) -> None:
        self.fields = fields
        self.schema = schema
        self.versions = versions
        self.cursor = cursor
        self.counts = counts
        self._session = session
        self._batches: Iterator[pa.RecordBatch] | None = session.batches(sql.examples(fields), schema)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the examples and close the stream after the last.

        Raises:
            BufferingError: The stream was read or closed already, or the tables cannot be read on.
        """
        batches, self._batches = self._batches, None
        if batches is None:
            raise BufferingError("a stream of examples can be read once: open another")
        with self:
            yield from batches

    def close(self) -> None:
        """Give back memory and temporary files; more than once does no harm."""
        self._batches = None
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_examples(tables: FrozenTables, query: ExampleQuery, *, limits: QueryLimits | None = None) -> ExampleStream:
    """Return the examples that a query asks for; the join is done when this returns, the batches follow.

    An event is an example when it has a label: the last by label time of those that the labels topic has for
    its id (a tie goes to the one that arrived last), or the one it carries itself, which counts as of the event's
    time and gives way to one of the topic of that time or later. A retraction that wins is no label. A label that
    was refused is none; a late one counts. Of several events of one id each is an example.

    An increment (``since``) has what is an example now and was none at the cursor, so along a chain of
    cursors each is given once: an event that met its label late, one that came after its label, one whose label was
    retracted and given anew. A label that changed after it was given is counted, not given again.

    Raises:
        TableRefused: A field is no column of the table, or a version is gone.
        TableUnavailable: The tables cannot be read now, or there is no room for temporary files.
    """
    snapshots = _snapshots(tables, query.versions)
    fields, schema = _columns(snapshots[TableName.FEATURES], query.fields)
    session = DuckSession(limits)
    try:
        for snapshot in snapshots.values():
            session.attach(snapshot)
        counts = _choose(session, query)
        return ExampleStream(
            session,
            fields=fields,
            schema=schema,
            versions=TableVersions(**{name.value: snapshot.version for name, snapshot in snapshots.items()}),
            cursor=_cursor(session, query),
            counts=counts,
        )
    except BaseException:
        with suppress(Exception):
            session.close()
        raise


def _snapshots(tables: FrozenTables, versions: TableVersions | None) -> Mapping[TableName, Snapshot]:
    return {
        TableName.FEATURES: tables.features.snapshot(None if versions is None else versions.features),
        TableName.SCORES: tables.scores.snapshot(None if versions is None else versions.scores),
        TableName.LABELS: tables.labels.snapshot(None if versions is None else versions.labels),
    }


def _columns(features: Snapshot, wanted: tuple[str, ...] | None) -> tuple[tuple[str, ...], pa.Schema]:
    table = features.dataset().schema
    known = feature_names(table)
    names = known if wanted is None else wanted
    absent = [name for name in names if name not in known]
    if absent:
        raise TableRefused(
            f"the features table has no column {', '.join(absent)} (it has {', '.join(known)}); a field that is new in "
            "the service file becomes a column when 'tidemill buffer run' starts with it"
        )
    return names, examples_schema(table, names)


def _choose(session: DuckSession, query: ExampleQuery) -> ExampleCounts:
    """Decide which events are examples, find their live scores, and count them."""
    judge_events(session, query)
    changed = (0, 0)
    if query.since is not None:
        session.register(sql.SEEN, _seen(query.since))
        session.run(sql.effective_labels("winning_before", only_seen=True))
        session.run(sql.judged_since(missing_before_ms=query.since.missing_before_ms))
        changed = session.rows(sql.changed_since())[0]
    is_increment = query.since is not None
    session.run(sql.chosen_examples(is_increment=is_increment, sample=query.sample, as_of_ms=query.now_ms))
    by_source: dict[str, Any] = dict(session.rows(sql.COUNTED))
    for step in (sql.LIVE, *sql.KNOWN):
        session.run(step)
    return ExampleCounts(
        inline=by_source.get(LabelSource.INLINE, 0),
        topic=by_source.get(LabelSource.TOPIC, 0),
        missing=by_source.get(LabelSource.MISSING, 0),
        corrected_after=changed[0],
        retracted_after=changed[1],
    )


def judge_events(session: DuckSession, query: ExampleQuery) -> None:
    """Make the view ``judged``: every event of the window with its label, null where it has none."""
    bounds = []
    if query.from_ms is not None:
        bounds.append(f"event_time >= make_timestamptz({query.from_ms * 1000})")
    if query.to_ms is not None:
        bounds.append(f"event_time < make_timestamptz({query.to_ms * 1000})")
    session.run(sql.effective_labels("winning", only_seen=False))
    session.run(
        sql.judged_events(
            bounds=bounds,
            missing=query.missing,
            missing_before_ms=query.missing_before_ms,
            delay_us=0 if query.max_delay is None else query.max_delay // timedelta(microseconds=1),
        )
    )


def _cursor(session: DuckSession, query: ExampleQuery) -> Cursor:
    found = Cursor(
        as_of_ms=query.now_ms,
        features=_positions(session, TableName.FEATURES),
        labels=_positions(session, TableName.LABELS),
        missing_before_ms=query.missing_before_ms,
    )
    return found.merged(query.since)


def _positions(session: DuckSession, table: TableName) -> Positions:
    return {(topic_id, part): position for topic_id, part, position in sorted(session.rows(sql.positions(table)))}


def _seen(cursor: Cursor) -> pa.Table:
    rows = [
        (table, topic_id, part, position)
        for table, positions in ((TableName.FEATURES, cursor.features), (TableName.LABELS, cursor.labels))
        for (topic_id, part), position in positions.items()
    ]
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    types = (pa.string(), pa.string(), pa.int32(), pa.int64())
    arrays = [pa.array([str(v) if t == pa.string() else v for v in c], t) for c, t in zip(columns, types, strict=True)]
    return pa.table(arrays, ["tbl", "topic_id", "part", "next"])
