"""Compressed files, unpacked as they are read: in bounded pieces, and not without end."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from features.errors import TableError

MAX_UNPACKED_BYTES = 64 << 30  # beyond it a small file is a bomb, or should come in parts
MAX_READ_BYTES = 1 << 20  # what one call may unpack, however much it would give
SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}


def compression_of(head: bytes, *, name: str, place: str) -> str | None:
    """Return how a file is compressed, by its first bytes; None where it is not.

    Raises:
        TableError: Its name says that it is compressed, and its first bytes say that it is not.

    >>> compression_of(b"BZh9", name="a.csv", place="/in/a.csv")
    'bz2'
    """
    found = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    named = next((kind for suffix, kind in SUFFIXES.items() if name.lower().endswith(suffix)), None)
    if named is not None and named != found:
        raise TableError(f"{place}: named like {named}, but its first bytes are not; it may be cut off or unpacked")
    return found


def bare_name(name: str) -> str:
    """Return a file's name without the suffix of its compression, in lower case.

    >>> bare_name("Day-1.CSV.gz"), bare_name("a.parquet")
    ('day-1.csv', 'a.parquet')
    """
    lower = name.lower()
    return next((lower.removesuffix(suffix) for suffix in SUFFIXES if lower.endswith(suffix)), lower)


def unpacked(stored: BinaryIO, compression: str, *, place: str) -> BinaryIO:
    """Return a reader of what is packed in ``stored``, which it closes; it cannot seek.

    Reading raises ``TableError`` where the file is damaged, cut off, or unpacks to more than
    ``MAX_UNPACKED_BYTES``.
    """
    opened = _OPENERS[compression](stored, place)
    return cast("BinaryIO", io.BufferedReader(_Unpacked(opened, stored, place), MAX_READ_BYTES))


class _Unpacked(io.RawIOBase):
    """Counts what comes out, and says in one line what is wrong."""

    def __init__(self, packed: Any, stored: BinaryIO, place: str) -> None:
        super().__init__()
        self._packed = packed
        self._stored = stored
        self._place = place
        self._total = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._packed.read(min(len(buffer), MAX_READ_BYTES))
        except (OSError, EOFError, zlib.error) as error:  # pyarrow's own errors of reading are OSError
            raise TableError(
                f"{self._place}: damaged or cut off, {self._total} bytes into its content: {_first_line(error)}"
            ) from error
        self._total += len(data)
        if self._total > MAX_UNPACKED_BYTES:
            raise TableError(f"{self._place}: unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB; split it")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._packed.close()
            self._stored.close()
        super().close()


def _zstd(stored: BinaryIO, place: str) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        raise TableError(f"{place}: reading zstd needs pyarrow; install tidemill[parquet]") from None
    return pa.CompressedInputStream(pa.PythonFile(stored, mode="r"), "zstd")


def _gzip(stored: BinaryIO, _place: str) -> Any:
    return gzip.GzipFile(fileobj=stored, mode="rb")


def _bz2(stored: BinaryIO, _place: str) -> Any:
    return bz2.BZ2File(stored, mode="rb")


_OPENERS: dict[str, Callable[[BinaryIO, str], Any]] = {"gzip": _gzip, "bz2": _bz2, "zstd": _zstd}


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
