"""Maintenance of the tables beside the buffering worker: never in its way, and by one member only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Protocol

from producer.records import TopicPartition


class Chores(Protocol):
    """What is to be done for the tables from time to time; never raises. Called from one thread at a time."""

    def due(self) -> bool:
        """Return whether it is time again."""
        ...

    def maintain(self) -> None:
        """Compact, drop and clean; takes as long as it takes."""
        ...

    def measure(self) -> None:
        """See how large the tables are."""
        ...


class Upkeep(Protocol):
    """Sees to it that the chores are done."""

    def glance(self, owned: AbstractSet[TopicPartition]) -> None:
        """Look whether it is time; must answer at once."""
        ...


class NoUpkeep:
    """Leaves the chores to somebody else."""

    def glance(self, owned: AbstractSet[TopicPartition]) -> None:
        """Do nothing."""


class UpkeepThread:
    """Does the chores in a daemon thread: an end of the process in the middle of them does no harm.

    The member that owns one certain partition is the one that maintains; all members measure.
    """

    def __init__(self, chores: Chores, *, keeper_of: TopicPartition) -> None:
        """Take the chores, and the partition whose owner maintains."""
        self._chores = chores
        self._keeper_of = keeper_of
        self._thread: threading.Thread | None = None

    def glance(self, owned: AbstractSet[TopicPartition]) -> None:
        """Begin when it is time and the last time is over."""
        if (self._thread is not None and self._thread.is_alive()) or not self._chores.due():
            return
        maintains = (self._chores.maintain,) if self._keeper_of in owned else ()
        self._thread = threading.Thread(
            target=_do, args=((*maintains, self._chores.measure),), name="buffer-upkeep", daemon=True
        )
        self._thread.start()


def _do(chores: tuple[Callable[[], None], ...]) -> None:
    for chore in chores:
        chore()
