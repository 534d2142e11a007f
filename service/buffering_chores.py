"""What the buffering process does for its tables from time to time: maintenance, and a look at their size."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from buffer.care_report import Outcome
from buffer.delta_tables import DeltaTables
from buffer.errors import BufferingError
from buffer.live_files import live_days
from buffer.maintainer import Maintainer
from consumer.buffering_telemetry import BufferingTelemetry


class TableChores:
    """Implements ``Chores``; the first look at the sizes is at once, the first maintenance after an interval."""

    def __init__(
        self,
        tables: DeltaTables,
        maintainer: Maintainer,
        *,
        interval: float,
        telemetry: BufferingTelemetry,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the tables, who maintains them, and the seconds from the end of one round to the next."""
        self._tables = tables
        self._maintainer = maintainer
        self._interval = interval
        self._telemetry = telemetry
        self._monotonic = monotonic
        self._next = monotonic()
        self._log = structlog.stdlib.get_logger("tidemill")

    def due(self) -> bool:
        """Return whether an interval is over."""
        return self._monotonic() >= self._next

    def maintain(self) -> None:
        """Let the maintainer do what is due, and log what came of it."""
        if not self._maintainer.due(datetime.now(UTC)):
            return
        for step in self._maintainer.run().steps:
            what = {"table": step.table.value, "step": step.step.value}
            if step.outcome is Outcome.FAILED:
                self._log.warning("Maintenance failed; the next run tries again", **what, detail=step.detail)
            elif step.work:
                work = step.work
                self._log.info("Table maintained", **what, rows=work.rows, files=work.files, new_files=work.new_files)

    def measure(self) -> None:
        """Tell the size of the newest version of each table."""
        try:
            for table in self._tables:
                days = live_days(table.handle())
                files = sum(len(day.sizes) for day in days)
                self._telemetry.table_size(table.name, files=files, nbytes=sum(day.bytes for day in days))
        except BufferingError as error:
            self._log.debug("Tables cannot be measured now", detail=str(error))
        finally:
            self._next = self._monotonic() + self._interval
