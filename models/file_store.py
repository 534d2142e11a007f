"""A model store in a folder: a laptop's disk, a mounted volume, NFS.

``<path>/<name>/versions/v3/…``   one folder a version, never changed after it has its name
``<path>/<name>/aliases/champion``  one line: the version the alias points to
``<path>/<name>/log.jsonl``       the decisions, one line each, only ever appended
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from models.artifact import MANIFEST_FILE, MAX_ARTIFACT_BYTES, Artifact, check_digest, check_digests, check_file_names
from models.durable_files import append_line, fsync_folder, read_plain, replace_durably, write_new, writers_lock
from models.errors import AliasMoved, ArtifactRefused, StoreError, VersionNotFound
from models.manifest import Manifest
from models.manifest_json import MAX_MANIFEST_BYTES, decode_manifest, encode_manifest
from models.store import LogEntry
from models.versions import (
    check_alias,
    check_model_name,
    check_version,
    decode_entries,
    encode_entry,
    in_order,
    is_version,
    number_of,
)

LEFTOVER_SECONDS = 24 * 3600  # a publish that has not got its name after a day will never get one
_ASIDE = ".publish-"
_MAX_ALIAS_BYTES = 64
_MAX_LOG_BYTES = 256 << 20
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


class FileModelStore:
    """Implements ``ModelStore`` on a file system with atomic renames and locks.

    Readers take no lock and see only whole versions. Publishing takes none either: the rename to the next
    free number is what decides between two publishers. Aliases and log are written under one lock (see
    ``writers_lock``). A store that does not exist yet reads as empty; the first publish makes its folders.

    Args:
        path: The folder of all models.
        name: The model, one folder in it.
        max_bytes: Largest version that is taken or given.
    """

    def __init__(self, path: Path, name: str, *, max_bytes: int = MAX_ARTIFACT_BYTES) -> None:
        self._root = Path(path) / check_model_name(name)
        self._name = name
        self._max_bytes = max_bytes
        self._versions = self._root / "versions"
        self._aliases = self._root / "aliases"
        self._log = self._root / "log.jsonl"

    def __str__(self) -> str:
        return str(self._root)

    def publish(self, artifact: Artifact) -> str:
        """Store the artifact under the next version and return it; see ``ModelStore``."""
        if artifact.manifest.name != self._name:
            raise StoreError(f"the artifact is of model {artifact.manifest.name!r}, this store keeps {self._name!r}")
        check_digests(artifact, max_bytes=self._max_bytes)
        with self._reporting("write to"):
            self._versions.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()
            aside = self._versions / f"{_ASIDE}{secrets.token_hex(8)}"
            aside.mkdir()
            try:
                for name, data in artifact.files.items():
                    write_new(aside / name, data)
                return self._name_next(aside, artifact.manifest)
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise

    def load(self, version: str) -> Artifact:
        """Return a version, hashing the very bytes that are returned; see ``ModelStore``."""
        manifest = self.manifest(version)
        check_file_names(manifest.digests)
        files: dict[str, bytes] = {}
        left = self._max_bytes
        for name, expected in manifest.digests.items():
            try:
                with self._reporting("read"):
                    files[name] = read_plain(self._versions / version / name, max_bytes=left)
            except _Absent as error:
                raise ArtifactRefused("digest", f"{version} in {self} lacks its file {name}") from error
            check_digest(f"{name} of {version} in {self}", files[name], expected=expected)
            left -= len(files[name])
        return Artifact(manifest, files)

    def manifest(self, version: str) -> Manifest:
        """Return the manifest alone."""
        folder = self._versions / check_version(version)
        if folder.is_symlink():
            raise ArtifactRefused("format", f"{folder} is a link: a model store holds plain files only")
        try:
            with self._reporting("read"):
                data = read_plain(folder / MANIFEST_FILE, max_bytes=MAX_MANIFEST_BYTES)
        except _Absent as error:
            raise VersionNotFound(f"there is no version {version} in {self}") from error
        manifest = decode_manifest(data)
        if (manifest.name, manifest.version) != (self._name, version):
            raise ArtifactRefused(
                "format", f"{folder} holds {manifest.name} {manifest.version}: it was moved here from elsewhere"
            )
        return manifest

    def versions(self) -> Sequence[str]:
        """Return all versions, oldest first, by number."""
        try:
            with self._reporting("read"):
                return in_order(os.listdir(self._versions))  # noqa: PTH208 - only names are wanted
        except _Absent:
            return []

    def alias(self, name: str) -> str | None:
        """Return the version an alias points to, or None; one small read."""
        path = self._aliases / check_alias(name)
        try:
            with self._reporting("read"):
                text = read_plain(path, max_bytes=_MAX_ALIAS_BYTES).decode("ascii", "replace").strip()
        except _Absent:
            return None
        except ArtifactRefused as error:
            raise StoreError(str(error)) from error
        if not is_version(text):
            raise StoreError(f"{path} is damaged: it holds {text!r} instead of a version; promote one again")
        return text

    def set_alias(self, name: str, version: str, *, expected: str | None) -> None:
        """Move an alias if it points to ``expected``; see ``ModelStore``."""
        path = self._aliases / check_alias(name)
        if check_version(version) not in self.versions():
            raise VersionNotFound(f"there is no version {version} in {self}")
        with self._reporting("write to"):
            self._aliases.mkdir(parents=True, exist_ok=True)
            with writers_lock(self._root / ".lock"):
                found = self.alias(name)
                if found != expected:
                    raise AliasMoved(
                        f"{name} points to {found or 'nothing'}, not to {expected or 'nothing'} as expected: "
                        "somebody else was faster, nothing was changed"
                    )
                replace_durably(path, f"{version}\n".encode())

    def append_log(self, entry: LogEntry) -> None:
        """Add a decision to the log; durable when this returns."""
        with self._reporting("write to"):
            self._root.mkdir(parents=True, exist_ok=True)
            with writers_lock(self._root / ".lock"):
                append_line(self._log, encode_entry(entry))

    def log(self) -> Sequence[LogEntry]:
        """Return the log, oldest first."""
        try:
            with self._reporting("read"):
                return decode_entries(read_plain(self._log, max_bytes=_MAX_LOG_BYTES))
        except _Absent:
            return []
        except ArtifactRefused as error:
            raise StoreError(str(error)) from error

    def _name_next(self, aside: Path, manifest: Manifest) -> str:
        """Give the folder the first free number after the newest version, whoever else is doing the same."""
        number = max((number_of(version) for version in self.versions()), default=0) + 1
        while True:
            version = check_version(f"v{number}")
            (aside / MANIFEST_FILE).unlink(missing_ok=True)
            write_new(aside / MANIFEST_FILE, encode_manifest(replace(manifest, version=version)))
            fsync_folder(aside)
            try:
                # A rename never replaces a folder that is not empty, and every version holds a manifest.
                aside.rename(self._versions / version)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                number += 1
            else:
                fsync_folder(self._versions)
                return version

    def _remove_leftovers(self) -> None:
        oldest = time.time() - LEFTOVER_SECONDS
        for folder in self._versions.glob(f"{_ASIDE}*"):
            with contextlib.suppress(OSError):  # another publisher may be removing it too
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def _reporting(self, verb: str) -> Iterator[None]:
        """Turn what the file system says into one line that names the store."""
        try:
            yield
        except FileNotFoundError as error:
            raise _Absent(f"cannot {verb} the model store {self}: {error.filename} is gone") from error
        except OSError as error:
            where = error.filename or self
            raise StoreError(f"cannot {verb} the model store {self}: {error.strerror or error} ({where})") from error


class _Absent(StoreError):
    """A file is not there; what that means is for the caller to say."""
