"""The files that bulk data comes from: on a local disk or in object storage, plain or compressed.

A file is opened once. What is put in its place under the same name later is another file; what is written *into* it
while it is read is noticed (``InputFile.check_unchanged``).
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast
from urllib.parse import unquote

from features.compressed import compression_of, unpacked
from features.errors import TableError
from features.remote_files import RemoteBytes

HEAD_BYTES = 4  # enough for the magic bytes of every format
BUFFER_BYTES = 1 << 20
_LOCAL_URI = re.compile(r"file:/+(?=[^/])")
_REMOTE_URI = re.compile(r"s3:/+(?=[^/])")
_OTHER_URI = re.compile(r"([a-z][a-z0-9+.-]+)://")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when somebody writes to a file."""

    size: int
    modified_ns: int


class StoredBytes(Protocol):
    """The bytes of one file, which any number of readers may read from their own place."""

    def reader(self) -> BinaryIO:
        """Return a seekable reader that stands at the beginning."""
        ...

    def stamp(self) -> tuple[int, int]:
        """Return size and time of modification (nanoseconds) as they are now."""
        ...


class InputFile:
    """One file as it is stored.

    Attributes:
        place: Where it is, for a person and for messages.
        name: Its base name.
        compression: ``gzip``, ``bz2`` or ``zstd``, by its first bytes; None where it is none of them.

    Raises:
        TableError: On construction: it cannot be opened, or is named like a compressed file and is none.
    """

    def __init__(self, place: str, stored: StoredBytes) -> None:
        self.place = place
        bare = place.partition("?")[0] if is_remote(place) else place
        self.name = bare.rpartition("/")[2]
        self._stored = stored
        try:
            self._stamp = Stamp(*stored.stamp())
            with stored.reader() as reader:
                self.head = reader.read(HEAD_BYTES)
        except OSError as error:
            raise TableError(f"{place}: cannot be read: {reason_of(error)}") from error
        self.compression = compression_of(self.head, name=self.name, place=place)

    @property
    def size(self) -> int:
        """Return how many bytes are stored."""
        return self._stamp.size

    def stored(self) -> BinaryIO:
        """Return a seekable reader of the bytes as they are stored."""
        return self._stored.reader()

    def content(self) -> BinaryIO:
        """Return a reader of the bytes after decompression, from the beginning; reading it raises ``TableError``."""
        if self.compression is None:
            return self._stored.reader()
        return unpacked(self._stored.reader(), self.compression, place=self.place)

    def digest(self) -> str:
        """Return the SHA-256 of the bytes as they are stored, in hex.

        Raises:
            TableError: It changed or cannot be read.
        """
        try:
            with self._stored.reader() as reader:
                found = hashlib.file_digest(cast("Any", reader), "sha256").hexdigest()
        except OSError as error:
            raise TableError(f"{self.place}: cannot be read: {reason_of(error)}") from error
        self.check_unchanged()
        return found

    def check_unchanged(self) -> None:
        """Refuse to go on with a file that somebody has written to since it was opened.

        Raises:
            TableError: Size or time of modification are others now, or cannot be looked up any more.
        """
        try:
            now = Stamp(*self._stored.stamp())
        except OSError as error:
            raise TableError(f"{self.place}: cannot be looked up any more: {reason_of(error)}") from error
        if now != self._stamp:
            raise TableError(f"{self.place}: it was changed while it was read; run again when its writer is done")


def open_input(place: Path | str) -> InputFile:
    """Return the file at a path, ``file://`` or ``s3://bucket/key``, opened.

    Raises:
        TableError: It cannot be opened, or is no regular file.
    """
    text = place_of(place)
    stored: StoredBytes = RemoteBytes(text) if is_remote(text) else _LocalBytes(text)
    return InputFile(text, stored)


def place_of(place: Path | str) -> str:
    """Return a place as it is named from now on; ``Path`` has swallowed a slash of a URI, and it comes back.

    >>> place_of("file:///data/a%20b.csv"), place_of(Path("s3://bucket/key"))
    ('/data/a b.csv', 's3://bucket/key')
    """
    text = str(place)
    if _LOCAL_URI.match(text):
        return unquote(_LOCAL_URI.sub("/", text, count=1))
    text = _REMOTE_URI.sub("s3://", text, count=1)
    other = _OTHER_URI.match(text)
    if other and not is_remote(text):
        raise TableError(f"{text}: files are read from a path, file:// and s3://, not from {other[1]}://")
    return text


def is_remote(place: str) -> bool:
    """Return whether a place is in object storage."""
    return place.startswith("s3://")


def reason_of(error: OSError) -> str:
    """Return the first line of what the system says, without the path it says it of."""
    return error.strerror or str(error).partition("\n")[0]


class _LocalBytes:
    """One open descriptor, closed with the last reference to it; each reader has its own position."""

    def __init__(self, place: str) -> None:
        try:
            self._descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe must not hang us
        except (OSError, ValueError) as error:
            raise TableError(f"{place}: cannot be opened: {getattr(error, 'strerror', None) or error}") from error
        weakref.finalize(self, os.close, self._descriptor)
        mode = os.fstat(self._descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise TableError(f"{place}: cannot be opened: Is a directory")
        if not stat.S_ISREG(mode):
            raise TableError(f"{place}: it is no regular file; it has to be read more than once, so save it first")

    def reader(self) -> BinaryIO:
        return io.BufferedReader(_At(self, self._descriptor), BUFFER_BYTES)

    def stamp(self) -> tuple[int, int]:
        status = os.fstat(self._descriptor)
        return status.st_size, status.st_mtime_ns


class _At(io.RawIOBase):
    """Reads a descriptor from a position of its own. ``owner`` keeps the descriptor open as long as this is used."""

    def __init__(self, owner: _LocalBytes, descriptor: int) -> None:
        super().__init__()
        self._owner = owner
        self._descriptor = descriptor
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = os.preadv(self._descriptor, [buffer], self._position)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence)
        if base is None:
            base = os.fstat(self._descriptor).st_size
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position
