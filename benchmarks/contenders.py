"""The contenders of a comparison side by side."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from rich.table import Table

from benchmarks.run import Run


def contenders_table(title: str, runs_of: Mapping[str, Sequence[Run]]) -> Table:
    """Return the medians of each contender's runs, in the order given."""
    table = Table(title=title, title_justify="left")
    for heading in ("contender", "events/s", "CPU us/event", "of it Python", "cores", "peak MiB"):
        table.add_column(heading, justify="left" if heading == "contender" else "right")
    for contender, runs in runs_of.items():
        table.add_row(
            contender,
            f"{statistics.median(run.rate for run in runs):,.0f}",
            f"{statistics.median(run.cpu_us for run in runs):.2f}",
            f"{statistics.median(1e6 * run.python_seconds / run.events for run in runs):.2f}",
            f"{statistics.median(run.cores for run in runs):.2f}",
            f"{statistics.median(run.peak_rss_mib for run in runs):,.0f}",
        )
    return table
