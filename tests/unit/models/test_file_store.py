from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from models import durable_files
from models.errors import ArtifactRefused, StoreError, VersionNotFound
from models.file_store import LEFTOVER_SECONDS, FileModelStore
from models.store import CHAMPION, LogEntry
from tests.support.models import an_opaque_artifact

ROOT = Path(__file__).resolve().parents[3]
DIE_AT = """
import os, sys
from models import file_store
from tests.support.models import an_opaque_artifact
calls = []
def die_at_the(count):
    def step(*arguments):
        calls.append(arguments)
        return os._exit(9) if len(calls) == count else before(*arguments)
    return step
before = getattr(file_store, sys.argv[2])
setattr(file_store, sys.argv[2], die_at_the(int(sys.argv[3])))
store = file_store.FileModelStore(sys.argv[1], "fraud")
store.publish(an_opaque_artifact())
store.set_alias("champion", "v2", expected="v1")
"""
PUBLISH_FIVE = """
import sys
from models.file_store import FileModelStore
from tests.support.models import an_opaque_artifact
for number in range(5):
    print(FileModelStore(sys.argv[1], "fraud").publish(an_opaque_artifact(f"{sys.argv[2]} {number}".encode())))
"""


@pytest.fixture
def store(tmp_path: Path) -> FileModelStore:
    """Return a store with one version, which is the champion."""
    store = FileModelStore(tmp_path, "fraud")
    store.publish(an_opaque_artifact())
    store.set_alias(CHAMPION, "v1", expected=None)
    return store


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a script in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", script, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def v1(tmp_path: Path) -> Path:
    """Return the folder of the first version."""
    return tmp_path / "fraud" / "versions" / "v1"


@pytest.mark.parametrize(("step", "count"), [("write_new", 1), ("write_new", 2), ("fsync_folder", 1)])
def test_publisher_killed_before_the_name_leaves_nothing_to_see(
    store: FileModelStore, tmp_path: Path, step: str, count: int
) -> None:
    """A version is whole or absent, wherever its publisher died; the next one takes its number."""
    process = start(DIE_AT, str(tmp_path), step, str(count))
    process.communicate()
    assert (process.returncode, list(store.versions()), store.alias(CHAMPION)) == (9, ["v1"], "v1")
    assert store.publish(an_opaque_artifact()) == "v2"


def test_promotion_killed_before_the_rename_keeps_the_old_champion(store: FileModelStore, tmp_path: Path) -> None:
    """The alias is the old one or the new one; its lock dies with its holder."""
    process = start(DIE_AT, str(tmp_path), "replace_durably", "1")
    process.communicate()
    assert (process.returncode, list(store.versions()), store.alias(CHAMPION)) == (9, ["v1", "v2"], "v1")
    store.set_alias(CHAMPION, "v2", expected="v1")
    assert store.alias(CHAMPION) == "v2"


def test_publishers_in_several_processes_lose_nothing(tmp_path: Path) -> None:
    """A trainer and a person may publish at the same moment, from two machines."""
    processes = [start(PUBLISH_FIVE, str(tmp_path), name) for name in ("a", "b", "c")]
    printed = [version for process in processes for version in process.communicate()[0].split()]
    store = FileModelStore(tmp_path, "fraud")
    assert sorted(printed) == sorted(store.versions())
    assert len({store.load(version).files["model.skops"] for version in store.versions()}) == 15


@pytest.mark.parametrize("content", [b"never openeD", b"", b"never opened and more"])
def test_changed_file_is_refused(store: FileModelStore, tmp_path: Path, content: bytes) -> None:
    """Damage and tampering are found before anything is opened."""
    (v1(tmp_path) / "model.skops").write_bytes(content)
    with pytest.raises(ArtifactRefused, match=r"model\.skops of v1") as caught:
        store.load("v1")
    assert caught.value.reason == "digest"


def test_lost_file_is_refused(store: FileModelStore, tmp_path: Path) -> None:
    """A version that lost a file names it."""
    (v1(tmp_path) / "model.skops").unlink()
    with pytest.raises(ArtifactRefused, match=r"lacks its file model\.skops"):
        store.load("v1")


def test_changed_manifest_is_refused(store: FileModelStore, tmp_path: Path) -> None:
    """A threshold edited by hand would change every prediction of a version that never changes."""
    manifest = v1(tmp_path) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"threshold": 0.5', b'"threshold": 0.9'))
    with pytest.raises(ArtifactRefused, match="was changed"):
        store.manifest("v1")


