"""What can go wrong with the tables; the class says what to do next."""

from __future__ import annotations

from collections.abc import Iterable


class BufferingError(Exception):
    """Anything about the buffer; its text is one line for a person."""


class TableUnavailable(BufferingError):
    """The table cannot be reached or written now (disk full, slow or absent storage): keep the rows, try again."""


class TableRefused(BufferingError):
    """Trying again does not help: a column has another type, the folder holds something else, access is denied."""


class VersionGone(BufferingError):
    """A version of a table is no longer kept, or never was."""


class Overtaken(BufferingError):
    """The table does not stand where the rows begin: somebody else, or we ourselves, wrote them already.

    Drop the rows of *all* stretches of the append and read again from what the table says.
    """

    def __init__(self, app_ids: Iterable[str]) -> None:
        """Name the sources whose position is not the expected one."""
        self.app_ids = tuple(app_ids)
        super().__init__(f"the table does not stand where the rows begin, of {', '.join(self.app_ids)}")
