"""The account of labels: what became of every row of the labels table, and how much of the stream has a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from buffer.duck import DuckSession, QueryLimits
from buffer.examples import ExampleQuery, FrozenTables, judge_events
from buffer.examples_sql import ARRIVED

_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
BUCKETS: Final[tuple[timedelta, ...]] = (
    timedelta(0),
    _MINUTE,
    10 * _MINUTE,
    _HOUR,
    6 * _HOUR,
    _DAY,
    3 * _DAY,
    7 * _DAY,
    14 * _DAY,
    30 * _DAY,
    60 * _DAY,
    90 * _DAY,
    180 * _DAY,
)
"""Upper bounds of the delays that are counted together; the first is for labels that came before their event."""

COVERAGE_DAYS: Final = 30
_US: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class LabelOutcomes:
    """How many rows of the labels table became what; each row is one of these, so they add up to the table.

    The rows of one event id are looked at by label time, those of one time as they arrived.

    Attributes:
        matched: The first label of an id whose event is there.
        late: The same, but it arrived more than ``max_delay`` after the (first) event of the id; it still counts.
        pending: The first label of an id whose event is not there (yet); it arrived at most ``max_delay`` ago.
        orphan: The same, but older: no event of this id will come.
        expired: The same, but so old that retention may have dropped its event; nobody can tell any more.
        duplicate: It says what the row before it of the same id said.
        corrected: It says something else than the row before it.
        retracted: It takes back the label before it, or the one the event carries.
        refused: No label at all, by reason: unknown class, no id, does not decode.
    """

    matched: int = 0
    late: int = 0
    pending: int = 0
    orphan: int = 0
    expired: int = 0
    duplicate: int = 0
    corrected: int = 0
    retracted: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return sum(self.counts().values()) + sum(self.refused.values())

    def counts(self) -> dict[str, int]:
        """Return the number of each kind but the refused."""
        return {column.name: getattr(self, column.name) for column in fields(self) if column.name != "refused"}

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**self.counts(), "refused": dict(self.refused)}


@dataclass(frozen=True, slots=True)
class DayCoverage:
    """How much of the events of one day (UTC, by event time) has a label.

    Attributes:
        day: The day.
        events: Rows that are kept.
        labelled: Those of them that have a label; a missing one that counts as a class is none.
        share: Of labelled among all events there were: a row kept from thinning stands for those that were not.
    """

    day: date
    events: int
    labelled: int
    share: float


@dataclass(frozen=True, slots=True)
class LabelAccount:
    """The account.

    Attributes:
        outcomes: What became of each row.
        delays: How many first labels of an event arrived at most so long after it, and not within the bound before:
            one number for each of ``BUCKETS``, and one for all that took longer.
        coverage: The days that have events of the ``COVERAGE_DAYS`` up to the newest one, oldest first.
        thinned: Rows of the features table that stand for others, too.
    """

    outcomes: LabelOutcomes
    delays: tuple[int, ...]
    coverage: tuple[DayCoverage, ...]
    thinned: int


def account_labels(
    tables: FrozenTables,
    *,
    as_of_ms: int,
    max_delay: timedelta,
    retention: timedelta,
    limits: QueryLimits | None = None,
) -> LabelAccount:
    """Return the account of the newest versions of the tables.

    Raises:
        BufferingError: They cannot be read now, as for ``open_examples``.
    """
    with DuckSession(limits) as session:
        session.attach(tables.features.snapshot())
        session.attach(tables.labels.snapshot())
        session.run(_classified(as_of_ms * 1000, max_delay, retention))
        outcomes: dict[str, int] = dict(session.rows("SELECT outcome, count(*) FROM classified GROUP BY outcome"))
        refused: dict[str, int] = dict(session.rows(_REFUSED))
        return LabelAccount(
            outcomes=LabelOutcomes(**outcomes, refused=refused),
            delays=_delays(session),
            coverage=_coverage(session, as_of_ms),
            thinned=session.rows("SELECT count(*) FROM features WHERE sample_weight > 1")[0][0],
        )


_REFUSED: Final = "SELECT refused, count(*) FROM labels WHERE refused IS NOT NULL GROUP BY ALL ORDER BY 2 DESC, 1"


def _classified(now_us: int, max_delay: timedelta, retention: timedelta) -> str:
    """Return the step that gives every row that is not refused its outcome, and the first label of an event its delay.

    A record without a timestamp arrived at its label time: there is nothing better to go by.
    """
    delay = max_delay // _US
    unmatched = (
        f"CASE WHEN {now_us} - arrived <= {delay} THEN 'pending'"
        f" WHEN {now_us} - (arrived - {delay}) > {retention // _US} THEN 'expired' ELSE 'orphan' END"
    )
    return f"""
        CREATE TEMP TABLE classified AS
        WITH ordered AS (
            SELECT event_id, label, epoch_us(coalesce(record_time, label_time)) AS arrived,
                row_number() OVER by_id AS nth, lag(label) OVER by_id AS before
            FROM labels WHERE refused IS NULL
            WINDOW by_id AS (PARTITION BY event_id
                ORDER BY label_time, {ARRIVED}, record_topic_id, record_partition, record_offset)
        ), happened AS (
            SELECT event_id, epoch_us(min(event_time)) AS happened FROM features
            WHERE event_id IN (SELECT event_id FROM ordered) GROUP BY event_id
        )
        SELECT CASE
            WHEN nth > 1 AND label IS NOT DISTINCT FROM before THEN 'duplicate'
            WHEN label IS NULL THEN 'retracted'
            WHEN nth > 1 THEN 'corrected'
            WHEN happened IS NULL THEN {unmatched}
            WHEN arrived - happened > {delay} THEN 'late'
            ELSE 'matched' END AS outcome,
            arrived - happened AS delay_us
        FROM ordered LEFT JOIN happened USING (event_id)
    """  # noqa: S608


def _delays(session: DuckSession) -> tuple[int, ...]:
    bounds = [bucket // _US for bucket in BUCKETS]
    cases = " ".join(f"WHEN delay_us <= {bound} THEN {number}" for number, bound in enumerate(bounds))
    found = session.rows(
        f"SELECT CASE {cases} ELSE {len(bounds)} END, count(*) FROM classified"  # noqa: S608
        " WHERE outcome IN ('matched', 'late') GROUP BY ALL"
    )
    counts: dict[int, int] = dict(found)
    return tuple(counts.get(number, 0) for number in range(len(bounds) + 1))


def _coverage(session: DuckSession, as_of_ms: int) -> tuple[DayCoverage, ...]:
    """Return the last days up to the newest event; one from the future, of a wrong clock, hides none."""
    day_ms = _DAY // timedelta(milliseconds=1)
    tomorrow = (as_of_ms // day_ms + 1) * day_ms
    newest = f"SELECT max(epoch_ms(event_time)) FROM features WHERE event_time < make_timestamptz({tomorrow * 1000})"  # noqa: S608
    last = session.rows(newest)[0][0]
    if last is None:
        return ()
    end = (last // day_ms + 1) * day_ms
    asked = ExampleQuery(as_of_ms=as_of_ms, from_ms=end - COVERAGE_DAYS * day_ms, to_ms=end)
    judge_events(session, asked)
    weight = "coalesce(sample_weight, 1.0)"
    found = session.rows(
        f"SELECT epoch_ms(event_time) // {day_ms}, count(*), count(label),"  # noqa: S608
        f" coalesce(sum({weight}) FILTER (WHERE label IS NOT NULL), 0) / sum({weight})"
        " FROM judged GROUP BY 1 ORDER BY 1"
    )
    return tuple(
        DayCoverage(datetime.fromtimestamp(day * day_ms / 1000, UTC).date(), events, labelled, share)
        for day, events, labelled, share in found
    )
