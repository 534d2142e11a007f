"""The transactional id of a process: the same after a restart, never the same as another live process's.

The id is ``<prefix>-<slot>``. A slot is given by ``--slot`` or ``TIDEMILL_SLOT``, or is claimed:
``<pod or host name>-<n>`` with the lowest ``n`` whose lock file is free. The lock is held by the kernel for
as long as the process lives, so a killed process gives its slot back at once and its successor takes it.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from service.errors import IdentityClaimed
from service.settings import Settings

SLOT_VARIABLE: Final = "TIDEMILL_SLOT"
POD_VARIABLE: Final = "POD_NAME"
RUNTIME_VARIABLE: Final = "TIDEMILL_RUNTIME_DIR"
MAX_SLOTS: Final = 1000  # processes of one service on one host; a bound, not a target


@contextmanager
def claim_identity(
    settings: Settings, *, slot: str | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield a transactional id that no other live process of this host has, and give it back afterwards.

    A slot given by hand is taken as it is: who names slots keeps them apart.

    Raises:
        IdentityClaimed: No folder for the lock files can be written, or every slot is taken.
    """
    variables = os.environ if environment is None else environment
    chosen = slot or variables.get(SLOT_VARIABLE)
    if chosen:
        yield transactional_id(settings, chosen)
        return
    name, lock = _lowest_free(settings, variables)
    try:
        yield name
    finally:
        os.close(lock)


def transactional_id(settings: Settings, slot: str) -> str:
    """Return the transactional id of a slot."""
    return f"{settings.transactional_id_prefix}-{slot}"


def _lowest_free(settings: Settings, variables: Mapping[str, str]) -> tuple[str, int]:
    """Return the id of the lowest free slot and the descriptor that holds its lock."""
    host = variables.get(POD_VARIABLE) or socket.gethostname()
    folder = _runtime_folder(variables)
    for number in range(MAX_SLOTS):
        name = transactional_id(settings, f"{host}-{number}")
        lock = _try_lock(folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.lock")
        if lock is not None:
            return name, lock
    raise IdentityClaimed(f"all {MAX_SLOTS} slots are taken in {folder}; give this process its own with --slot NAME")


def _runtime_folder(environment: Mapping[str, str]) -> Path:
    """Return a folder of this user's own, made if need be."""
    given = environment.get(RUNTIME_VARIABLE) or environment.get("XDG_RUNTIME_DIR")
    folder = Path(given) / "tidemill" if given else Path(tempfile.gettempdir()) / f"tidemill-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise _no_folder(folder, str(error)) from None
    if folder.is_symlink() or status.st_uid != os.getuid():  # in a shared /tmp anyone could have made it
        raise _no_folder(folder, "it belongs to somebody else")
    return folder


def _try_lock(file: Path) -> int | None:
    """Return an open descriptor that holds the lock, or None when another process has it."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _no_folder(file.parent, str(error)) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _no_folder(folder: Path, why: str) -> IdentityClaimed:
    return IdentityClaimed(
        f"{folder}: cannot hold the lock that keeps two processes apart: {why};"
        f" set {RUNTIME_VARIABLE} to a folder that can be written, or give each process a {SLOT_VARIABLE}"
    )
