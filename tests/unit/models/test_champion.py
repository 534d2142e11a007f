from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from features.schema import FieldType
from models.artifact import Artifact
from models.champion import FIRST_RETRY_SECONDS, ChampionHandle, ChampionState, LiveModel, StaticChampion
from models.errors import StoreError
from models.loading import load_model
from models.memory_store import InMemoryModelStore
from models.store import CHAMPION
from tests.support.models import an_artifact, an_opaque_artifact, number_schema, schema_of


class WatchedStore(InMemoryModelStore):
    """A store that can be down and counts what is loaded."""

    def __init__(self) -> None:
        super().__init__("fraud")
        self.is_down = False
        self.loaded: list[str] = []

    def alias(self, name: str) -> str | None:
        """Return the alias, unless the store is down."""
        if self.is_down:
            raise StoreError("the volume is gone")
        return super().alias(name)

    def load(self, version: str) -> Artifact:
        """Return a version and note it."""
        self.loaded.append(version)
        return super().load(version)

    def promote(self, artifact: Artifact | str) -> str:
        """Make an artifact, or a version there is, the champion."""
        version = artifact if isinstance(artifact, str) else self.publish(artifact)
        self.set_alias(CHAMPION, version, expected=super().alias(CHAMPION))
        return version


class RecordingListener:
    """Remembers what it is told, and raises when asked to."""

    def __init__(self) -> None:
        self.told: list[tuple[str | None, str]] = []
        self.raises = False

    def model_swapped(self, previous: LiveModel | None, live: LiveModel) -> None:
        """Remember the two versions."""
        self._tell(None if previous is None else previous.version, live.version)

    def model_load_failed(self, version: str, reason: str, detail: str) -> None:
        """Remember the version and the reason."""
        assert detail
        self._tell(version, reason)

    def _tell(self, first: str | None, second: str) -> None:
        self.told.append((first, second))
        if self.raises:
            raise RuntimeError("the metrics are full")


class Following:
    """A handle with everything around it in the test's hands."""

    def __init__(self) -> None:
        self.store, self.listener, self.now = WatchedStore(), RecordingListener(), 0.0
        self.handle = self.build()

    def build(self, fields: tuple[tuple[str, FieldType], ...] = ()) -> ChampionHandle:
        """Return a handle on the store, for the usual fields or others."""
        schema = schema_of(*fields) if fields else number_schema()
        return ChampionHandle(
            self.store, service_schema=schema, clock=lambda: self.now, listener=self.listener, refresh_interval=0.001
        )

    def version(self) -> str | None:
        """Look once and return the live version."""
        self.handle.refresh()
        live = self.handle.current()
        return None if live is None else live.version


@pytest.fixture
def following() -> Following:
    """Return a handle on an empty store."""
    return Following()


def test_no_alias_is_no_champion_and_says_so(following: Following) -> None:
    """A service that waits tells what it waits for."""
    assert following.version() is None
    assert following.handle.state() == ChampionState(None, None, "no alias champion in store memory:fraud")


def test_alias_is_followed(following: Following) -> None:
    """Promotion and roll-back are the same to a worker: the alias moved."""
    versions = [following.store.promote(an_artifact()), following.version()]
    versions += [following.store.promote(an_artifact()), following.version()]
    versions += [following.store.promote("v1"), following.version()]
    assert versions == ["v1", "v1", "v2", "v2", "v1", "v1"]
    assert following.listener.told == [(None, "v1"), ("v1", "v2"), ("v2", "v1")]
    assert following.handle.state() == ChampionState("v1", "v1", "")


def test_alias_that_stays_is_not_loaded_again(following: Following) -> None:
    """A look every second must cost a look, not a model."""
    following.store.promote(an_artifact())
    for _ in range(5):
        following.version()
    assert following.store.loaded == ["v1"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (an_opaque_artifact, "version"),
        (lambda: an_artifact(kind="onnx"), "format"),
        (lambda: an_artifact(classes=("no", "yes")), "mismatch"),
    ],
)
def test_broken_version_never_replaces_a_working_one(
    following: Following, broken: Callable[[], Artifact], reason: str
) -> None:
    """The old model goes on scoring, and the refusal is told once and shown."""
    following.store.promote(an_artifact())
    following.version()
    following.store.promote(broken())
    assert [following.version() for _ in range(3)] == ["v1"] * 3
    assert following.listener.told == [(None, "v1"), ("v2", reason)]
    assert following.handle.state().problem.startswith("v2 refused: ")


