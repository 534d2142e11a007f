"""The live model: looked up by alias, loaded aside, tried, then swapped by one reference assignment."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from features.schema import FeatureSchema
from models.errors import ArtifactRefused, StoreError
from models.live import LiveModel
from models.loading import load_model
from models.store import CHAMPION, ModelStore

__all__ = ["Champion", "ChampionHandle", "ChampionListener", "ChampionState", "LiveModel", "StaticChampion"]

DEFAULT_REFRESH_INTERVAL = 1.0  # seconds between two looks at the alias
FIRST_RETRY_SECONDS = 5.0  # after a version was refused; then twice as long each time
LONGEST_RETRY_SECONDS = 300.0


class Champion(Protocol):
    """What the scoring worker asks for once per batch."""

    def current(self) -> LiveModel | None:
        """Return the live model, or None when there is none yet. Never blocks, never raises."""
        ...

    def reject(self, version: str, detail: str) -> None:
        """Say that a live version fails on everything: go back to the one before, and do not load it again."""
        ...


class ChampionListener(Protocol):
    """Is told what becomes of the live model, on the thread that looks. What it raises is ignored."""

    def model_swapped(self, previous: LiveModel | None, live: LiveModel) -> None:
        """``live`` scores from the next batch on in place of ``previous``."""
        ...

    def model_load_failed(self, version: str, reason: str, detail: str) -> None:
        """A version was not taken, for one of ``REFUSAL_REASONS``; the live model stays.

        ``version`` is empty when the store itself cannot be read; that is told once per outage.
        """
        ...


class StaticChampion:
    """A champion that never changes: for embedding and tests. A rejected one is gone."""

    def __init__(self, live: LiveModel | None) -> None:
        """Take the only model there will be."""
        self._live = live

    def current(self) -> LiveModel | None:
        """Return the model, or None after it was rejected."""
        return self._live

    def reject(self, version: str, detail: str) -> None:  # noqa: ARG002 - the port's
        """Drop the model if it is this version."""
        if self._live is not None and self._live.version == version:
            self._live = None


@dataclass(frozen=True, slots=True)
class ChampionState:
    """How the handle stands, for health answers and for a person.

    Attributes:
        live: The version that scores, or None.
        alias: Where the alias pointed at the last look that succeeded, or None.
        problem: One line: why there is no champion, or why the alias is not followed; empty when all is well.
    """

    live: str | None
    alias: str | None
    problem: str


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A version the alias points to and that is not taken. ``retry_at`` is None for one rejected in use."""

    version: str
    detail: str
    failures: int
    retry_at: float | None


