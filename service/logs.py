"""Logs: one line per fact, for a person on a terminal and as JSON everywhere else, always to stderr."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TextIO

import structlog
from structlog.typing import Processor

CLIENT_LOGGER = "kafka.client"
REPEAT_INTERVAL_S = 10.0
_VARYING: Final = re.compile(r" \(after .*")  # how long an attempt took, and what the client itself held down


class LogFormat(StrEnum):
    """How a line is written; ``auto`` is ``console`` (coloured) on a terminal and JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


def configure_logs(
    format: LogFormat = LogFormat.AUTO,  # noqa: A002 - the name of the setting
    level: str = "INFO",
    *,
    stream: TextIO | None = None,
) -> None:
    """Send all logs, ours and those of libraries, through one handler to stderr (or ``stream``).

    Every line has ``event``, ``level``, ``timestamp`` (ISO 8601, UTC) and ``logger``. Calling it again
    replaces what the last call set up.

    Raises:
        ValueError: No such level.
    """
    logging.getLogger(CLIENT_LOGGER).setLevel(logging.NOTSET)
    out: TextIO | _Stderr = _Stderr() if stream is None else stream
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # loggers made at import time follow a later call of this function
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(format, out)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def client_logger() -> logging.Logger:
    """Return the logger for the Kafka client's ``logger=`` argument; what it says again and again comes once a while.

    While a broker is down the client tells of each attempt, twenty times a second.
    """
    logger = logging.getLogger(CLIENT_LOGGER)
    logger.addFilter(_ONCE_A_WHILE)  # the same one is added only once
    return logger


def hush_client() -> None:
    """Let the Kafka client say nothing: what goes wrong in a command is told once, as its error."""
    logging.getLogger(CLIENT_LOGGER).setLevel(logging.CRITICAL)


def _renderers(format: LogFormat, out: TextIO | _Stderr) -> list[Processor]:  # noqa: A002 - the name of the setting
    is_terminal = out.isatty()
    if format is LogFormat.JSON or (format is LogFormat.AUTO and not is_terminal):
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    return [structlog.dev.ConsoleRenderer(colors=is_terminal, exception_formatter=structlog.dev.plain_traceback)]


class _Stderr:
    """Whatever ``sys.stderr`` is at the moment: a live view on the terminal puts itself there while it shows."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


class Repeats:
    """Keeps a warning that would come with every batch down to one line per interval. Thread-safe."""

    def __init__(self, *, interval_s: float = REPEAT_INTERVAL_S, clock: Callable[[], float] = time.monotonic) -> None:
        """Set how long a thing stays quiet after it was logged."""
        self._interval_s = interval_s
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        self._quiet_until: dict[str, float] = {}

    def due(self, key: str, count: int = 1) -> int | None:
        """Count ``count`` more of a thing; return how many there are to log now, or None to stay quiet."""
        with self._lock:
            total = self._held.pop(key, 0) + count
            now = self._clock()
            if now < self._quiet_until.get(key, now):
                self._held[key] = total
                return None
            self._quiet_until[key] = now + self._interval_s
            return total


class _OnceAWhile(logging.Filter):
    """Lets the first of equal lines through, then one per interval with the number of those it stands for."""

    def __init__(self) -> None:
        super().__init__()
        self._repeats = Repeats()

    def filter(self, record: logging.LogRecord) -> bool:
        line = record.getMessage()
        count = self._repeats.due(_VARYING.sub("", line))
        if count is not None and count > 1:
            record.msg, record.args = f"{line} ({count} such lines)", ()
        return count is not None


_ONCE_A_WHILE: Final = _OnceAWhile()
