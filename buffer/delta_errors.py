"""What the table library says went wrong, as one of the buffer's errors.

The library has few classes and many texts, so texts are matched. What is not known counts as passing: rows are kept and
the append is tried again, in sight, which loses nothing. Only the beginning of a text is shown: the rest may be a
backtrace, or a preview of rows, and rows hold what people should not find in a log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from buffer.errors import BufferingError, TableRefused, TableUnavailable

_LONGEST_REASON: Final = 300  # characters

_CONFLICT: Final = re.compile(
    r"invalid table version|version .* already exists|already exists at that location", re.IGNORECASE
)
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_CAUSE: Final = re.compile(r"\u21b3|Error:")
_STORE_CODE: Final = re.compile(r"<Code>(\w{1,100})</Code>")
_NOT_MADE: Final = "Could not create"

_RULES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        re.compile(r"not yet implemented|<code>notimplemented|operation not supported", re.IGNORECASE),
        "this storage cannot make a file only if there is none, which keeps two writers apart ({}); use another",
    ),
    (
        re.compile(r"json error|invalid json in log|expected contiguous commit files", re.IGNORECASE),
        "a file of the table's log is damaged ({}); see 'A damaged log' in docs/buffer.md",
    ),
    (
        re.compile(
            r"permission ?denied|operation not permitted|access ?denied|forbidden|unauthorized|invalidaccesskeyid"
            r"|signaturedoesnotmatch",
            re.IGNORECASE,
        ),
        "access is denied ({}); give this user the right to read and write there, or correct buffer.storage",
    ),
    (
        re.compile(r"nosuchbucket|bucket does not exist|bucket .*not found", re.IGNORECASE),
        "the bucket does not exist ({}); make it, or correct buffer.uri",
    ),
    (
        re.compile(r"not a directory|invalid table location|unsupported url|no suitable object store", re.IGNORECASE),
        "this is no place for a table ({}); correct buffer.uri",
    ),
)
"""Texts of what does not pass by itself, and what to say then."""


class TableAbsent(TableUnavailable):
    """There is no table, or the storage it is on is not there now."""


class CommitConflict(TableUnavailable):
    """Somebody else's commit came in between: nothing was written; look again, and try again."""


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """Raise an error of the table library as one of ours that names the table.

    Raises:
        CommitConflict: Another commit was first.
        TableAbsent: There is no table.
        TableUnavailable: Anything that may pass.
        TableRefused: Anything that does not.
    """
    try:
        yield
    except (DeltaError, OSError) as error:
        raise _as_ours(error, uri) from error
    except Exception as error:
        if type(error) is not Exception:  # what the query engine inside the library reports has no class of its own
            raise
        raise _as_ours(error, uri) from error


def _as_ours(error: Exception, uri: str) -> BufferingError:
    text = str(error)
    reason = shortened(text)
    if isinstance(error, CommitFailedError) or _CONFLICT.search(text):
        return CommitConflict(f"{uri}: {reason}")
    for pattern, advice in _RULES:
        if pattern.search(text):
            return TableRefused(f"{uri}: {advice.format(reason)}")
    if isinstance(error, TableNotFoundError) and _NOT_MADE not in text:
        return TableAbsent(
            f"{uri}: there is no table ({reason}); 'tidemill buffer run' and 'tidemill buffer load' make it;"
            " if it was there, see whether its storage is mounted"
        )
    return TableUnavailable(f"{uri}: {reason}")


def shortened(text: str) -> str:
    """Return the first line of a text with the causes the library puts below it, or what the object store calls it."""
    code = _STORE_CODE.search(text)
    if code is not None:
        return f"{code[1]} of the object store"
    lines = [line.strip() for line in _COLOURS.sub("", text).splitlines() if line.strip()]
    causes = [line.lstrip("\u21b3 ") for line in lines[1:] if _CAUSE.match(line)]
    shown = ": ".join([*lines[:1], *causes])
    return shown if len(shown) <= _LONGEST_REASON else f"{shown[:_LONGEST_REASON]}..."
