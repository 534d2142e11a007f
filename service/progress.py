"""Progress on long work: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Told how much more is done."""

    def advance(self, count: int) -> None:
        """Add to what is done."""
        ...


class _Silent:
    def advance(self, count: int) -> None:
        del count


@contextmanager
def progress(title: str, *, unit: str, total: int | None = None) -> Iterator[Progress]:
    """Show progress on stderr while the block runs, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    amount = MofNCompleteColumn() if total is not None else TextColumn("{task.completed:,.0f}")
    columns = (SpinnerColumn(), TextColumn(title), BarColumn(), amount, TextColumn(unit), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)

        class _Shown:
            def advance(self, count: int) -> None:
                bar.advance(task, count)

        yield _Shown()
