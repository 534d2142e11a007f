from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from models.artifact import Artifact
from models.errors import AliasMoved, ArtifactRefused, StoreError, VersionNotFound
from models.file_store import FileModelStore
from models.memory_store import InMemoryModelStore
from models.store import CHALLENGER, CHAMPION, LogEntry, ModelStore
from tests.support.models import an_opaque_artifact

STORES: dict[str, Callable[[Path], ModelStore]] = {
    "file": lambda folder: FileModelStore(folder / "store", "fraud"),
    "memory": lambda _: InMemoryModelStore("fraud"),
}


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ModelStore:
    """Return an empty store of each kind."""
    return STORES[request.param](tmp_path)


def entry(number: int) -> LogEntry:
    """Return a log entry that can be told from others."""
    return LogEntry(number, "promoted", f"v{number}", "ann", "better by 2 \u00b5", {"loss": 0.1 * number, "from": None})


def test_empty_store_has_nothing_and_fails_at_nothing(store: ModelStore) -> None:
    """A service that starts before the first model waits; it does not crash."""
    assert (list(store.versions()), store.alias(CHAMPION), list(store.log())) == ([], None, [])


def test_published_version_comes_back_as_it_was(store: ModelStore) -> None:
    """An artifact never changes: bytes and manifest are those that were published, plus the version."""
    artifact = an_opaque_artifact(b"\x00\xff" * 1000)
    version = store.publish(artifact)
    expected = Artifact(store.manifest(version), artifact.files)
    assert store.load(version) == expected
    assert expected.manifest.version == "v1"
    assert expected.manifest.digests == artifact.manifest.digests


def test_versions_count_up_and_sort_by_number(store: ModelStore) -> None:
    """v10 comes after v9; as text it would not."""
    expected = [f"v{number}" for number in range(1, 12)]
    assert [store.publish(an_opaque_artifact()) for _ in range(11)] == expected
    assert list(store.versions()) == expected


def test_alias_moves_only_from_where_it_was_expected(store: ModelStore) -> None:
    """A promotion decided against an old champion must not undo a newer one."""
    for _ in range(2):
        store.publish(an_opaque_artifact())
    store.set_alias(CHAMPION, "v1", expected=None)
    store.set_alias(CHAMPION, "v2", expected="v1")
    for stale in ("v1", None):
        with pytest.raises(AliasMoved, match="v2"):
            store.set_alias(CHAMPION, "v1", expected=stale)
    assert store.alias(CHAMPION) == "v2"


def test_aliases_are_apart(store: ModelStore) -> None:
    """The challenger may be named without touching the champion."""
    store.publish(an_opaque_artifact())
    store.set_alias(CHALLENGER, "v1", expected=None)
    assert (store.alias(CHALLENGER), store.alias(CHAMPION)) == ("v1", None)


def test_alias_needs_a_version_that_exists(store: ModelStore) -> None:
    """An alias that points nowhere would stop every worker that starts."""
    with pytest.raises(VersionNotFound, match="v1"):
        store.set_alias(CHAMPION, "v1", expected=None)
    assert store.alias(CHAMPION) is None


def test_of_racing_promotions_one_wins(store: ModelStore) -> None:
    """Compare-and-set is atomic: of many that expect the same, exactly one moves the alias."""
    versions = [store.publish(an_opaque_artifact()) for _ in range(8)]

    def promote(version: str) -> str | None:
        try:
            store.set_alias(CHAMPION, version, expected=None)
        except AliasMoved:
            return None
        return version

    with ThreadPoolExecutor(8) as pool:
        winners = [winner for winner in pool.map(promote, versions) if winner is not None]
    assert winners == [store.alias(CHAMPION)]


def test_racing_publishers_get_a_version_each(store: ModelStore) -> None:
    """Nobody overwrites another's version, whoever is faster."""

    def publish(number: int) -> tuple[str, bytes]:
        content = f"model {number}".encode()
        return store.publish(an_opaque_artifact(content)), content

    with ThreadPoolExecutor(8) as pool:
        published = dict(pool.map(publish, range(24)))
    assert list(store.versions()) == [f"v{number}" for number in range(1, 25)]
    assert {version: store.load(version).files["model.skops"] for version in published} == published


def test_log_keeps_the_order_of_decisions(store: ModelStore) -> None:
    """The log is the history of a model; what was decided first stands first, in full."""
    entries = [entry(number) for number in range(5)]
    for one in entries:
        store.append_log(one)
    assert list(store.log()) == entries


def test_absent_version_is_not_found(store: ModelStore) -> None:
    """A mistyped version is said to be absent, with the store's name."""
    for read in (store.load, store.manifest):
        with pytest.raises(VersionNotFound, match="no version v7"):
            read("v7")


@pytest.mark.parametrize("version", ["", "v0", "v01", "7", "../v1", "v1/", "V1", "v1\n", "v9999999999"])
def test_name_that_is_no_version_is_refused(store: ModelStore, version: str) -> None:
    """A version becomes a path: nothing but v1, v2, … may."""
    store.publish(an_opaque_artifact())
    for use in (store.load, store.manifest, lambda name: store.set_alias(CHAMPION, name, expected=None)):
        with pytest.raises(StoreError, match="not a version"):
            use(version)


@pytest.mark.parametrize("alias", ["", "..", "a/b", ".lock", "Champion"])
def test_name_that_is_no_alias_is_refused(store: ModelStore, alias: str) -> None:
    """An alias becomes a file name."""
    with pytest.raises(StoreError, match="alias"):
        store.alias(alias)


def test_artifact_that_is_not_its_manifests_is_not_published(store: ModelStore) -> None:
    """What could never be loaded is refused when its maker is still there to see it."""
    artifact = an_opaque_artifact()
    with pytest.raises(ArtifactRefused, match="sha256"):
        store.publish(Artifact(artifact.manifest, {"model.skops": b"other bytes"}))
    with pytest.raises(ArtifactRefused, match="do not agree"):
        store.publish(Artifact(replace(artifact.manifest, digests={}), artifact.files))
    assert list(store.versions()) == []


def test_artifact_of_another_model_is_not_published(store: ModelStore) -> None:
    """One release keeps one model."""
    with pytest.raises(StoreError, match="'churn'"):
        store.publish(an_opaque_artifact(name="churn"))
