"""The file of what was left out: whole or not there, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from features.rows import LineProblem
from service.errors import ServiceError

HEADER = ("file", "line", "reason", "detail")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet may run


class Rejects(Protocol):
    """Told the lines of a file that are left out, in order."""

    def add(self, place: str, problems: Sequence[LineProblem]) -> None:
        """Take some."""
        ...


class NoRejects:
    """Implements ``Rejects`` where nobody asked for a file."""

    def add(self, place: str, problems: Sequence[LineProblem]) -> None:
        """Forget them."""


class RejectFile:
    """Implements ``Rejects``: a context that leaves a CSV file behind when it ends well, and nothing when it does not.

    Raises:
        ServiceError: On entering and leaving: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        self._file: TextIO | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        with self._told():
            if self._path.is_dir():
                raise IsADirectoryError(21, "it is a folder")
            self._file = self._aside.open("w", encoding="utf-8", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow(HEADER)
        return self

    def add(self, place: str, problems: Sequence[LineProblem]) -> None:
        """Write a row for each line."""
        with self._told():
            for problem in problems:
                self._writer.writerow((_cell(place), problem.line, problem.reason.value, _cell(problem.detail)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file = self._file
        try:
            with self._told():
                if file is not None:
                    with file:
                        if kind is None:
                            file.flush()
                            os.fsync(file.fileno())
                    if kind is None:
                        self._aside.replace(self._path)
        except ServiceError:
            if kind is None:  # else what went wrong first is what is told
                raise
        finally:
            self._aside.unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ServiceError(
                f"{self._path}: the rejects cannot be written: {error.strerror or error}; name another place,"
                " or make room and run again"
            ) from error


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, on one line.

    >>> _cell("=cmd|' /C calc'!A0")
    "'=cmd|' /C calc'!A0"
    """
    line = text.encode(errors="backslashreplace").decode().replace("\n", "\\n").replace("\r", "\\r")
    return f"'{line}" if line.startswith(_FORMULA) else line
