"""What SIGTERM and SIGINT do while a process works."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ending_signals(handle: Callable[[], None]) -> Iterator[None]:
    """Call ``handle`` for each SIGTERM and SIGINT while the block runs; it must be quick and must not raise."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        handle()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
