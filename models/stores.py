"""From the setting ``model.store`` to a model store."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from models.errors import StoreError
from models.file_store import FileModelStore
from models.store import ModelStore

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def open_store(uri: str, name: str) -> ModelStore:
    """Return the store at a path or ``file://`` address; nothing is read or made yet.

    Args:
        uri: ``./model-store``, ``/mnt/models`` or ``file:///mnt/models``.
        name: The model, one folder in it.

    Raises:
        StoreError: The address is of a kind that is not known, or the name cannot be a folder.
    """
    if not uri.strip():
        raise StoreError("model.store is empty: give the path of a folder")
    if not _SCHEME.match(uri):
        return FileModelStore(Path(uri).expanduser(), name)
    parts = urlsplit(uri)
    if parts.scheme.lower() != "file":
        raise StoreError(f"model.store {uri!r}: {parts.scheme}:// is not known here; give a path or file:///path")
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise StoreError(f"model.store {uri!r}: write file:///absolute/path, with three slashes")
    return FileModelStore(Path(unquote(parts.path)), name)
