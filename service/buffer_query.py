"""The query of labelled examples as the service file and the options of a command describe it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from service.errors import UsageError
from service.moments import parse_moment
from service.settings import Settings
from service.settings_buffer import IGNORE

if TYPE_CHECKING:
    from buffer.cursor import Cursor
    from buffer.duck import QueryLimits
    from buffer.examples import ExampleQuery
    from buffer.sampling import Sample


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which examples, as a person says it.

    Attributes:
        start: Only events from this moment on.
        end: Only events before this one.
        since: The file of a cursor.
    """

    start: str | None = None
    end: str | None = None
    since: Path | None = None


def example_query(settings: Settings, wanted: Wanted, *, now_ms: int, sample: Sample | None = None) -> ExampleQuery:
    """Return the query.

    Raises:
        UsageError: A moment is none, or the file holds no cursor.
    """
    from buffer.examples import ExampleQuery

    return ExampleQuery(
        as_of_ms=now_ms,
        from_ms=None if wanted.start is None else parse_moment(wanted.start, option="--from", now_ms=now_ms),
        to_ms=None if wanted.end is None else parse_moment(wanted.end, option="--to", now_ms=now_ms),
        since=None if wanted.since is None else read_cursor(wanted.since),
        missing=None if settings.labels.missing == IGNORE else settings.labels.missing,
        max_delay=settings.labels.max_delay,
        sample=sample,
    )


def query_limits(settings: Settings) -> QueryLimits:
    """Return what a query may use."""
    from buffer.duck import QueryLimits

    return QueryLimits(memory=settings.buffer.query_memory)


def read_cursor(path: Path) -> Cursor:
    """Return the cursor of a file that ``--cursor-out`` wrote.

    Raises:
        UsageError: It is not there, or holds something else.
    """
    from buffer.cursor import Cursor
    from buffer.errors import BufferingError

    try:
        return Cursor.parse(path.read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"--since: {path}: {reason.lower()}; name a file that --cursor-out wrote") from None
    except BufferingError as error:
        raise UsageError(f"--since: {path}: {error}; name a file that --cursor-out wrote") from None