def test_model_of_other_fields_is_refused(following: Following) -> None:
    """A model whose fields the service does not decode would turn every event away."""
    following.handle = following.build((("amount", FieldType.DOUBLE), ("hour", FieldType.DOUBLE)))
    following.store.promote(an_artifact())
    assert following.version() is None
    assert "age (double) is not in features.fields" in following.handle.state().problem


def test_refused_version_is_tried_again_less_and_less_often(following: Following) -> None:
    """What is wrong may be the file system; but a look every second must not be a load every second."""
    following.store.promote(an_opaque_artifact())
    tries = []
    for following.now in (0.0, FIRST_RETRY_SECONDS - 0.1, FIRST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 3 - 0.1, 15.0):
        following.version()
        tries.append(len(following.store.loaded))
    assert tries == [1, 1, 2, 2, 3]


def test_refused_version_is_tried_again_when_the_alias_comes_back(following: Following) -> None:
    """A person who promotes it again means it."""
    following.store.publish(an_artifact())
    for version in (an_opaque_artifact(), "v1", "v2"):
        following.store.promote(version)
        following.version()
    assert following.store.loaded == ["v2", "v1", "v2"]


def test_outage_of_the_store_keeps_the_model_and_is_told_once(following: Following) -> None:
    """The store may be gone for a day; scoring does not need it."""
    following.store.promote(an_artifact())
    following.version()
    following.store.is_down = True
    assert [following.version() for _ in range(3)] == ["v1"] * 3
    assert following.listener.told == [(None, "v1"), ("", "unreadable")]
    assert following.handle.state().problem == "the model store cannot be read: the volume is gone"
    following.store.is_down = False
    assert (following.version(), following.handle.state().problem) == ("v1", "")


def test_removed_alias_keeps_the_model(following: Following) -> None:
    """Somebody tidied up; that is no reason to stop scoring."""
    following.store.promote(an_artifact())
    following.version()
    following.store._aliases.clear()
    assert following.version() == "v1"


def test_rejected_model_gives_way_to_the_one_before(following: Following) -> None:
    """A model that fails on everything in use goes, and does not come back by itself."""
    for _ in range(2):
        following.store.promote(an_artifact())
        following.version()
    following.handle.reject("v2", "it fails on its own trial batch")
    following.now = 1e9
    assert following.version() == "v1"
    assert following.store.loaded == ["v1", "v2"]
    assert following.handle.state() == ChampionState(
        "v1", "v2", "v2 refused: it failed in use: it fails on its own trial batch"
    )


def test_rejected_first_model_leaves_none(following: Following) -> None:
    """There is nothing to go back to: the service waits and says why."""
    following.store.promote(an_artifact())
    following.version()
    following.handle.reject("v1", "it raises")
    assert (following.version(), following.handle.state().problem) == (None, "v1 refused: it failed in use: it raises")


def test_late_complaint_about_a_model_that_is_gone_is_ignored(following: Following) -> None:
    """A batch pinned to v1 may fail after v2 has gone live; that says nothing of v2."""
    for _ in range(2):
        following.store.promote(an_artifact())
        following.version()
    following.handle.reject("v1", "it raises")
    assert following.version() == "v2"


def test_listener_that_raises_harms_nothing(following: Following) -> None:
    """Counting must never stop scoring."""
    following.listener.raises = True
    following.store.promote(an_artifact())
    assert following.version() == "v1"


def test_thread_follows_until_it_is_stopped(following: Following) -> None:
    """The service starts it once; after stop nothing is looked at any more."""
    swapped = threading.Event()
    following.listener.model_swapped = lambda *_: swapped.set()  # type: ignore[method-assign]
    following.handle.start()
    following.store.promote(an_artifact())
    assert swapped.wait(60)
    following.handle.stop()
    following.store.promote(an_artifact())
    live = following.handle.current()
    assert live is not None
    assert (live.version, following.store.loaded) == ("v1", ["v1"])


def test_first_look_is_over_when_the_model_is_there(following: Following) -> None:
    """Whoever waits for the first look does not take a model that is still loading for a missing one."""
    following.store.promote(an_artifact())
    handle = following.handle
    looked_before = handle.wait_for_first_look(0)
    handle.start()
    try:
        looked = handle.wait_for_first_look(30)
        live = handle.current()
    finally:
        handle.stop()
    assert (looked_before, looked, live is not None) == (False, True, True)


def test_static_champion_stays_until_it_is_rejected() -> None:
    """Embedding needs a model, not a store."""
    live = load_model(Artifact(an_artifact(version="v1").manifest, an_artifact().files))
    champion = StaticChampion(live)
    champion.reject("v0", "another")
    assert champion.current() is live
    champion.reject("v1", "it raises")
    assert champion.current() is None
