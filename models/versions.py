"""Names in a model store: models, versions and aliases, and the lines of its log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from models.errors import StoreError
from models.store import LogEntry

_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VERSION = re.compile(r"v[1-9][0-9]{0,8}")
_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def is_version(name: str) -> bool:
    """Return whether this is the name of a version, such as ``v1``."""
    return _VERSION.fullmatch(name) is not None


def check_model_name(name: str) -> str:
    """Return the name, or raise ``StoreError``: it becomes a folder."""
    if not _MODEL.fullmatch(name):
        raise StoreError(f"model name {name!r}: use at most 64 of a-z 0-9 . _ -, beginning with a letter or digit")
    return name


def check_version(version: str) -> str:
    """Return the version, or raise ``StoreError``: it becomes a folder."""
    if not is_version(version):
        raise StoreError(f"{version!r} is not a version: versions are v1, v2, …")
    return version


def check_alias(alias: str) -> str:
    """Return the alias, or raise ``StoreError``: it becomes a file."""
    if not _ALIAS.fullmatch(alias):
        raise StoreError(f"alias {alias!r}: use at most 32 of a-z 0-9 _ -, beginning with a letter")
    return alias


def in_order(names: Iterable[str]) -> list[str]:
    """Return those of the names that are versions, oldest first.

    >>> in_order(["v10", "v9", ".publish-1"])
    ['v9', 'v10']
    """
    return sorted(filter(is_version, names), key=number_of)


def number_of(version: str) -> int:
    """Return the number in a version."""
    return int(version[1:])


def encode_entry(entry: LogEntry) -> bytes:
    """Return one line of the log, with its end."""
    content = {
        "at_ms": entry.at_ms,
        "event": entry.event,
        "version": entry.version,
        "actor": entry.actor,
        "reason": entry.reason,
        "details": dict(entry.details),
    }
    return json.dumps(content).encode() + b"\n"


def decode_entries(data: bytes) -> list[LogEntry]:
    """Return the entries in the bytes of a log; a line torn by a crash is passed over."""
    return [entry for line in data.split(b"\n") if line and (entry := _decode_entry(line)) is not None]


def _decode_entry(line: bytes) -> LogEntry | None:
    try:
        content: dict[str, Any] = json.loads(line)
        return LogEntry(
            at_ms=int(content["at_ms"]),
            event=str(content["event"]),
            version=str(content["version"]),
            actor=str(content["actor"]),
            reason=str(content["reason"]),
            details=dict(content["details"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
