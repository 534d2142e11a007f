"""What the tables hold: their size, the account of the labels, how much of the stream has one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from service.buffer_query import query_limits
from service.buffer_tables import buffer_root, build_tables
from service.settings import Settings
from service.units import format_duration, readable_size

if TYPE_CHECKING:
    from buffer.accounts import LabelAccount, LabelOutcomes
    from buffer.measures import TableMeasure

SHOWN_DAYS: Final = 7
BAR: Final = 30  # columns
_TOLD: Final = {
    "matched": "the first label of an event",
    "late": "the same, later than labels.max_delay: counts all the same",
    "pending": "no such event yet",
    "orphan": "no such event, and labels.max_delay is over",
    "expired": "no such event; retention may have dropped it",
    "duplicate": "says what the label before it said",
    "corrected": "says something else than the one before it",
    "retracted": "takes the label back",
}


@dataclass(frozen=True, slots=True)
class BufferStatus:
    """What ``tidemill buffer status`` shows."""

    place: str
    retention: timedelta
    max_delay: timedelta
    tables: Sequence[TableMeasure]
    account: LabelAccount

    def as_json(self) -> dict[str, Any]:
        """Return it for a program; durations in seconds, a bound of null is all that is longer."""
        from buffer.accounts import BUCKETS

        bounds = [*(bound.total_seconds() for bound in BUCKETS), None]
        return {
            "uri": self.place,
            "retention_seconds": self.retention.total_seconds(),
            "max_delay_seconds": self.max_delay.total_seconds(),
            "tables": {table.name.value: _table_json(table, self.retention) for table in self.tables},
            "labels": self.account.outcomes.as_json(),
            "label_delays": [
                {"at_most_seconds": bound, "labels": count}
                for bound, count in zip(bounds, self.account.delays, strict=True)
            ],
            "coverage": [
                {"day": day.day.isoformat(), "events": day.events, "labelled": day.labelled, "share": day.share}
                for day in self.account.coverage
            ],
            "thinned_rows": self.account.thinned,
        }

    def lines(self) -> Iterator[str]:
        """Yield it for a person."""
        yield f"{self.place}: kept for {format_duration(self.retention)}"
        yield ""
        yield from _tables_shown(self.tables, self.retention)
        if self.account.thinned:
            yield f"{self.account.thinned:,} rows of features are kept from thinning and stand for others, too"
        if self.account.outcomes.rows:
            yield ""
            yield from _outcomes_shown(self.account.outcomes)
        if any(self.account.delays):
            yield ""
            yield from _delays_shown(self.account.delays)
        if self.account.coverage:
            yield ""
            yield from _coverage_shown(self.account)


def buffer_status(settings: Settings, *, now_ms: int) -> BufferStatus:
    """Look at the newest versions of the tables.

    Raises:
        BufferingError: They are not there yet, or cannot be read now.
        ServiceError: The libraries of the tables are not installed.
    """
    tables = build_tables(settings)
    from buffer.accounts import account_labels
    from buffer.live_files import live_days
    from buffer.measures import measure

    return BufferStatus(
        place=buffer_root(settings),
        retention=settings.buffer.retention,
        max_delay=settings.labels.max_delay,
        tables=[measure(table.name, live_days(table.handle())) for table in tables],
        account=account_labels(
            tables,
            as_of_ms=now_ms,
            max_delay=settings.labels.max_delay,
            retention=settings.buffer.retention,
            limits=query_limits(settings),
        ),
    )


def _table_json(table: TableMeasure, retention: timedelta) -> dict[str, Any]:
    return {
        "rows": table.rows,
        "files": table.files,
        "bytes": table.bytes,
        "first_day": _day(table.first_day),
        "last_day": _day(table.last_day),
        "rows_a_day": round(table.rows_a_day),
        "bytes_a_day": round(table.bytes_a_day),
        "bytes_at_retention": table.bytes_at(retention),
    }


def _tables_shown(tables: Sequence[TableMeasure], retention: timedelta) -> Iterator[str]:
    rows = [("TABLE", "ROWS", "FILES", "SIZE", "FIRST DAY", "LAST DAY", "A DAY", f"IN {format_duration(retention)}")]
    rows += [
        (
            table.name,
            f"{table.rows:,}",
            f"{table.files:,}",
            readable_size(table.bytes),
            _day(table.first_day) or "-",
            _day(table.last_day) or "-",
            readable_size(round(table.bytes_a_day)),
            readable_size(table.bytes_at(retention)),
        )
        for table in tables
    ]
    sums = (sum(t.rows for t in tables), sum(t.files for t in tables), sum(t.bytes for t in tables))
    projected = readable_size(sum(table.bytes_at(retention) for table in tables))
    rows.append(("", f"{sums[0]:,}", f"{sums[1]:,}", readable_size(sums[2]), "", "", "", projected))
    yield from _aligned(rows, left={0, 4, 5})


def _outcomes_shown(outcomes: LabelOutcomes) -> Iterator[str]:
    rows = [("LABELS", f"{outcomes.rows:,}", "", "")]
    counted = [(name, count, _TOLD[name]) for name, count in outcomes.counts().items()]
    counted += [("refused", count, reason) for reason, count in outcomes.refused.items()]
    rows += [(name, f"{count:,}", f"{count / outcomes.rows:.1%}", told) for name, count, told in counted if count]
    yield from _aligned(rows, left={0, 3})


def _delays_shown(delays: Sequence[int]) -> Iterator[str]:
    from buffer.accounts import BUCKETS

    names = ["before the event", *(f"at most {format_duration(bound)}" for bound in BUCKETS[1:]), "longer"]
    rows = [("DELAY", "LABELS", "")]
    rows += [
        (name, f"{count:,}", _bar(count / max(delays))) for name, count in zip(names, delays, strict=True) if count
    ]
    yield from _aligned(rows, left={0, 2})


def _coverage_shown(account: LabelAccount) -> Iterator[str]:
    rows = [("DAY (UTC)", "EVENTS", "LABELLED", "", "")]
    rows += [
        (day.day.isoformat(), f"{day.events:,}", f"{day.labelled:,}", f"{day.share:.1%}", _bar(day.share))
        for day in account.coverage[-SHOWN_DAYS:]
    ]
    yield from _aligned(rows, left={0, 4})


def _bar(share: float) -> str:
    """Return a bar; what is not nothing shows.

    >>> _bar(0.5), _bar(0.001), _bar(0)
    ('███████████████', '▏', '')
    """
    eighths = round(share * BAR * 8)
    full, rest = divmod(max(eighths, 1 if share > 0 else 0), 8)
    return "█" * full + " ▏▎▍▌▋▊▉"[rest].strip()


def _aligned(rows: Sequence[Sequence[str]], *, left: set[int]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
