"""What `tidemill buffer maintain` and `buffer forget` do, and the maintainer that the buffering worker runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from service.buffer_tables import build_tables, require_libraries
from service.settings import Settings
from service.units import readable_size

if TYPE_CHECKING:
    from buffer.care_report import CareReport, StepReport, Work
    from buffer.delta_tables import DeltaTables
    from buffer.forgetting import Person
    from buffer.maintainer import Maintainer
    from buffer.maintenance import CarePolicy


def care_policy(settings: Settings) -> CarePolicy:
    """Return what is kept, as the service file says."""
    require_libraries()
    from buffer.duck import QueryLimits
    from buffer.maintenance import CarePolicy
    from buffer.thinning import ThinningRule

    buffer = settings.buffer
    return CarePolicy(
        retention=buffer.retention,
        keep_versions=buffer.keep_versions,
        thinning=ThinningRule(
            buffer.sample_unlabelled,
            settings.labels.max_delay,
            limits=QueryLimits(memory=buffer.query_memory, threads=1),
        ),
    )


def build_maintainer(
    settings: Settings, tables: DeltaTables, *, should_stop: Callable[[], bool] = lambda: False
) -> Maintainer:
    """Return who looks after the tables while events come in.

    Args:
        settings: The service file.
        tables: The worker's own; they are opened anew each time, so both may use them at once.
        should_stop: Whether the worker is about to end.
    """
    from buffer.maintainer import Maintainer

    return Maintainer(
        tables,
        care_policy(settings),
        interval=settings.buffer.maintain_interval,
        clock=utc_now,
        should_stop=should_stop,
    )


def maintain_tables(settings: Settings) -> CareReport:
    """Do what is due now.

    Raises:
        ServiceError: The libraries of the tables are not installed.
        BufferingError: The address of the tables is none.
    """
    tables = build_tables(settings)
    from buffer.maintenance import maintain

    return maintain(tables, care_policy(settings), utc_now())


def person_rows(settings: Settings, person: Person) -> dict[str, int]:
    """Return by table how many rows of a person there are.

    Raises:
        BufferingError: The tables cannot be read.
    """
    tables = build_tables(settings)
    from buffer.forgetting import find_rows

    return {name.value: len(rows) for name, rows in find_rows(tables, person, limits=_limits(settings)).items()}


def forget_person(settings: Settings, person: Person) -> dict[str, int]:
    """Remove a person's rows and the files that held them; return by table how many rows.

    Raises:
        BufferingError: It cannot be done, or not now.
    """
    tables = build_tables(settings)
    from buffer.forgetting import forget

    return {name.value: rows for name, rows in forget(tables, person, limits=_limits(settings)).items()}


def step_line(step: StepReport) -> str:
    """Return one step as a person reads it."""
    from buffer.care_report import Outcome

    endings = {
        Outcome.REFUSED: f"other writers were faster, the next run tries again ({step.detail})",
        Outcome.FAILED: f"failed: {step.detail}",
    }
    said = [part for part in (_work_text(step.work), endings.get(step.outcome, "")) if part]
    return f"{step.table:<9} {step.step:<11} {'; '.join(said)}"


def step_json(step: StepReport) -> dict[str, Any]:
    """Return one step as a program reads it."""
    work = step.work
    return {
        "table": step.table.value,
        "step": step.step.value,
        "outcome": step.outcome.value,
        "days": work.days,
        "rows_removed": work.rows,
        "files_removed": work.files,
        "files_added": work.new_files,
        "bytes_removed": work.bytes,
        "bytes_added": work.new_bytes,
        "detail": step.detail,
    }


def utc_now() -> datetime:
    """Return the wall clock."""
    return datetime.now(UTC)


def _work_text(work: Work) -> str:
    if not work:
        return ""
    if not work.files:
        return "done"
    days = f"{_counted(work.days, 'day')}: " if work.days else ""
    rows = f"{_counted(work.rows, 'row')} removed, " if work.rows else ""
    before = _counted(work.files, "file") + (f" ({readable_size(work.bytes)})" if work.bytes else "")
    after = f" became {work.new_files} ({readable_size(work.new_bytes)})" if work.new_files else " removed"
    return f"{days}{rows}{before}{after}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _limits(settings: Settings) -> Any:
    from buffer.duck import QueryLimits

    return QueryLimits(memory=settings.buffer.query_memory)
