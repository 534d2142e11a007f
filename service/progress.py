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
    from service.progress_bar import shown_bar

    with shown_bar(title, unit=unit, total=total) as advance:

        class _Shown:
            def advance(self, count: int) -> None:
                advance(count)

        yield _Shown()
