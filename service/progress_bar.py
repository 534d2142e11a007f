"""The bar on the terminal, and the lines that come while it is there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class LinesAbove(FileProxy):
    """A stream whose lines go above the bar of its console.

    Rich's own proxy names neither encoding nor errors; those who check them, as the command line's echo does, then
    write to the stream beneath, into the middle of the bar.
    """

    encoding = "utf-8"
    errors = "replace"


@contextmanager
def shown_bar(title: str, *, unit: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr while the block runs; what is yielded takes how much more is done.

    Lines written meanwhile to stderr, and to stdout where that is a terminal, stand above the bar.
    """
    amount = MofNCompleteColumn() if total is not None else TextColumn("{task.completed:,.0f}")
    columns = (SpinnerColumn(), TextColumn(title), BarColumn(), amount, TextColumn(unit), TimeElapsedColumn())
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    with ExitStack() as stack:
        if sys.stdout.isatty():
            stack.enter_context(redirect_stdout(LinesAbove(console, sys.stdout)))
        stack.enter_context(redirect_stderr(LinesAbove(console, sys.stderr)))
        stack.enter_context(bar)
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count)