class ChampionHandle:
    """The champion of a store.

    ``refresh`` does one look: where the alias has moved, the version is loaded aside, checked against the
    service's fields and tried; only then one reference is assigned, so that a batch sees either the old
    model or the new one. A version that is refused is remembered: it is tried again when the alias moves,
    or after ``FIRST_RETRY_SECONDS``, doubling up to ``LONGEST_RETRY_SECONDS`` (what is wrong may be the
    file system, not the version). A store that is down, or an alias that was removed, changes nothing.

    ``current`` and ``state`` may be called from any thread; looks are done one at a time.

    Args:
        store: Where the alias and the versions are.
        service_schema: The service's fields.
        trusted_types: Types trusted beside the shipped ones.
        refresh_interval: Seconds between two looks of the thread that ``start`` begins.
        clock: Seconds that never go back.
        listener: Is told of swaps and refusals.
        alias: Which alias to follow.
    """

    def __init__(  # noqa: PLR0913 - the composition root wires it by name
        self,
        store: ModelStore,
        *,
        service_schema: FeatureSchema,
        trusted_types: Sequence[str] = (),
        refresh_interval: float = DEFAULT_REFRESH_INTERVAL,
        clock: Callable[[], float] = time.monotonic,
        listener: ChampionListener | None = None,
        alias: str = CHAMPION,
    ) -> None:
        self._store = store
        self._schema = service_schema
        self._trusted_types = tuple(trusted_types)
        self._interval = refresh_interval
        self._clock = clock
        self._listener = listener
        self._alias = alias
        self._live: LiveModel | None = None
        self._previous: LiveModel | None = None
        self._refusal: _Refusal | None = None
        self._pointed_at: str | None = None
        self._outage = ""
        self._has_looked = False
        self._looking = threading.Lock()  # one look at a time; held while loading
        self._changing = threading.Lock()  # the fields above; never held while anything slow happens
        self._first_look = threading.Event()  # set once a look of the thread has ended, whatever it found
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def current(self) -> LiveModel | None:
        """Return the live model, or None when there is none yet. Never blocks, never raises."""
        return self._live

    def refresh(self) -> LiveModel | None:
        """Look at the alias once, follow it if it has moved, and return the live model. Never raises."""
        with self._looking:
            try:
                version = self._store.alias(self._alias)
            except Exception as error:  # a store may fail in ways of its own; the live model must not notice
                self._store_is_down(error)
                return self._live
            self._outage, self._has_looked = "", True
            if self._is_wanted(version) and version is not None:
                self._take(version)
            return self._live

    def reject(self, version: str, detail: str) -> None:
        """Go back to the model before, if ``version`` is live, and leave it alone until the alias moves."""
        with self._changing:
            if self._live is None or self._live.version != version:
                return  # already replaced: the complaint is about a model that is gone
            rejected, self._live, self._previous = self._live, self._previous, None
            self._refusal = _Refusal(version, f"it failed in use: {detail}", failures=1, retry_at=None)
            now_live = self._live
        if now_live is not None:
            self._tell(lambda listener: listener.model_swapped(rejected, now_live))

    def state(self) -> ChampionState:
        """Return how things stand."""
        with self._changing:
            live = None if self._live is None else self._live.version
            return ChampionState(live, self._pointed_at, self._problem(live))

    def start(self) -> None:
        """Begin to look, at once and then every interval, on a thread that ends with the process."""
        if self._thread is not None:
            return
        self._stopping.clear()
        self._first_look.clear()
        self._thread = threading.Thread(target=self._keep_looking, name=f"follow-{self._alias}", daemon=True)
        self._thread.start()

    def wait_for_first_look(self, timeout: float) -> bool:
        """Wait until the thread has looked once and return whether it has; before, no model does not mean none."""
        return self._first_look.wait(timeout)

    def stop(self, timeout: float = 5.0) -> None:
        """Stop looking; the live model stays. Waits for a look in progress for at most ``timeout`` seconds."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout)

    def _keep_looking(self) -> None:
        while not self._stopping.is_set():
            self.refresh()
            self._first_look.set()
            self._stopping.wait(self._interval)

    def _is_wanted(self, version: str | None) -> bool:
        with self._changing:
            self._pointed_at = version
            if version is None:
                return False  # somebody removed the alias: no reason to stop scoring
            refusal = self._refusal
            if refusal is not None and refusal.version != version:
                self._refusal = refusal = None
            if self._live is not None and self._live.version == version:
                return False
            return refusal is None or (refusal.retry_at is not None and self._clock() >= refusal.retry_at)

    def _take(self, version: str) -> None:
        try:
            artifact = self._store.load(version)
            live = load_model(artifact, trusted_types=self._trusted_types, service_schema=self._schema)
        except ArtifactRefused as error:
            self._refuse(version, error.reason, str(error))
        except StoreError as error:
            self._refuse(version, "unreadable", str(error))
        except Exception as error:  # a user's type, or memory: nothing may stop the thread that looks
            self._refuse(version, "unreadable", f"{type(error).__name__}: {error}")
        else:
            with self._changing:
                before, self._live, self._refusal = self._live, live, None
                self._previous = before
            self._tell(lambda listener: listener.model_swapped(before, live))

    def _refuse(self, version: str, reason: str, detail: str) -> None:
        with self._changing:
            known = self._refusal
            failures = known.failures + 1 if known is not None and known.version == version else 1
            wait = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 16), LONGEST_RETRY_SECONDS)
            self._refusal = _Refusal(version, detail, failures, self._clock() + wait)
        self._tell(lambda listener: listener.model_load_failed(version, reason, detail))

    def _store_is_down(self, error: Exception) -> None:
        detail = str(error) or type(error).__name__
        begins = not self._outage
        self._outage = detail
        if begins:
            self._tell(lambda listener: listener.model_load_failed("", "unreadable", detail))

    def _problem(self, live: str | None) -> str:
        if self._outage:
            return f"the model store cannot be read: {self._outage}"
        refusal = self._refusal
        if refusal is not None:
            return f"{refusal.version} refused: {refusal.detail}"
        if live is None:
            return f"no alias {self._alias} in store {self._store}" if self._has_looked else "not looked yet"
        return ""

    def _tell(self, what: Callable[[ChampionListener], None]) -> None:
        if self._listener is not None:
            with contextlib.suppress(Exception):  # counting must never stop scoring
                what(self._listener)