@pytest.mark.parametrize("what", ["model.skops", "manifest.json"])
def test_link_is_refused(store: FileModelStore, tmp_path: Path, what: str) -> None:
    """A link could lead the service to any file it may read."""
    file = v1(tmp_path) / what
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactRefused, match="is a link"):
        store.load("v1")


def test_named_pipe_is_refused(store: FileModelStore, tmp_path: Path) -> None:
    """Reading a pipe would hang the thread that looks for new models."""
    (v1(tmp_path) / "model.skops").unlink()
    os.mkfifo(v1(tmp_path) / "model.skops")
    with pytest.raises(ArtifactRefused, match="not a plain file"):
        store.load("v1")


def test_version_that_was_moved_is_refused(store: FileModelStore, tmp_path: Path) -> None:
    """A folder renamed by hand would give scores under a version that never made them."""
    v1(tmp_path).rename(v1(tmp_path).with_name("v5"))
    with pytest.raises(ArtifactRefused, match="moved here"):
        store.load("v5")


def test_version_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    """A file that does not belong there must not fill the memory of every worker."""
    FileModelStore(tmp_path, "fraud").publish(an_opaque_artifact(b"x" * 100))
    small = FileModelStore(tmp_path, "fraud", max_bytes=99)
    with pytest.raises(ArtifactRefused, match="larger than 99") as caught:
        small.load("v1")
    assert caught.value.reason == "too_large"
    with pytest.raises(ArtifactRefused, match="100 bytes"):
        small.publish(an_opaque_artifact(b"x" * 100))


def test_torn_line_of_the_log_is_passed_over(store: FileModelStore, tmp_path: Path) -> None:
    """A crash in the middle of an entry costs that entry, not the ones before and after."""
    entries = [LogEntry(at, "published", "v1", "ann", "first", {}) for at in (1, 2)]
    store.append_log(entries[0])
    with (tmp_path / "fraud" / "log.jsonl").open("ab") as log:
        log.write(b'{"at_ms": 5, "eve')
    store.append_log(entries[1])
    assert list(store.log()) == entries


def test_leftovers_are_removed_when_old(store: FileModelStore, tmp_path: Path) -> None:
    """What a killed publisher left does not pile up; what another is writing now is not touched."""
    old, new = (tmp_path / "fraud" / "versions" / f".publish-{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
    past = folder.stat().st_mtime - LEFTOVER_SECONDS - 60
    os.utime(old, (past, past))
    store.publish(an_opaque_artifact())
    assert (old.exists(), new.exists()) == (False, True)


def test_damaged_alias_is_said_and_not_followed(store: FileModelStore, tmp_path: Path) -> None:
    """Half an alias is no alias: v1 must not be read from the beginning of v12."""
    (tmp_path / "fraud" / "aliases" / "champion").write_text("../../etc\n")
    with pytest.raises(StoreError, match="damaged"):
        store.alias(CHAMPION)


@pytest.mark.parametrize(
    "use",
    [
        lambda store: store.versions(),
        lambda store: store.alias(CHAMPION),
        lambda store: store.log(),
        lambda store: store.publish(an_opaque_artifact()),
        lambda store: store.append_log(LogEntry(1, "published", "v1", "ann", "", {})),
    ],
)
def test_store_that_cannot_be_used_is_one_line(tmp_path: Path, use: Callable[[FileModelStore], object]) -> None:
    """A wrong mount says which folder and why, and is no traceback."""
    (tmp_path / "fraud").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match=str(tmp_path / "fraud")) as caught:
        use(FileModelStore(tmp_path, "fraud"))
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, VersionNotFound)


def test_writer_says_that_another_holds_the_lock(tmp_path: Path) -> None:
    """A stuck writer is named instead of waited for without end."""
    lock, held, done = tmp_path / ".lock", threading.Event(), threading.Event()

    def hold() -> None:
        with durable_files.writers_lock(lock):
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    with pytest.raises(StoreError, match="another process has held"), durable_files.writers_lock(lock, timeout=0.0):
        pytest.fail("two writers at once")
    done.set()
    holder.join()
    with durable_files.writers_lock(lock, timeout=0.0):
        assert lock.exists()
