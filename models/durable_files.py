"""Files that are whole or absent after a crash, on a local disk and on NFS."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from models.errors import ArtifactRefused, StoreError

LOCK_TIMEOUT_SECONDS = 10.0  # every writer holds the lock for a few file operations only
_LOCK_POLL_SECONDS = 0.01
_STALE_RETRIES = 3  # an NFS client may hold the handle of a file that was just replaced
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet, and make its content durable."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_durably(path: Path, data: bytes) -> None:
    """Put a file in the place of another in one step: a reader sees the old bytes or the new ones."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_new(aside, data)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append a line in one write and make it durable; call under the writers' lock.

    A line torn by an earlier crash is ended first, so that it cannot swallow this one.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, "the line was written in part", str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fsync_folder(path.parent)


def read_plain(path: Path, *, max_bytes: int) -> bytes:
    """Return the bytes of a plain file, read once.

    Raises:
        ArtifactRefused: ``format`` for a link or anything else that is not a plain file, ``too_large``.
        OSError: It cannot be read.
    """
    for attempt in range(_STALE_RETRIES):
        try:
            return _read_plain(path, max_bytes)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise ArtifactRefused("format", f"{path} is a link: a model store holds plain files only") from error
            if error.errno != errno.ESTALE or attempt == _STALE_RETRIES - 1:
                raise
    raise AssertionError  # the loop returns or raises


def _read_plain(path: Path, max_bytes: int) -> bytes:
    # O_NONBLOCK: opening a named pipe would wait for its writer for ever
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ArtifactRefused("format", f"{path} is not a plain file")
        if status.st_size <= max_bytes:
            data = file.read(max_bytes + 1)  # one more than allowed: it may have grown since
            if len(data) <= max_bytes:
                return data
    raise ArtifactRefused("too_large", f"{path} is larger than {max_bytes} bytes")


@contextlib.contextmanager
def writers_lock(path: Path, *, timeout: float = LOCK_TIMEOUT_SECONDS) -> Iterator[None]:
    """Hold the one lock that all writers of a store take; readers never do.

    ``flock`` is chosen over a lock file because the kernel frees it when its holder dies: there is no
    stale lock to judge by its age, and no moment in which two processes both believe to have taken it
    over. It holds between threads and processes of one machine; on NFS Linux carries it out as a
    byte-range lock on the server, so it holds between machines (NFSv4, or v3 with its lock service; a
    mount with ``nolock`` or ``local_lock`` gives that up). The file stays, for unlinking it would let a
    third writer lock another file of the same name.

    Raises:
        StoreError: Somebody else has held it for ``timeout`` seconds, or the file system has no locks.
        OSError: The file cannot be created.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _acquire(descriptor, path, timeout)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                raise StoreError(f"the file system of {path} has no file locks: mount it with locks on") from error
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
                raise
        else:
            return
        if time.monotonic() >= deadline:
            raise StoreError(f"another process has held {path} for {timeout:g} s: end it, or try again")
        time.sleep(_LOCK_POLL_SECONDS)
